"""What a run tells whoever watches it: the command line, or a program. Data and protocols only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.results import Counts, Failure, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is. Times in seconds; rates are of this driver, not of an earlier one; `remaining_s` is None until
    there is something to judge it by."""

    rows_total: int
    counts: Counts
    elapsed_s: float
    rows_per_second: float
    steps_per_second: float
    remaining_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a call that ran something ended.

    `verdict` is the stored one if the run is complete, else of what is finished so far. `results_path` is the folder of
    the run. `resumed`: the run existed before this call. `journaled` rows of the verdict have ended in shards that are
    not committed: only a resume brings them to the results that can be queried.
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
    """Called on the thread of the call that runs. Warnings of the check come first; then `staging`, if there is a
    cluster that could stage (again if it turns out that it cannot), `started`, any number of the others, `finished`."""

    def staging(self, run_id: str, backend: str, reason: str) -> None:
        """A large dataset is staged by that backend; told only if there is a cluster that could do it."""
        ...

    def started(self, run_id: str, backend: str, reason: str, rows: int) -> None:
        """Rows are staged and the backend is chosen; `reason` says why that one. Of a finished run it is `none`."""
        ...

    def warning(self, problem: Problem) -> None:
        """Something that does not block; or an error that ended a shard, while others go on."""
        ...

    def progress(self, progress: Progress) -> None:
        """Some time has passed, or a shard has ended."""
        ...

    def failure(self, failure: Failure) -> None:
        """A row did not pass. Only the first few are told."""
        ...

    def finished(self, outcome: RunOutcome) -> None:
        """The run has ended, for now or for good."""
        ...


class SilentListener:
    """Listens to nothing."""

    def staging(self, run_id: str, backend: str, reason: str) -> None:
        """Nothing."""

    def started(self, run_id: str, backend: str, reason: str, rows: int) -> None:
        """Nothing."""

    def warning(self, problem: Problem) -> None:
        """Nothing."""

    def progress(self, progress: Progress) -> None:
        """Nothing."""

    def failure(self, failure: Failure) -> None:
        """Nothing."""

    def finished(self, outcome: RunOutcome) -> None:
        """Nothing."""
