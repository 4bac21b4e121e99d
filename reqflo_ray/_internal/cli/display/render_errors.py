"""Renders errors and warnings: what, where (with the source line and a caret), why, and what to do.

The only renderer of problems. It must not know any command, and it escapes everything that it shows.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from reqflo_ray._internal.cli.display.terminal import Terminal, display_width, escape
from reqflo_ray._internal.errors import Position, Problem, ReqfloError, Severity

_SEVERITY_STYLE: Final = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}
_TAB: Final = "    "
_CHARACTERS_A_CELL: Final = 4  # examined on each side, because some characters occupy no cell


def render_error(error: ReqfloError, terminal: Terminal) -> str:
    """Return everything in `error`, errors before warnings, with their number at the end if there are several."""
    if not error.problems:
        return render_problem(_as_problem(error), terminal)
    blocks = [render_problems(error.problems, terminal)]
    if not _repeats_a_problem(error):
        blocks.insert(0, render_problem(_as_problem(error), terminal))
    return "\n\n".join(blocks)


def render_problems(problems: Sequence[Problem], terminal: Terminal) -> str:
    """Return `problems`, errors first, otherwise in their order. Several end with a line: `2 errors, 1 warning`."""
    ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
    blocks = [render_problem(problem, terminal) for problem in ordered]
    if len(blocks) > 1:
        blocks.append(count_problems(problems))
    return "\n\n".join(blocks)


def count_problems(problems: Iterable[Problem]) -> str:
    """Return `2 errors, 1 warning`, without a zero count."""
    severities = [problem.severity for problem in problems]
    counted = ((severity, severities.count(severity)) for severity in Severity)
    return ", ".join(f"{number} {severity}{'s' if number != 1 else ''}" for severity, number in counted if number)


def render_problem(problem: Problem, terminal: Terminal) -> str:
    """Return one problem, without a line feed at the end."""
    label = terminal.paint(f"{problem.severity}[{escape(problem.code)}]:", _SEVERITY_STYLE[problem.severity])
    # The message stays on one line, so that a log can be searched for it: a name in it may contain a line feed.
    lines = [f"{label} {escape(problem.message.strip())}"]
    if problem.position is not None:
        lines += _place(problem.position, terminal)
    if problem.cause:
        lines.append(_prose("cause: ", problem.cause, "bold", terminal))
    if problem.hint:
        lines.append(_prose("hint: ", escape(problem.hint.strip()), "bold cyan", terminal))
    return "\n".join(lines)


def _as_problem(error: ReqfloError) -> Problem:
    return Problem(code=error.code, message=error.message, position=error.position, cause=error.cause, hint=error.hint)


def _repeats_a_problem(error: ReqfloError) -> bool:
    # `ReqfloError.of` copies the first problem and appends the number of the others.
    return any(error.code == problem.code and error.message.startswith(problem.message) for problem in error.problems)


def _prose(label: str, text: str, style: str, terminal: Terminal) -> str:
    margin = " " * len(label)
    lines: list[str] = []
    for line in escape(text.rstrip(), multiline=True).split("\n"):
        room = terminal.wrap_width - len(label)
        # A line that fits is unchanged: it may be aligned with another one, such as a caret below a query.
        fits = display_width(line) <= room
        lines += [line] if fits else textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    return terminal.paint(label.rstrip(), style) + " " + f"\n{margin}".join(lines)


def _place(position: Position, terminal: Terminal) -> list[str]:
    arrow = terminal.paint("-->", "bold blue")
    shown = f"{escape(position.file)}:{position.line}:{position.column}"
    if not position.text.strip():
        return [f"  {arrow} {shown}"]
    number = str(position.line)
    margin = " " * len(number)
    bar = terminal.paint("|", "bold blue")
    source, caret_at = _window(position, terminal.wrap_width - len(number) - 3)
    caret = terminal.paint("^", _SEVERITY_STYLE[Severity.ERROR])
    return [
        f"{margin} {arrow} {shown}",
        f"{margin} {bar}",
        f"{terminal.paint(number, 'bold blue')} {bar} {source}".rstrip(),
        f"{margin} {bar} {' ' * caret_at}{caret}",
    ]


def _window(position: Position, width: int) -> tuple[str, int]:
    """Return the part of the source line around the column that fits in `width` cells, and the caret's cell in it."""
    text = position.text.rstrip("\r\n")
    at = min(max(position.column - 1, 0), len(text))
    # Only the characters nearby are examined: a line may have a megabyte and many problems.
    start, end = max(0, at - _CHARACTERS_A_CELL * width), min(len(text), at + _CHARACTERS_A_CELL * width)
    while display_width(_shown(text, start, end)) > width and end > at + 1:
        end = max(at + 1, end - max(1, (end - at) // 8))
    while display_width(_shown(text, start, end)) > width and start < at:
        start = min(at, start + max(1, (at - start) // 8))
    before = ("…" if start else "") + _source(text[start:at])
    return _shown(text, start, end), display_width(before)


def _shown(text: str, start: int, end: int) -> str:
    return ("…" if start else "") + _source(text[start:end]) + ("…" if end < len(text) else "")


def _source(text: str) -> str:
    return escape(text.replace("\t", _TAB))
