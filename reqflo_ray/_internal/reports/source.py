"""A run as reports read it: its record and verdict, and the bounded queries of its results.

It reads the store through the files of the run and through SQL. It must not know any format.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Any, Final

from reqflo_ray._internal.analysis.failure_groups import IS_FLAKY, FailureGroups, failure_groups, last_attempts
from reqflo_ray._internal.analysis.session import QueryResult, Session
from reqflo_ray._internal.errors import IntegrityError, Problem
from reqflo_ray._internal.model import instants
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.results import ROW_STATUSES, Counts, Failure, Status, Verdict, exit_code, worst_status
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import step_ids
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.rows import planned
from reqflo_ray._internal.runs.upkeep.history import RunState
from reqflo_ray._internal.visible_text import visible

Line = Mapping[str, Any]

_PLAIN_KEY: Final = re.compile(r"[\w.@:+/-]{1,200}", re.ASCII)
_EVIDENCE_CHARACTERS: Final = 2_000
_NEVER_REACHED: Final[Line] = {
    **dict.fromkeys(("passed", "not_passed", "skipped", "attempts"), 0),
    **dict.fromkeys(("mean_ms", "p95_ms", "max_ms")),
    "known_flaky": False,
}
_ROWS_BY_STATUS: Final = "select status, count(*) as rows from results group by status"
_LAST_END: Final = "select max(started_at + to_microseconds((duration_ms * 1000)::bigint)) as ended_at from results"
_STEP_COLUMNS: Final = (
    "row_index, step_id, step_index, attempt, status, error_code, error_message, http_request_method, url_full,"
    " http_response_status_code, duration_ms, resend_count, known_flaky, assertions"
)
_EVIDENCE: Final = {
    "request_headers": "http_request_headers",
    "response_headers": "http_response_headers",
    "request_body": f"left(http_request_body, {_EVIDENCE_CHARACTERS})",
    "response_body": f"left(http_response_body, {_EVIDENCE_CHARACTERS})",
    "request_body_bytes": "http_request_body_bytes",
    "response_body_bytes": "http_response_body_bytes",
    "response_reason": "http_response_reason",
    "events": "events",
}


# Attempts with these statuses are shown on one line: a poll round that waits is not a failure.
UNREMARKABLE: Final = ("passed", "skipped", "waiting")


class Exchanges(Enum):
    """The attempts whose requests, responses, and events are read."""

    NONE = auto()
    NOT_PASSED = auto()
    ALL = auto()


_WANTED: Final = {
    Exchanges.NONE: "",
    Exchanges.NOT_PASSED: "".join(
        f", case when status not in {UNREMARKABLE} then {expression} end as {name}"
        for name, expression in _EVIDENCE.items()
    ),
    Exchanges.ALL: "".join(f", {expression} as {name}" for name, expression in _EVIDENCE.items()),
}


@dataclass(frozen=True)
class ReportedRun:
    """A run, finished or not, with an open session on its results. Of an unfinished run, these are what is committed.

    `state` and the results are as of when the session was opened. `verdict` is the stored one, or that of the call that
    ran it, or one computed from what is committed. `rows_planned` is the number of all rows, None before they are
    staged. `rows_unreadable` is the number of rows whose result is left out, as far as it is known.
    """

    folder: RunFolder
    record: RunRecord
    state: RunState
    verdict: Verdict
    rows_planned: int | None
    rows_unreadable: int
    session: Session

    @classmethod
    def of(cls, folder: RunFolder, session: Session, said: Verdict | None = None) -> ReportedRun:
        """Read the run of `folder`.

        Args:
            said: the verdict of the call that ran it, which also counts rows that are only journaled.

        Raises:
            IntegrityError, StoreError: the run cannot be read, or its results do not match the counts.
        """
        # One query for everything that changes while a run is running, so that the counts match the rows.
        [line] = session.query("select * from runs").objects()
        counted = Counts(**{name: line[name] for name in Counts.__struct_fields__})
        record, state = folder.load_run(), RunState(line["state"])
        verdict = folder.read_verdict(record) if state is RunState.FINISHED else None
        plan = None if verdict else planned(folder)
        rows_planned = plan.rows if plan else None
        reported = cls(
            folder=folder,
            record=record,
            state=state,
            verdict=verdict or said or _verdict_so_far(record, counted, session),
            rows_planned=verdict.counts.rows if verdict else rows_planned,
            rows_unreadable=line["rows_unreadable"],
            session=session,
        )
        reported._need_agreement(counted)
        return reported

    @property
    def run_id(self) -> str:
        """The ID of the run."""
        return self.record.run_id

    @property
    def is_finished(self) -> bool:
        """Whether the run is finished, so that no result changes any more."""
        return self.state is RunState.FINISHED

    @property
    def is_complete(self) -> bool:
        """Whether the run is finished and no results are left out."""
        return self.is_finished and not self.problems

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is left out because it is damaged."""
        return self.session.problems

    @cached_property
    def rows_not_passed(self) -> int:
        """The number of rows that did not pass."""
        return self.rows_readable - self.rows_by_status[Status.PASSED]

    @cached_property
    def journaled_failures(self) -> tuple[Failure, ...]:
        """The failures of the verdict that have no result yet, because their shard is not committed."""
        failures = self.verdict.failures
        if self.is_finished or not failures:
            return ()
        numbers = ", ".join(str(failure.row_index) for failure in failures)
        found = {
            line["row_index"] for line in self._ask(f"select row_index from results where row_index in ({numbers})")
        }
        return tuple(failure for failure in failures if failure.row_index not in found)

    @cached_property
    def rows_by_status(self) -> Mapping[Status, int]:
        """The number of rows with each status, of those whose result can be read."""
        found = {line["status"]: line["rows"] for line in self._ask(_ROWS_BY_STATUS)}
        return {status: int(found.get(status.value, 0)) for status in ROW_STATUSES}

    @property
    def rows_readable(self) -> int:
        """The number of rows whose result can be read."""
        return sum(self.rows_by_status.values())

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The IDs of the steps of the journey, in order; () if its artifact is missing."""
        return step_ids(self.folder.storage, self.record.artifact)

    @cached_property
    def groups(self) -> FailureGroups:
        """What failed in how many rows."""
        return failure_groups(self.session)

    @cached_property
    def only_row(self) -> Line | None:
        """The row of a run of one row, if it has a result."""
        return next(iter(self.rows(1)), None) if self.rows_planned == 1 else None

    def rows(self, limit: int) -> list[Line]:
        """Return the first `limit` rows, in order."""
        return self._ask(f"select * from results order by row_index limit {limit}")

    def failures(self, limit: int) -> list[Line]:
        """Return the first `limit` rows that did not pass, in order."""
        return self._ask(f"select * from results where status <> 'passed' order by row_index limit {limit}")

    def remarkable(self, limit: int) -> list[Line]:
        """Return up to `limit` rows: those that did not pass, in order, then those that passed only after a retry."""
        return self._ask(
            f"select * from results where status <> 'passed' or {IS_FLAKY}"
            f" order by status = 'passed', row_index limit {limit}"
        )

    def every_row(self) -> Iterator[QueryResult]:
        """Yield all rows in order, in pieces, with the columns of the `results` view."""
        return self.session.stream("select * from results")

    def steps_of(self, rows: Sequence[Line], exchanges: Exchanges = Exchanges.NONE) -> dict[int, list[Line]]:
        """Return the attempts of all steps of `rows`, in order, by row number.

        Args:
            exchanges: the attempts whose headers, events, and first 2,000 characters of bodies are read too.
        """
        steps: dict[int, list[Line]] = {int(row["row_index"]): [] for row in rows}
        if not steps:
            return steps
        numbers = ", ".join(map(str, steps))
        for step in self._ask(
            f"select {_STEP_COLUMNS}{_WANTED[exchanges]} from steps"
            f" where row_index between {min(steps)} and {max(steps)}"
            f" and row_index in ({numbers}) order by row_index, step_index, attempt"
        ):
            steps[step["row_index"]].append(step)
        return steps

    def not_reached(self, attempts: Sequence[Line]) -> list[str]:
        """Return the steps that a row with these `attempts` did not reach, so that nothing is recorded of them."""
        recorded = {step["step_id"] for step in attempts}
        return [] if self.problems else [step for step in self.steps if step not in recorded]

    def step_statistics(self) -> list[Line]:
        """Return statistics of each step of the journey, in order: the rows in which it passed, did not pass, or was
        skipped, and all its attempts. A step that no row reached is skipped in all of them. The 95th percentile is
        approximate, because an exact one would need every value in memory."""
        ended = self._ask(
            "select step_id, min(step_index) as place, count(*) filter (status = 'passed') as passed,"
            " count(*) filter (status not in ('passed', 'skipped')) as not_passed,"
            " count(*) filter (status = 'skipped') as skipped, coalesce(bool_or(known_flaky), false) as known_flaky"
            f" from {last_attempts(self.session)} group by step_id order by place, step_id"
        )
        tried = self._ask(
            "select step_id, count(*) as attempts, avg(duration_ms) as mean_ms,"
            " approx_quantile(duration_ms, 0.95) as p95_ms, max(duration_ms) as max_ms"
            " from steps where status <> 'skipped' group by step_id"
        )
        steps = {step: dict(_NEVER_REACHED) for step in self.steps}
        for line in (*ended, *tried):
            steps.setdefault(line["step_id"], dict(_NEVER_REACHED)).update(line)
        if not self.problems:
            for step in steps.values():
                step["skipped"] = self.rows_readable - step["passed"] - step["not_passed"]
        return [{**line, "step_id": step} for step, line in steps.items()]

    def show_command(self, row: Line | None = None) -> str:
        """Return the command that shows a row, or the run."""
        words = ["reqflo-ray", "show", self.run_id]
        if row is not None:
            key = row["row_key"]
            plain = key is not None and _PLAIN_KEY.fullmatch(key) and not key.startswith("-")
            words += ["--row", key if plain else str(row["row_index"])]
        return visible(shlex.join([*words, "--store", self.folder.storage.uri]))

    def query_command(self) -> str:
        """Return the command that lists all rows that did not pass."""
        question = "select row_key, status, failed_step, error_message from results where status <> 'passed'"
        where = shlex.join(["--run", self.run_id, "--store", self.folder.storage.uri])
        return visible(f'reqflo-ray sql "{question}" {where}')

    def source_of(self, step: str | None) -> tuple[str, int] | None:
        """Return the file and line of a step in the workspace, or of the first step that has them."""
        place = self.record.sources.get(step or "") or next(iter(self.record.sources.values()), "")
        file, _, line = place.rpartition(":")
        return (file, int(line)) if file and line.isdecimal() else None

    def _need_agreement(self, counted: Counts) -> None:
        """Refuse results that do not have the rows that were counted, unless these are known to be left out."""
        missing = {status: getattr(counted, status.value) - rows for status, rows in self.rows_by_status.items()}
        if min(missing.values()) >= 0 and sum(missing.values()) == self.rows_unreadable:
            return
        status = max(missing, key=lambda status: abs(missing[status]))
        told = (
            f"{getattr(counted, status.value)} rows as {status.value}; the results have {self.rows_by_status[status]}"
        )
        raise IntegrityError(
            f"the results of run `{self.run_id}` do not match its counts",
            code="results_differ",
            cause=f"{layout.VERDICT if self.is_finished else layout.COMMITS} counts {told}",
            hint=f"run `reqflo-ray verify {self.run_id}` to see what is damaged",
        )

    def _ask(self, sql: str) -> list[Line]:
        return self.session.query(sql).objects()


def _verdict_so_far(record: RunRecord, counts: Counts, session: Session) -> Verdict:
    [line] = session.query(_LAST_END).objects()
    limit = record.options.max_failures
    enough = limit is not None and counts.rows - counts.passed >= limit
    worst = worst_status(counts)
    began = instants.read(record.created_at)
    ended = max(began, line["ended_at"]) if line["ended_at"] else began
    return Verdict(
        run_id=record.run_id,
        journey=record.journey,
        artifact=record.artifact,
        environment=record.environment.name,
        # Rows that passed say nothing about rows that have not ended.
        status=Status.CANCELLED if worst is Status.PASSED else worst,
        exit_code=exit_code(counts, unfinished=not enough),
        counts=counts,
        started_at=record.created_at,
        finished_at=instants.written(ended),
        duration_ms=round((ended - began).total_seconds() * 1000, 3),
    )
