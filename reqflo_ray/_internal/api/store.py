"""An opened store: lists its runs, shows their rows, answers SQL queries, and deletes old runs.

It composes the store and the analysis. It starts no run and sends nothing.
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
    """One row of a run: its line of the view `results`, and its lines of `steps` in order, by column name.
    `not_reached` are the IDs of steps that the row did not reach, so that nothing is recorded of them. `problems` say
    what of the run is left out, which may be steps of this row."""

    result: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]
    problems: tuple[Problem, ...] = ()
    not_reached: tuple[str, ...] = ()


class Store:
    """A store of runs, opened by `open_store`. Opening is cheap; every call reads the current content of the store.

    store = reqflo_ray.open_store()
    failed = store.query("select row_key, error_message from results where status <> 'passed'")
    for row_key, message in failed.rows():
        print(row_key, message)
    """

    def __init__(self, storage: Storage, place: str = "") -> None:
        self._storage = storage
        self._place = place or storage.uri  # as it was written

    @property
    def uri(self) -> str:
        """The URI of the store."""
        return self._storage.uri

    def runs(self) -> list[RunSummary]:
        """Return all runs, newest first."""
        return list_runs(self._storage, datetime.now(UTC))

    def find(self, run: str) -> RunSummary:
        """Return the run with this ID or unique beginning, or the `latest`.

        Raises:
            UsageError: `unknown_run`, or `ambiguous_run` with the candidates.
        """
        return summarize(resolve_run(self._storage, run), datetime.now(UTC))

    def query(
        self,
        sql: str,
        runs: str | Sequence[str] = (),
        *,
        damaged: str = Damaged.REFUSE,
        outputs: File | Iterable[File] = (),
    ) -> QueryResult:
        """Answer one SELECT statement over the views `runs`, `results`, `steps`, `assertions`, and `logs`.

        The views contain the runs that `runs` names, and the attribute `runs` of the result lists them. A run that is
        deleted in the meantime is left out. Every file is checked against its SHA-256 before it is read. With `all`, a
        run that cannot be read at all is left out, and `problems` of the result says so.

        Args:
            sql: one SELECT statement of DuckDB.
            runs: IDs, unique beginnings of them, `latest`, or `all`. Default: the latest run, if there is one.
            damaged: `refuse` answers no query if files of results are damaged; `skip` leaves these files out, and
                `problems` of the result says so.
            outputs: files that the result will be written to. Each must be writable, and not a file that one of the
                runs has read.

        Raises:
            QueryError: the statement is not one SELECT, or DuckDB cannot answer it.
            UsageError: a run does not exist, or a file of `outputs` cannot be written.
            IntegrityError: `damaged_file`, which names the files.
            StoreError: a run was deleted during the query.
        """
        named = self._named([runs] if isinstance(runs, str) else list(runs))
        need_free(paths(outputs), files_of_runs(self._storage, named or ()), self._place)
        return self._asking(lambda session: session.query(sql), named, damaged)

    def results(self, run: str = "latest", *, damaged: str = Damaged.REFUSE) -> QueryResult:
        """Return the view `results` of a run: one line per row that has ended. Raises as `query`."""
        return self.query("select * from results", [run], damaged=damaged)

    def steps(self, run: str = "latest", *, damaged: str = Damaged.REFUSE) -> QueryResult:
        """Return the view `steps` of a run: one line per attempt of a step. Raises as `query`."""
        return self.query("select * from steps", [run], damaged=damaged)

    def row(self, run: str, row: str | int, step: str | None = None, *, damaged: str = Damaged.REFUSE) -> RowView:
        """Return one row and its steps, or only one `step`.

        Args:
            run: the run's ID, a unique beginning of it, or `latest`.
            row: the key of the row, or its number, from 0.
            step: the ID of a step; None: all steps.
            damaged: see `query`.

        Raises:
            UsageError: `unknown_run`, `unknown_row`, or `unknown_step`.
            IntegrityError, StoreError: as for `query`.
        """
        view = self._asking(lambda session: _row(session, str(row), step), [run], damaged)
        if step is not None or view.problems:
            return view
        recorded = {line["step_id"] for line in view.steps}
        steps = step_ids(self._storage, resolve_run(self._storage, run).load_run().artifact)
        return replace(view, not_reached=tuple(step for step in steps if step not in recorded))

    def failure_groups(self, run: str = "latest", *, damaged: str = Damaged.REFUSE) -> FailureGroups:
        """Return what failed in how many rows of a run: rows that did not pass, soft assertions, and attempts of rows
        that passed only after a retry. Raises as `query`."""
        return self._asking(failure_groups, [run], damaged)

    def verify(self, run: str) -> VerifyReport:
        """Check every file of a run against its digest or checksum.

        Raises:
            UsageError: `unknown_run` or `ambiguous_run`.
        """
        return verify(resolve_run(self._storage, run))

    def _named(self, runs: list[str]) -> list[str] | None:
        """Return the runs to query, None for all."""
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
                # Each time at least one run fewer exists, so this ends; a run that is named is then reported as
                # unknown.
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
        """Delete old runs, and artifacts that no run uses any more.

        A run that may be running is never deleted. If both `keep` and `older_than_s` are set, only runs that match both
        are deleted.

        Args:
            keep: keep this number of the newest runs.
            older_than_s: delete only runs that are older, in seconds.
            unfinished: also delete damaged runs and runs that can be resumed.
            dry_run: delete nothing, and return what would be deleted.

        Returns:
            The runs and artifacts that were deleted, and the runs that were kept although they match, with the reason.
        """
        return prune(
            self._storage,
            datetime.now(UTC),
            keep=keep,
            older_than_s=older_than_s,
            unfinished=unfinished,
            dry_run=dry_run,
        )


def open_store(store: File | None = None) -> Store:
    """Open a store.

    Args:
        store: a folder or a bucket URI; None: `REQFLO_STORE`, else `./.reqflo`. It need not exist.

    Raises:
        UsageError: this cannot be the place of a store.
    """
    found = find_store(store)
    return Store(open_found(found), found)


def _may_be_left_out(problems: tuple[Problem, ...]) -> str:
    return "".join(f"it may be in results that are left out: {problem.message}" for problem in problems)


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
            hint='use its key or its number; to list them: `reqflo-ray sql "select row_index, row_key from results"`',
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
            hint=f"use one of: {known}" if known else "",
        )
    return RowView(result=found[0], steps=tuple(chosen), problems=session.problems)
