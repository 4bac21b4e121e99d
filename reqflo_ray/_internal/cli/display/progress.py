"""What people see while rows run, and the last lines of a run, which stay the same from version to version.

It listens to the driver and writes to standard error. It must not know how a live bar is drawn.
"""

from __future__ import annotations

import platform
import shlex
from typing import TYPE_CHECKING, Final, Protocol

from reqflo_ray._internal.cli.display.outcome_details import outcome_details
from reqflo_ray._internal.cli.display.render_errors import render_problem
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.display.wording import counted, describe, describe_failure, workspace_store_option
from reqflo_ray._internal.errors import ReqfloError

if TYPE_CHECKING:
    from reqflo_ray import Failure, Problem, Progress, RunOutcome

SECONDS_BETWEEN_LINES: Final = 10.0
# Rare counts are shown only if they are not zero, after the counts that are always shown.
_RARE: Final = (
    *("skipped", "cancelled", "soft_failures", "flaky", "resumed", "resent", "resent_sensitive"),
    *("quarantined", "poisoned", "internal"),
)
# The code of an error of reqflo-ray itself.
_INTERNAL: Final = ReqfloError.default_code
_FAILING: Final = "select row_key, status, failed_step, error_message from results where status <> 'passed'"


class Display(Protocol):
    """Shows the progress of a run."""

    def begin(self, rows: int) -> None:
        """Show that a run of `rows` rows starts."""
        ...

    def update(self, progress: Progress) -> None:
        """Show `progress`. It is called often."""
        ...

    def note(self, text: str) -> None:
        """Write lines that stay."""
        ...

    def end(self) -> None:
        """Remove everything except the lines that stay. It may be called twice."""
        ...


class Silence:
    """Shows only the lines that stay: `--quiet`."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def begin(self, rows: int) -> None:
        """Show no start."""

    def update(self, progress: Progress) -> None:
        """Show no progress."""

    def note(self, text: str) -> None:
        """Write lines that stay."""
        self._terminal.note(text)

    def end(self) -> None:
        """Remove nothing: only lines that stay were written."""


class Lines(Silence):
    """Writes one line every ten seconds, for logs."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._due_s = SECONDS_BETWEEN_LINES

    def update(self, progress: Progress) -> None:
        """Write a line if the last one is ten seconds old by the clock of the run."""
        if progress.elapsed_s < self._due_s:
            return
        self._due_s = progress.elapsed_s + SECONDS_BETWEEN_LINES
        self._terminal.note(f"{progress.elapsed_s:.0f} s  {describe(progress)}")


class RunReporter:
    """The listener of a run: shows its first line, warnings, progress, first failures, and last lines. With `detailed`,
    it also shows the steps of a single row, or what failed in how many rows.

    `store_option` is what later commands need to find the run (` --store URI`), or "". Use it as a context manager, so
    that the bar is removed after an error.
    """

    def __init__(
        self, terminal: Terminal, *, quiet: bool = False, detailed: bool = False, store_option: str = ""
    ) -> None:
        self._terminal = terminal
        self._quiet = quiet
        self._detailed = detailed and not quiet
        self._store_option = store_option
        self._failures = 0
        self._display = _display(terminal, quiet)

    def __enter__(self) -> RunReporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._display.end()

    def staging(self, run_id: str, backend: str, reason: str) -> None:
        """Show where a large dataset is read."""
        if not self._quiet:
            self._display.note(
                f"run {escape(run_id)}: reading the dataset, backend {escape(backend)} ({escape(reason)})"
            )

    def started(self, run_id: str, backend: str, reason: str, rows: int) -> None:
        """Show what runs where, and why there."""
        if not self._quiet:
            why = f" ({escape(reason)})" if reason else ""
            self._display.note(f"run {escape(run_id)}: {counted(rows, 'row')}, backend {escape(backend)}{why}")
        self._display.begin(rows)

    def warning(self, problem: Problem) -> None:
        """Show a warning, even with `--quiet`."""
        self._display.note(render_problem(problem, self._terminal))

    def progress(self, progress: Progress) -> None:
        """Show the progress of the run."""
        self._display.update(progress)

    def failure(self, failure: Failure) -> None:
        """Show a row that did not pass."""
        if not self._quiet:
            self._failures += 1
            self._display.note(describe_failure(failure, self._terminal))

    def finished(self, outcome: RunOutcome) -> None:
        """Write the last lines."""
        self._display.end()
        store = self._store_option or workspace_store_option(outcome.store, self._terminal)
        more = outcome.verdict.counts.rows - outcome.verdict.counts.passed - self._failures
        if self._failures and more > 0:
            where = "the query below lists them all" if outcome.complete else "resume the run to query them all"
            self._terminal.note(f"and {counted(more, 'more row')} did not pass: {where}")
        if self._detailed:
            for line in outcome_details(outcome, self._terminal, store):
                self._terminal.note(line)
        for line in last_lines(outcome, self._terminal, store_option=store):
            self._terminal.note(line)


