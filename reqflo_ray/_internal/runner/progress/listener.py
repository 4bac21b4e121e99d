"""Defines what a run reports to the command line or to a program. Data and protocols only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.results import Counts, Failure, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a run. Times are in seconds. Rates count only what this driver has done, not an earlier one.
    `remaining_s` is None until it can be estimated."""

    rows_total: int
    counts: Counts
    elapsed_s: float
    rows_per_second: float
    steps_per_second: float
    remaining_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """The outcome of a call that ran a journey.

    `verdict` is the stored one if the run is complete; otherwise it covers what has finished so far. `results_path` is
    the folder of the run. `resumed` says whether the run existed before this call. `journaled` is the number of rows of
    the verdict that are in shards without a commit: they appear in queries only after a resume.
    """

    run_id: str
    store: str
    results_path: str
    verdict: Verdict
    exit_code: int
    complete: bool
    resumed: bool
    journaled: int = 0

    @property
    def passed(self) -> bool:
        """Whether the run is complete and every row has passed."""
        return self.exit_code == 0


class Listener(Protocol):
    """Receives the events of a run, on the thread of the call that runs it.

    Warnings of the check come first; then `staging`, if a cluster could stage the dataset (and again if it turns out
    that it cannot); then `started`, any number of the others, and `finished`.
    """

    def staging(self, run_id: str, backend: str, reason: str) -> None:
        """`backend` stages a large dataset. Called only if a cluster could do it."""
        ...

    def started(self, run_id: str, backend: str, reason: str, rows: int) -> None:
        """Rows are staged, and the backend is chosen for `reason`. For a finished run, the backend is `none`."""
        ...

    def warning(self, problem: Problem) -> None:
        """There is a warning, or an error that ended a shard while others continue."""
        ...

    def progress(self, progress: Progress) -> None:
        """Some time has passed, or a shard has ended."""
        ...

    def failure(self, failure: Failure) -> None:
        """A row did not pass. Called only for the first few."""
        ...

    def finished(self, outcome: RunOutcome) -> None:
        """The run has ended under this driver, complete or not."""
        ...


class SilentListener(Listener):
    """Ignores all events."""

    def staging(self, run_id: str, backend: str, reason: str) -> None: ...

    def started(self, run_id: str, backend: str, reason: str, rows: int) -> None: ...

    def warning(self, problem: Problem) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def failure(self, failure: Failure) -> None: ...

    def finished(self, outcome: RunOutcome) -> None: ...
