"""The results of a run: attempts of steps, rows, shards, the verdict. Plain data; it must not know files or display.

Texts and bodies in these types have passed the redactor, so that they contain no secret or sensitive value.

Types of which a shard keeps thousands have `gc=False`: they cannot be part of a cycle, and searching them for cycles
repeatedly would cost more than creating them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.artifact import AssertionOrigin, AssertionType, Operator
from reqflo_ray._internal.model.http.exchange import RESEND, Headers, Timings


class Status(StrEnum):
    """The outcome of an assertion, an attempt, a step or a row."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    WAITING = "waiting"  # an attempt only: the condition of a poll does not hold yet


# The statuses that a row can have, and that are counted.
ROW_STATUSES: Final[tuple[Status, ...]] = tuple(status for status in Status if status is not Status.WAITING)


class ResendReason(StrEnum):
    """Why a request that may have been sent before was sent again after an interruption."""

    NONE = ""
    UNKNOWN = "unknown"
    SENSITIVE = "sensitive"


class AssertionResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The result of one assertion.

    `expected` and `actual` are JSON text, "" if there is no value. `message` says in one sentence why the assertion
    does not hold, "" if it does.
    """

    type: AssertionType
    target: str
    operator: Operator
    expected: str
    actual: str
    status: Status
    soft: bool
    origin: AssertionOrigin
    id: str
    message: str


class LogEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line in the log of a row: retry, poll, redirect, wait, resend, warning, note. `at_us` counts from the epoch."""

    at_us: int
    kind: str
    text: str


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One attempt of a step, with its evidence: a line of the `steps` table.

    Bodies are cut to the run's `evidence_body_bytes`; `*_size` is the full size in bytes, `*_sha256` the digest of the
    full (masked) body if it was cut, else "". Steps that send nothing have method "". `outputs` is a JSON object as
    text, with sensitive values masked. `started_at_us` counts from the epoch. `resend_count` is how often the request
    of this attempt may have been sent before.
    """

    row_index: int
    row_key: str
    step_id: str
    step_index: int
    attempt: int
    status: Status
    error_code: str = ""
    error_message: str = ""
    method: str = ""
    url: str = ""
    request_headers: Headers = ()
    request_body: bytes | None = None
    request_body_size: int = 0
    request_body_sha256: str = ""
    request_body_truncated: bool = False
    response_status: int | None = None
    response_reason: str = ""
    response_headers: Headers = ()
    response_body: bytes | None = None
    response_body_size: int = 0
    response_body_sha256: str = ""
    response_body_truncated: bool = False
    http_version: str = ""
    started_at_us: int = 0
    duration_ms: float = 0.0
    timings: Timings | None = None
    outputs: str = ""
    assertions: tuple[AssertionResult, ...] = ()
    events: tuple[LogEvent, ...] = ()
    idempotency_key: str = ""
    resend_count: int = 0
    resend_reason: ResendReason = ResendReason.NONE
    resumed: bool = False

    @property
    def resends(self) -> int:
        """The number of times that the request was sent again in this attempt because its connection was closed."""
        # Each re-send has an event, and so has an attempt that is itself a re-send.
        told = sum([event.kind == RESEND for event in self.events]) if self.events else 0
        return told - 1 if told and self.resend_reason is not ResendReason.NONE else told


class RowResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The result of a row: a line of the `results` table.

    `inputs` is a JSON object as text, with sensitive values masked. `failed_step` is the first step that did not pass.
    `resumed`: a later attempt of the shard continued the row. `requests` counts every request that was sent; `resent`
    counts those sent again while their outcome was unknown, after an interruption or because a kept-alive connection
    had been closed.

    `soft_failures` counts failed soft assertions in the last attempts of the steps. `flaky`: the row passed, but only
    after a step was tried again. `known_flaky`: the failed step, or a step that was tried again in a flaky row, has
    `flaky: true`. `fingerprint` is equal for rows that did not pass for the same reason, "" if the row passed.
    """

    row_index: int
    row_key: str
    status: Status
    error_code: str = ""
    error_message: str = ""
    failed_step: str = ""
    inputs: str = "{}"
    started_at_us: int = 0
    duration_ms: float = 0.0
    resumed: bool = False
    requests: int = 0
    retries: int = 0
    resent: int = 0
    resent_sensitive: int = 0
    soft_failures: int = 0
    flaky: bool = False
    known_flaky: bool = False
    fingerprint: str = ""


# The version of the tables `results` and `steps` that this version writes.
TABLE_VERSION: Final = 2


