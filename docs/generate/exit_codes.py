"""The page of exit codes: those that the help of the command line lists, with the errors that end with each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from docs.generate.markdown import codes, page, table, text
from reqflo_ray._internal import errors
from reqflo_ray._internal.cli.main import EXIT_CODES
from reqflo_ray._internal.errors import ReqfloError

# `  129, 130, 143  hung up, interrupted, terminated; …`
_LINE: Final = re.compile(r"  (\d+(?:, \d+)*)  (.+)")


class ExitCode(NamedTuple):
    """Exit codes of one kind, and what they mean."""

    numbers: tuple[int, ...]
    meaning: str


def exit_codes() -> Iterator[ExitCode]:
    """Yield what `reqflo-ray --help` lists."""
    for numbers, meaning in _LINE.findall(EXIT_CODES):
        yield ExitCode(tuple(map(int, numbers.split(", "))), meaning)


def error_classes() -> Mapping[str, type[ReqfloError]]:
    """Return every class of errors by its name."""
    found = vars(errors).values()
    return {each.__name__: each for each in found if isinstance(each, type) and issubclass(each, ReqfloError)}


def pages() -> Mapping[str, str]:
    """Return the page."""
    rows = [(codes(each.numbers), text(_sentence(each.meaning)), codes(_errors(each))) for each in exit_codes()]
    return {
        "exit-codes.md": page(
            "Exit codes",
            "A command exits with one of these codes. Of several that apply to a run, the worst one counts: a signal, "
            "then 3, then 1.",
            table(("Code", "Meaning", "Error classes in Python"), rows),
            "What the API under test does wrong is a result, not an error: a run with such rows exits with 1 and "
            "raises nothing in Python. [Error codes](error-codes.md) lists what can end a command with 2, 3, or 5.",
            "`show`, `sql`, and `report` exit with 0 whatever the outcome of the run is, with 2 if they are called "
            "wrongly, and with 3 if the results are damaged.",
        )
    }


def _errors(found: ExitCode) -> list[str]:
    classes = error_classes().items()
    return [name for name, each in classes if each is not ReqfloError and each.default_exit_code in found.numbers]


def _sentence(meaning: str) -> str:
    return meaning[0].upper() + meaning[1:].rstrip(".") + "."
