"""The page of error codes: the registry's words, and the exit code that each leads to, as the source raises it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Final

import reqflo_ray
from docs.generate.exit_codes import error_classes
from docs.generate.markdown import code, page, table, text
from reqflo_ray._internal.error_codes import cluster, datasets, definitions, rows, secrets, stores, usage
from reqflo_ray._internal.error_codes.meaning import ErrorCode
from reqflo_ray._internal.error_codes.registry import SECTIONS

_WARNING: Final = "none: a warning"
# Where a code is raised by way of a function of its own room, every error of that room ends alike.
_BY_SECTION: Final[Mapping[tuple[ErrorCode, ...], str]] = {
    usage.CODES: "2",
    definitions.CODES: "2",
    datasets.CODES: "2",
    secrets.CODES: "3",
    rows.CODES: "1",
    stores.CODES: "3",
    cluster.CODES: "3",
}
# Codes of rows that are not an answer of the API, or that nobody can judge (`exit_code` of the model).
_WORSE_ROWS: Final = frozenset(
    {"internal_error", "journal_damaged", "outcome_unknown", "poison_row", "sensitive_value_lost"}
)
_SKIPPED_STEPS: Final = frozenset({"row_halted", "skipped_by_overlay", "unresolved_dependency"})
_SPECIAL: Final[Mapping[str, str]] = {
    **dict.fromkeys(_WORSE_ROWS, "3"),
    **dict.fromkeys(_SKIPPED_STEPS, "none: the step is skipped"),
    **dict.fromkeys(("fewer_rows_at_once", "ray_part_missing", "unreadable_run"), _WARNING),
    "interrupted": "129, 130, or 143",
    "left_running": "130",
    "output_not_written": "3",
    "undeclared_column": "2 with `--strict`, otherwise none: a warning",
}


def pages() -> Mapping[str, str]:
    """Return the page."""
    raised = _raised()
    parts = [
        "Every error, warning, row, and step that did not pass names its cause with one of these codes: in messages as "
        "`error[CODE]`, in SQL as `error_code`, in Python as `code`. A code keeps its meaning in later versions.",
        "The last column is the [exit code](exit-codes.md) of a command that ends because of it.",
    ]
    for section in SECTIONS:
        lines = [
            (
                _anchored(each.name),
                text(each.cause),
                text(each.remedy),
                _exit(each, section.codes, raised),
            )
            for each in section.codes
        ]
        parts += [f"## {section.title}", table(("Code", "Cause", "What to do", "Exit code"), lines)]
    return {"error-codes.md": page("Error codes", *parts)}


def _anchored(name: str) -> str:
    return f'<a id="{name}"></a>{code(name)}'


def _exit(each: ErrorCode, section: tuple[ErrorCode, ...], raised: Mapping[str, Set[str]]) -> str:
    found = raised.get(each.name, set())
    if each.name in _SPECIAL:
        return _SPECIAL[each.name]
    if section is rows.CODES:
        return _BY_SECTION[section]
    return " or ".join(sorted(found)) or _BY_SECTION[section]


def _raised() -> Mapping[str, Set[str]]:
    """Return the exit codes with which the source raises each code itself, and whether it warns of it."""
    classes = error_classes()
    found: dict[str, set[str]] = defaultdict(set)
    warned, reported = set[str](), set[str]()
    for each in classes.values():
        found[each.default_code].add(str(each.default_exit_code))
    for call in _calls():
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        named = {each.value for each in [*call.args, *given.values()] if isinstance(each, ast.Constant)}
        texts = {each for each in named if isinstance(each, str)}
        if name in classes:
            ended = given.get("exit_code")
            number = ended.value if isinstance(ended, ast.Constant) else classes[name].default_exit_code
            for text_ in texts:
                found[text_].add(str(number))
        else:
            (warned if name in ("warning", "_warning") else reported).update(texts)
    for name in warned - reported - found.keys():
        found[name].add(_WARNING)
    return found


def _calls() -> Iterator[ast.Call]:
    for path in sorted(Path(reqflo_ray.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") != "ErrorCode":
                yield node
