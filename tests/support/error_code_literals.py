"""Finds in the source which error codes the product can give, by parsing it.

A code is what is passed to a parameter `code`, `error_code` or `default_code` of anything in the package, or assigned
to a name or field with such a name. It must be a literal, a constant of a module, or passed on from one of these, so
that no code can be built at run time without being found.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

NAMES = frozenset({"code", "error_code", "default_code"})
_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# What hands a code on: a field of something that has one, or a member of an enum of codes.
_HANDED_ON = frozenset({"code", "error_code", "default_code", "kind", "value"})


@dataclass
class Codes:
    """The codes that were found, each with the places where it stands, and what could not be understood."""

    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unclear: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Takes:
    """Where a function takes a code: the position among its arguments, and how many it needs at least."""

    position: int
    needed: int


def codes_in(package: Path) -> Codes:
    """The codes in all modules below `package`."""
    trees = {
        path.relative_to(package).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
    }
    constants = {name: texts for tree in trees.values() for name, texts in _constants(tree)}
    own = {file: _takers([tree]) for file, tree in trees.items()}
    public = {name: takes for name, takes in _takers(trees.values()).items() if not name.startswith("_")}
    named = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    # Of what is called like something that takes no code, only literals can be told to be codes.
    ambiguous = {
        node.name
        for node in named
        if node.name in public and _taken(node) is None and len(node.args.args) - 1 >= public[node.name].needed
    }
    found = Codes()
    for file, tree in trees.items():
        for value, is_passed in _values(tree, public | own[file], ambiguous):
            for part in _alternatives(value):
                _note(part, f"{file}:{part.lineno}", constants, found, is_passed)
    return found


def _constants(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """The constants of a module that are texts, or tables of texts."""
    for statement in tree.body:
        match statement:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ):
                found = value.values if isinstance(value, ast.Dict) else [value]
                texts = [one.value for one in found if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                if texts and len(texts) == len(found):
                    yield name, texts


def _takers(trees: Iterable[ast.Module]) -> dict[str, _Takes]:
    """The functions and classes that take a code as a positional argument, by their names."""
    takers: dict[str, _Takes] = {}
    classes: list[ast.ClassDef] = []
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
                if takes := _taken(node):
                    takers[node.name] = takes
            elif isinstance(node, ast.ClassDef):
                classes.append(node)
    for node in classes:
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__" and (takes := _taken(method)):
                takers[node.name] = takes
        fields = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
        names = [field.id for field in fields if isinstance(field, ast.Name)]
        if "code" in names and any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases):
            takers[node.name] = _Takes(names.index("code"), len(names))
    for _ in classes:  # a class takes what its base takes
        inherited = {
            node.name: takers[base.id]
            for node in classes
            for base in node.bases
            if isinstance(base, ast.Name) and base.id in takers and node.name not in takers
        }
        if not inherited:
            break
        takers |= inherited
    return takers


def _taken(function: ast.FunctionDef | ast.AsyncFunctionDef) -> _Takes | None:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    needed = len(names) - len(function.args.defaults)
    if names and names[0] in ("self", "cls"):
        names, needed = names[1:], needed - 1
    numbers = {argument.arg for argument in function.args.args if ast.unparse(argument.annotation or function) == "int"}
    positions = [position for position, name in enumerate(names) if name in NAMES - numbers]
    return _Takes(positions[0], needed) if positions else None


def _values(tree: ast.Module, takers: dict[str, _Takes], ambiguous: set[str]) -> Iterator[tuple[ast.expr, bool]]:
    """Whatever is passed or assigned as a code, and whether it is certainly passed as one."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=called, args=arguments, keywords=keywords):
                yield from ((keyword.value, True) for keyword in keywords if keyword.arg in NAMES)
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                takes = takers.get(name)
                if takes and len(arguments) > takes.position and len(arguments) + len(keywords) >= takes.needed:
                    yield arguments[takes.position], name not in ambiguous
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from ((part, False) for part in _assigned(target, value))
            case ast.arguments():
                positional = [*node.posonlyargs, *node.args]
                defaults = [None] * (len(positional) - len(node.defaults)) + [*node.defaults, *node.kw_defaults]
                pairs = zip([*positional, *node.kwonlyargs], defaults, strict=True)
                yield from ((value, True) for name, value in pairs if name.arg in NAMES and value is not None)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    match target, value:
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for one, other in zip(targets, values, strict=True):
                yield from _assigned(one, other)
        case ast.Name(id=name) | ast.Attribute(attr=name), _ if name in NAMES:
            yield value


def _alternatives(value: ast.expr) -> Iterator[ast.expr]:
    match value:
        case ast.IfExp(body=first, orelse=second):
            yield from _alternatives(first)
            yield from _alternatives(second)
        case ast.BoolOp(values=values):
            for one in values:
                yield from _alternatives(one)
        case _:
            yield value


def _note(part: ast.expr, place: str, constants: dict[str, list[str]], found: Codes, is_passed: bool) -> None:
    match part:
        case ast.Constant(value="" | None | int()):  # no code, or one with which a process ends
            pass
        case ast.Constant(value=str() as text) if _CODE.fullmatch(text):
            found.places[text].append(place)
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if name in constants:
            for text in constants[name]:
                found.places[text].append(place)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _HANDED_ON:
            pass
        case ast.Starred():
            pass
        case _ if is_passed:
            found.unclear.append(f"{place}: {ast.unparse(part)}")
