"""Tests touch what is public: a private name of ours may change without a test that changes with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
# They look into Ray, which is their subject.
OF_RAY = {
    "apps/memory_nodes.py",
    "apps/ray_state.py",
    "unit/ray_cluster/test_ray_internals.py",
    "unit/ray_cluster/test_placement.py",
}
# Private by spelling only: the package behind the public face, and the methods of named tuples.
PUBLIC = {"_internal", "_replace", "_asdict", "_fields"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def private_names(tree: ast.Module) -> Iterator[str]:
    """The private names of others that a module reads, imports or patches."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if is_private(name):
                yield name
            case ast.ImportFrom(names=names):
                yield from (alias.name for alias in names if is_private(alias.name))
            case ast.Call(func=ast.Name(id="setattr" | "getattr") | ast.Attribute(attr="setattr"), args=arguments):
                texts = (part.value for part in arguments if isinstance(part, ast.Constant))
                yield from (text for text in texts if isinstance(text, str) and is_private(text.rpartition(".")[2]))


def test_no_test_touches_a_private_name() -> None:
    found = {
        str(path.relative_to(TESTS)): names
        for path in TESTS.rglob("*.py")
        if (names := sorted(set(private_names(ast.parse(path.read_text(encoding="utf-8"))))))
    }
    assert {path: names for path, names in found.items() if path not in OF_RAY} == {}


def test_whatever_way_to_a_private_name_is_seen() -> None:
    ways = "from a import _b\na._c\npatch.setattr(a, '_d', 1)\npatch.setattr('a._e', 1)\ngetattr(a, '_f')\nself._g\n"
    assert sorted(private_names(ast.parse(ways))) == ["_b", "_c", "_d", "_f", "a._e"]