def _display(terminal: Terminal, quiet: bool) -> Display:
    if quiet:
        return Silence(terminal)
    if not terminal.animates:
        return Lines(terminal)
    from reqflo_ray._internal.cli.display.live_bar import LiveBar

    return LiveBar(terminal)


def last_lines(outcome: RunOutcome, terminal: Terminal, *, store_option: str = "") -> list[str]:
    """Return the last lines: status and counts, where the results are, how to query them, and how to resume the run."""
    verdict = outcome.verdict
    counts = verdict.counts
    shown = [("rows", counts.rows), ("passed", counts.passed), ("failed", counts.failed), ("error", counts.error)]
    shown.append(("inconclusive", counts.inconclusive))
    shown += [(name, number) for name in _RARE if (number := getattr(counts, name))]
    status = terminal.paint(verdict.status, "bold green" if verdict.status == "passed" else "bold red")
    lines = [
        f"status: {status}  {'  '.join(f'{name} {number}' for name, number in shown)}"
        f"  in {verdict.duration_ms / 1000:.1f} s"
    ]
    if counts.internal:
        lines += _what_to_report(outcome, store_option)
    if counts.quarantined:
        lines.append(
            f"quarantined: {counted(counts.quarantined, 'record')} of earlier journals could not be read; steps that"
            " may have been completed in them were handled as `on_interrupt` says: check the disk of the store"
        )
    lines += [f"threshold: {escape(threshold)}" for threshold in verdict.thresholds]
    lines += [
        f"results: {escape(outcome.results_path)}",
        f'query: reqflo-ray sql "{_FAILING}" --run {outcome.run_id}{store_option}',
    ]
    if outcome.journaled:
        lines.append(
            f"journaled: {counted(outcome.journaled, 'row')} of these are in shards that are not committed yet:"
            " resume the run to see them in queries and reports"
        )
    if not outcome.complete:
        lines.append(f"resume: reqflo-ray resume {outcome.run_id}{store_option}")
    return lines


def _what_to_report(outcome: RunOutcome, store_option: str) -> list[str]:
    """Return lines that say that rows ended in an error of reqflo-ray itself, and what its bug report needs."""
    from importlib.metadata import version

    counts = outcome.verdict.counts
    named = next((failure for failure in outcome.verdict.failures if failure.code == _INTERNAL), None)
    lines = [
        f"internal: {counted(counts.internal, 'row')} ended in an error of reqflo-ray itself, not of the API: report "
        "this bug with"
    ]
    if named is not None:
        row = escape(shlex.quote(named.row_key or str(named.row_index)))
        lines.append(f"  this message: {escape(named.message)}")
        lines.append(
            f"  the row: reqflo-ray show {outcome.run_id} --row={row}{store_option}  (remove private data from it)"
        )
    else:
        query = f"select row_key, error_message from results where error_code = '{_INTERNAL}'"
        lines.append(f'  the output of: reqflo-ray sql "{query}" --run {outcome.run_id}{store_option}')
    versions = f"reqflo-ray {version('reqflo-ray')}, Python {platform.python_version()}, {platform.platform()}"
    lines.append(f"  these versions: {versions}")
    return lines
