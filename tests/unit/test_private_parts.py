"""Private parts of a library stand in one module, where they are looked for and tested."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import reqflo_ray

PACKAGE = Path(reqflo_ray.__file__).parent
# Of the interpreter itself, and of type checkers.
NOT_LIBRARIES = frozenset(("__future__", "_thread", "_typeshed", "reqflo_ray"))


def imported(tree: ast.Module) -> Iterator[str]:
    """What a module imports, by full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def private_parts() -> dict[str, set[str]]:
    """The modules that use private parts of a library, by the library."""
    found = defaultdict[str, set[str]](set)
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        names = [name for name in imported(ast.parse(text)) if re.search(r"\._", name)]
        names += re.findall(r"\bray(?:\.\w+)*\._\w+", text)
        for name in names:
            if (library := name.partition(".")[0]) not in NOT_LIBRARIES:
                found[library].add(str(path.relative_to(PACKAGE)))
    return found


def test_each_library_has_one_module_for_its_private_parts() -> None:
    found = private_parts()
    assert found.pop("ray") == {"_internal/ray_cluster/ray_internals.py"}
    assert all(len(modules) == 1 for modules in found.values()), found
