"""An opened store, for reading: its runs, their rows, SQL over all of it; and deleting what is old.

It composes what the store and the analysis offer. It starts nothing and sends nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from reqflo_ray._internal.analysis.failure_groups import FailureGroups, failure_groups
from reqflo_ray._internal.analysis.session import QueryResult, Session, open_session
from reqflo_ray._internal.api.config import find_store, open_found
from reqflo_ray._internal.errors import Problem, ReqfloError, UsageError
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.runner.drive.verification import verify
from reqflo_ray._internal.runner.prepare.files_read import files_of_runs, need_free
from reqflo_ray._internal.runner.prepare.request import File, paths, read_damaged
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import step_ids
from reqflo_ray._internal.runs.upkeep.history import RunSummary, list_runs, resolve_run, summarize
from reqflo_ray._internal.runs.upkeep.pruning import Pruned, prune
from reqflo_ray._internal.runs.upkeep.verify import VerifyReport
from reqflo_ray._internal.storage.protocol import Storage

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """One row of a run: its line of `results`, and its lines of `steps` in order, by column name. `not_reached` are the
    ids of steps that it never came to, so that nothing is recorded of them. `problems` say what of the run is left out,
    which may be steps of this row."""

    result: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]
    problems: tuple[Problem, ...] = ()
    not_reached: tuple[str, ...] = ()


class Store:
    """A store, for reading it and for deleting what is old. Opening is cheap; every call looks at it as it is then."""

    def __init__(self, storage: Storage, place: str = "") -> None:
        self._storage = storage
        self._place = place or storage.uri  # as it was named

    @property
    def uri(self) -> str:
        """Where the store is."""
        return self._storage.uri

    def runs(self) -> list[RunSummary]:
        """All runs, newest first."""
        return list_runs(self._storage, datetime.now(UTC))

    def find(self, run: str) -> RunSummary:
        """The run of that id, unique beginning, or `latest`. Raises `UsageError` with the candidates."""
        return summarize(resolve_run(self._storage, run), datetime.now(UTC))

    def query(
        self,
        sql: str,
        runs: str | Sequence[str] = (),
        *,
        damaged: str = Damaged.REFUSE,
        outputs: File | Iterable[File] = (),
    ) -> QueryResult:
        """Answer one SELECT over the views runs, results, steps, assertions, logs of the latest run, of those that
        `runs` name, or of `"all"`; `runs` of the answer says which. A run that is deleted meanwhile takes no part.

        Every file is checked against its SHA-256 before it is believed. Of all runs, one that cannot be read at all is
        left out; `problems` of the answer say so.

        Args:
            runs: ids, unique beginnings, `latest`, or `all`. Without any, it is the latest run, if there is one.
            damaged: `skip` leaves files of results out that are not what was written, and `problems` of the answer say
                so; else they refuse the question.
            outputs: files that the answer will be written to: each must be one that can be written, and that `runs`
                have not read.

        Raises:
            QueryError: it cannot be answered.
            UsageError: no such run, or see `outputs`.
            IntegrityError: `damaged_file`, which names the files.
            StoreError: a run is removed while it is asked.
        """
        named = self._named([runs] if isinstance(runs, str) else list(runs))
        need_free(paths(outputs), files_of_runs(self._storage, named or ()), self._place)
        return self._asking(lambda session: session.query(sql), named, damaged)

    def results(self, run: str = "latest", *, damaged: str = Damaged.REFUSE) -> QueryResult:
        """One line for each row of a run that has ended. Raises as `query`."""
        return self.query("select * from results", [run], damaged=damaged)

    def steps(self, run: str = "latest", *, damaged: str = Damaged.REFUSE) -> QueryResult:
        """One line for each attempt at a step of a run. Raises as `query`."""
        return self.query("select * from steps", [run], damaged=damaged)

    def row(self, run: str, row: str | int, step: str | None = None, *, damaged: str = Damaged.REFUSE) -> RowView:
        """One row, by its key or else its number, and its steps (or only `step`).

        Args:
            damaged: see `query`.

        Raises:
            UsageError: `unknown_run`, `unknown_row` or `unknown_step`.
            IntegrityError, StoreError: as for `query`.
        """
        view = self._asking(lambda session: _row(session, str(row), step), [run], damaged)
        if step is not None or view.problems:
            return view
        recorded = {line["step_id"] for line in view.steps}
        steps = step_ids(self._storage, resolve_run(self._storage, run).load_run().artifact)
        return replace(view, not_reached=tuple(step for step in steps if step not in recorded))

    def failure_groups(self, run: str = "latest", *, damaged: str = Damaged.REFUSE) -> FailureGroups:
        """What failed in how many rows of a run: rows that did not pass, soft assertions, and attempts of rows that
        passed only when a step was tried again. Raises as `query`."""
        return self._asking(failure_groups, [run], damaged)

    def verify(self, run: str) -> VerifyReport:
        """Check every file of a run against its digest or checksum. Raises `UsageError`."""
        return verify(resolve_run(self._storage, run))

    def _named(self, runs: list[str]) -> list[str] | None:
        """The runs to ask, None for all."""
        if layout.ALL in runs:
            return None
        if runs:
            return runs
        with contextlib.suppress(UsageError):  # there is none
            resolve_run(self._storage, layout.LATEST)
            return [layout.LATEST]
        return None

    def _asking(self, ask: Callable[[Session], _Answer], runs: Sequence[str] | None, damaged: str) -> _Answer:
        while True:
            try:
                with open_session(self._storage, runs, damaged=read_damaged(damaged)) as session:
                    return ask(session)
            except ReqfloError as problem:
                # Each time at least one run less is there: of those that are asked by name, it is then said.
                if problem.code != "run_deleted":
                    raise

    def prune(
        self,
        *,
        keep: int | None = None,
        older_than_s: float | None = None,
        unfinished: bool = False,
        dry_run: bool = False,
    ) -> Pruned:
        """Delete old runs, and artifacts that no run names any more. Never a run that may be running, and one that
        could be resumed, or is damaged, only with `unfinished`; what is kept for that is told."""
        return prune(
            self._storage,
            datetime.now(UTC),
            keep=keep,
            older_than_s=older_than_s,
            unfinished=unfinished,
            dry_run=dry_run,
        )


def open_store(store: File | None = None) -> Store:
    """Open a store for reading: a path or address, else `REQFLO_STORE`, else `./.reqflo`.

    Raises:
        UsageError: there can be no store.
    """
    found = find_store(store)
    return Store(open_found(found), found)


def _may_be_left_out(problems: tuple[Problem, ...]) -> str:
    return "".join(f"it may be in what is left out: {problem.message}" for problem in problems)


def _row(session: Session, row: str, step: str | None) -> RowView:
    number = f"or row_index = {int(row)}" if row.isascii() and row.isdigit() and len(row) < 19 else ""
    key = row.replace("'", "''")
    found = session.query(
        f"select * from results where row_key = '{key}' {number} order by row_key = '{key}' desc nulls last"
    ).objects()
    if not found:
        raise UsageError(
            f"run `{session.run_ids[0]}` has no finished row `{row}`",
            code="unknown_row",
            cause=_may_be_left_out(session.problems),
            hint='give its key or its number; `reqflo-ray sql "select row_index, row_key from results"` lists',
        )
    index = int(found[0]["row_index"])
    steps = session.query(f"select * from steps where row_index = {index} order by step_index, attempt").objects()
    chosen = [entry for entry in steps if step is None or entry["step_id"] == step]
    if not chosen and step is not None:
        known = ", ".join(dict.fromkeys(str(entry["step_id"]) for entry in steps))
        raise UsageError(
            f"the row has no step `{step}`",
            code="unknown_step",
            cause=_may_be_left_out(session.problems),
            hint=f"there are: {known}" if known else "",
        )
    return RowView(result=found[0], steps=tuple(chosen), problems=session.problems)
