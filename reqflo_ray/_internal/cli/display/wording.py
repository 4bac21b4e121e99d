"""The words of the command line for what a run reports: its progress, rows that did not pass, counts, and durations.

It only makes text. It must not write, or know where a line is shown.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from reqflo_ray import DEFAULT_STORE
from reqflo_ray._internal.cli.display.terminal import Terminal, escape, shorten

if TYPE_CHECKING:
    from reqflo_ray import Counts, Failure, Problem, Progress

_LONGEST_MESSAGE: Final = 300
# People read the word that SQL uses; `--json` keeps its key.
_SHOWN_AS: Final = {"verdict": "status"}


def shown_name(key: str) -> str:
    """Return the word that people read for a key of `--json`."""
    return _SHOWN_AS.get(key, key)


def describe(progress: Progress) -> str:
    """Return the progress of a run on one line: `rows 4200/10000  failed 3  1250 steps/s  left 1 min 35 s`."""
    parts = [f"rows {progress.counts.rows}/{progress.rows_total}", not_passed(progress.counts)]
    parts.append(f"{progress.steps_per_second:.0f} steps/s")
    if progress.remaining_s is not None:
        parts.append(f"left {readable_seconds(progress.remaining_s)}")
    return "  ".join(parts)


def not_passed(counts: Counts) -> str:
    """Return `failed 3`, followed by errors and inconclusive rows if there are any."""
    parts = [f"failed {counts.failed}"]
    parts += [
        f"{name} {number}"
        for name, number in (("error", counts.error), ("inconclusive", counts.inconclusive))
        if number
    ]
    return "  ".join(parts)


def describe_failure(failure: Failure, terminal: Terminal) -> str:
    """Return a row that did not pass on one line: `failed row 17 (ref-0017) at step create: assertion_failed: …`."""
    key = f" ({escape(failure.row_key)})" if failure.row_key else ""
    step = f" at step {escape(failure.step)}" if failure.step else ""
    code = f" {escape(failure.code)}:" if failure.code else ""
    message = shorten(escape(failure.message), _LONGEST_MESSAGE)
    return f"{terminal.paint(failure.status, 'red')} row {failure.row_index}{key}{step}:{code} {message}"


def counted(number: int, noun: str) -> str:
    """Return `1 row`, `1000 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def left_out(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield a line for each thing that a result leaves out."""
    return (f"{'left out':<12} {escape(problem.message)}" for problem in problems)


def readable_seconds(seconds: float) -> str:
    """Return `35 s`, `1 min 35 s`, or `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def store_option(store: str | None, terminal: Terminal) -> str:
    """Return the option that a later command needs to find the store, such as ` --store /runs`, or ""."""
    known = store is None or store == terminal.environment.get("REQFLO_STORE")
    return "" if known else f" --store {shlex.quote(str(store))}"


def workspace_store_option(store: str, terminal: Terminal) -> str:
    """Return the same for a run whose command named no store: the workspace's must be named, the default need not."""
    usual = terminal.environment.get("REQFLO_STORE") or os.path.abspath(store) == os.path.abspath(DEFAULT_STORE)
    return "" if usual else f" --store {shlex.quote(store)}"
