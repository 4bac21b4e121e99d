"""The pages of the Python API: every public name with its signature and docstring, read from the source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from types import ModuleType
from typing import Any, Final

import reqflo_ray
import reqflo_ray.testing
from docs.generate.docstrings import markdown_of
from docs.generate.markdown import block, code, page, table
from reqflo_ray._internal.errors import ReqfloError

_WIDTH: Final = 88
_SECTIONS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "Functions": inspect.isroutine,
    "Errors": lambda member: inspect.isclass(member) and issubclass(member, ReqfloError),
    "Enumerations": lambda member: inspect.isclass(member) and issubclass(member, Enum),
    "Classes": inspect.isclass,
    "Constants": lambda _: True,
}


def pages() -> Mapping[str, str]:
    """Return a page for each public module."""
    introduction = (
        "Names that are listed here are public; everything in `reqflo_ray._internal` may change with every version. "
        "A problem raises a `ReqfloError`, whose `code` is one of the [error codes](../error-codes.md). `File` stands "
        "for `str | os.PathLike[str]`."
    )
    return {
        "python/reqflo_ray.md": _page(reqflo_ray, introduction),
        "python/testing.md": _page(reqflo_ray.testing, markdown_of(reqflo_ray.testing.__doc__ or "")),
    }


def _page(module: ModuleType, introduction: str) -> str:
    sections: dict[str, list[str]] = {title: [] for title in _SECTIONS}
    for name in module.__all__:
        member = getattr(module, name)
        sections[next(title for title, belongs in _SECTIONS.items() if belongs(member))].append(name)
    parts = [introduction]
    for title, names in sections.items():
        if names:
            parts.append(f"## {title}")
        for name in names:
            parts += [f"### {name}", *_member(name, getattr(module, name))]
    return page(module.__name__, *parts)


def _member(name: str, member: Any) -> Iterator[str]:
    if inspect.isroutine(member):
        yield from _function(name, member)
    elif inspect.isclass(member) and issubclass(member, Enum):
        yield markdown_of(member.__doc__ or "")
        yield table(("Member", "Value"), [(code(each.name), code(each.value)) for each in member])
    elif inspect.isclass(member):
        yield from _class(name, member)
    else:
        yield block(f'{name} = "{member}"', "python")


def _function(name: str, function: Any) -> Iterator[str]:
    node = _parsed(function)
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    keyword = "async def" if inspect.iscoroutinefunction(function) else "def"
    yield block(f"{keyword} {name}{_signature(node)}", "python")
    yield markdown_of(function.__doc__ or "")


def _class(name: str, kind: Any) -> Iterator[str]:
    node = _parsed(kind)
    assert isinstance(node, ast.ClassDef)
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and _is_public(ast.unparse(part.target))]
    fields = [part for part in fields if not ast.unparse(part.annotation).startswith("ClassVar")]
    bases = [base.__name__ for base in kind.__bases__ if base.__name__ in reqflo_ray.__all__]
    if issubclass(kind, ReqfloError):
        yield f"Exit code {kind.default_exit_code}, code `{kind.default_code}`" + (
            f"; a kind of [`{bases[0]}`](#{bases[0].lower()})." if bases else "."
        )
    elif fields:
        lines = "\n".join(
            f"    {ast.unparse(part.target)}: {ast.unparse(part.annotation)}{_default(part.value)}" for part in fields
        )
        yield block(f"class {name}:\n{lines}", "python")
    yield markdown_of(kind.__doc__ or "")
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _method(name, kind, part)


def _method(name: str, kind: Any, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    docstring = ast.get_docstring(node)
    if node.name == "__init__" and docstring:
        yield block(f"{name}{_signature(node, is_method=True)}", "python")
        yield markdown_of(docstring)
    if not _is_public(node.name):
        return
    if isinstance(inspect.getattr_static(kind, node.name), property | cached_property):
        returned = f": {ast.unparse(node.returns)}" if node.returns else ""
        yield f"#### {name}.{node.name}"
        yield block(f"{node.name}{returned}", "python")
    else:
        keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        yield f"#### {name}.{node.name}()"
        yield block(f"{keyword} {node.name}{_signature(node, is_method=True)}", "python")
    yield markdown_of(docstring) if docstring else ""


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, is_method: bool = False) -> str:
    """Return the parameters as they are written, one on each line if they are many."""
    taken = node.args
    if is_method and taken.args and taken.args[0].arg in ("self", "cls"):
        taken = ast.arguments(**{**dict(ast.iter_fields(taken)), "args": taken.args[1:]})
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    short = ", ".join(_parameters(taken))
    if len(node.name) + len(short) + len(returned) < _WIDTH:
        return f"({short}){returned}"
    lines = "".join(f"    {parameter},\n" for parameter in _parameters(taken))
    return f"(\n{lines}){returned}"


def _parameters(taken: ast.arguments) -> Iterator[str]:
    defaults = [None] * (len(taken.args) - len(taken.defaults)) + list(taken.defaults)
    for each, default in zip(taken.args, defaults, strict=True):
        yield ast.unparse(each) + _default(default)
    if taken.kwonlyargs:
        yield f"*{ast.unparse(taken.vararg)}" if taken.vararg else "*"
    for each, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
        yield ast.unparse(each) + _default(default)


def _default(value: ast.expr | None) -> str:
    if value is None:
        return ""
    shown = ast.unparse(value).replace("'", '"')
    return f" = {shown if _is_public(shown) else '...'}"  # a private name says nothing to a reader


def _parsed(member: Any) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(member))).body[0]


def _is_public(name: str) -> bool:
    return not name.startswith("_")