class FileDigest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the run, by its path relative to the run's folder.

    `table_version` is that of the tables `results` and `steps`; unset means 1.
    """

    path: str
    sha256: str
    size: int
    rows: int = 0
    table_version: int | msgspec.UnsetType = msgspec.UNSET


class Counts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers of rows by status, and of the steps and requests that they needed.

    `rows` counts the rows that have ended; each is also counted under its status, from `passed` to `cancelled`. A step
    counts once in `steps`, and each further attempt of it in `retries`; `requests` counts every request that was sent.
    `resumed` counts rows that a later attempt of their shard continued; `resent`, requests sent again while it was
    unknown whether the API had processed them; `resent_sensitive`, requests sent again because a sensitive value of
    their response could not be opened; `quarantined`, damaged journal records that were put aside; `poisoned`, rows
    that were given up because they repeatedly ended their worker; `internal`, rows that ended with an error of
    reqflo-ray itself; `soft_failures`, soft assertions that failed; `flaky`, rows that passed only after a step was
    tried again.
    """

    rows: int = 0
    passed: int = 0
    failed: int = 0
    error: int = 0
    inconclusive: int = 0
    skipped: int = 0
    cancelled: int = 0
    steps: int = 0
    requests: int = 0
    retries: int = 0
    resumed: int = 0
    resent: int = 0
    resent_sensitive: int = 0
    quarantined: int = 0
    poisoned: int = 0
    internal: int = 0
    soft_failures: int = 0
    flaky: int = 0

    def plus(self, other: Counts) -> Counts:
        """Add the counts, field by field."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def minus(self, other: Counts) -> Counts:
        """Subtract the counts of `other`, field by field."""
        return Counts(**{name: getattr(self, name) - getattr(other, name) for name in self.__struct_fields__})


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row that did not pass, short enough to be displayed. A shard keeps only the first ones."""

    row_index: int
    row_key: str
    status: Status
    step: str
    code: str
    message: str


class ShardSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result of a shard that a worker returns: small, without evidence."""

    shard: int
    attempt: int
    counts: Counts
    failures: tuple[Failure, ...] = ()
    first_response_at_us: int = 0
    finished_at_us: int = 0


class ShardProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a shard's attempt: the rows that have ended, which the journal keeps.

    `earlier` is the part of `counts` that ended under an earlier driver. `failures` are the first few. `warnings` are
    those of the worker that runs the shard.
    """

    shard: int
    counts: Counts = Counts()
    earlier: Counts = Counts()
    failures: tuple[Failure, ...] = ()
    warnings: tuple[Problem, ...] = ()


class ShardOutcome(StrEnum):
    """How a call of `run_shard` ended."""

    COMMITTED = "committed"
    SUSPENDED = "suspended"  # by a stop, or a newer driver or attempt: finished steps are journaled
    ERROR = "error"  # the shard could not be carried out; `message` says why


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `run_shard` returns, which never raises.

    `summary` is set if the outcome is `committed`. `progress` is None if the call did not reach the rows.
    """

    shard: int
    outcome: ShardOutcome
    summary: ShardSummary | None = None
    progress: ShardProgress | None = None
    error_code: str = ""
    message: str = ""
    hint: str = ""


class Commit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`commits/NNNNN.json`: the one commit point of a shard."""

    format: int = 1
    shard: int
    attempt: int
    epoch: int
    files: tuple[FileDigest, ...]
    summary: ShardSummary


# The code of a row that ended because of an error in reqflo-ray, not in its API.
INTERNAL_ERROR: Final = "internal_error"

# A verdict names at most this many of the first rows that did not pass: enough for a person to start with. A shard
# names as many, because all of them may be in one shard.
NAMED_FAILURES: Final = 10


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outcome of a run, as stored in `verdict.json`.

    `status` is the worst status of all rows, and `exit_code` the exit code of the run. `failures` are the first 10 rows
    that did not pass, in row order. `artifact` is the SHA-256 of the compiled journey. `started_at` and `finished_at`
    are in UTC (RFC 3339); `duration_ms` is the milliseconds between them, interruptions included. `thresholds`
    is reserved, and empty.
    """

    format: int = 1
    run_id: str
    journey: str
    artifact: str
    environment: str
    status: Status
    exit_code: int
    counts: Counts
    started_at: str
    finished_at: str
    duration_ms: float
    failures: tuple[Failure, ...] = ()
    thresholds: tuple[str, ...] = ()


def exit_code(counts: Counts, *, interrupted: int = 0, unfinished: bool = False) -> int:
    """Return the exit code of a run: the worst of 129/130/143, 3, 1 and 0 that applies."""
    if interrupted:
        return interrupted
    if unfinished or counts.inconclusive or counts.poisoned or counts.internal or counts.cancelled:
        return 3
    if counts.failed or counts.error:
        return 1
    return 0


def worst_status(counts: Counts) -> Status:
    """Return the worst status of these rows; `passed` if there are none."""
    for status in (Status.INCONCLUSIVE, Status.ERROR, Status.FAILED):
        if getattr(counts, status.value):
            return status
    return Status.PASSED
