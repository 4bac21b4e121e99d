"""What happened: attempts of steps, rows, shards, the verdict. Plain data; rendering and files are elsewhere.

Texts and bodies in here have passed the redactor: no secret or sensitive value is in any of these types.

Types that a shard keeps by the thousand have `gc=False`: they cannot be a part of a cycle, and looking for cycles in
all of them again and again would cost more than making them.
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
    WAITING = "waiting"  # an attempt only: what a poll waits for has not come yet


# Those that a row can have, and that are counted.
ROW_STATUSES: Final[tuple[Status, ...]] = tuple(status for status in Status if status is not Status.WAITING)


class ResendReason(StrEnum):
    """Why a request that may have been sent before was sent again after an interruption."""

    NONE = ""
    UNKNOWN = "unknown"
    SENSITIVE = "sensitive"


class AssertionResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One judged assertion. `expected` and `actual` are JSON text, "" where there is none; `message` says in one
    sentence why it does not hold, "" when it does."""

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
    """A line of a row's log: retry, poll, redirect, wait, resend, warning, note. `at_us`: microseconds, since 1970."""

    at_us: int
    kind: str
    text: str


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One attempt of a step, with its evidence: a line of the `steps` table.

    Bodies are cut to the run's `evidence_body_bytes`; `*_size` is the whole size in bytes, `*_sha256` the digest of
    the whole (redacted) body where it was cut, "" else. Steps that send nothing have method "". `outputs` is a JSON
    object as text, sensitive ones masked. `started_at_us` counts from the epoch. `resend_count` is how often this
    attempt's request had possibly been sent before.
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
        """How often the request was sent again within this attempt, because its connection was closed."""
        # Each tells of it in an event, as does an attempt that itself is a re-send.
        told = sum([event.kind == RESEND for event in self.events]) if self.events else 0
        return told - 1 if told and self.resend_reason is not ResendReason.NONE else told


class RowResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The one verdict of a row: a line of the `results` table. `inputs` is a JSON object as text, sensitive values
    masked. `failed_step` is the first step that did not pass. `resumed`: a later attempt took the row over.
    `requests` counts every sending; `resent` those that came again with their outcome unknown: after an interruption,
    or because a kept-alive connection had just been closed.

    `soft_failures` counts failed soft assertions of the last attempts of its steps. `flaky`: it passed, but only after
    a step was tried again. `known_flaky`: its failed step, or if it is flaky a step that was tried again, is labelled
    `flaky: true`. `fingerprint` names what did not pass, "" if it passed: that of another row with the same cause.
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


# The version of the schema of `results` and `steps` that is written.
TABLE_VERSION: Final = 2


class FileDigest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the run, by its path relative to the run's folder. `table_version` is that of the schema of `results`
    and `steps`; where it is not given, it is 1."""

    path: str
    sha256: str
    size: int
    rows: int = 0
    table_version: int | msgspec.UnsetType = msgspec.UNSET


class Counts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many rows ended how, and what was sent for them. `internal`: errors that were ours and not the API's.
    `soft_failures` are failed soft assertions, `flaky` rows that passed only after a step was tried again."""

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
        """The sum, field by field."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def minus(self, other: Counts) -> Counts:
        """Without what `other` counts, field by field."""
        return Counts(**{name: getattr(self, name) - getattr(other, name) for name in self.__struct_fields__})


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row that did not pass, short enough to be shown to a person (a shard keeps only its first ones)."""

    row_index: int
    row_key: str
    status: Status
    step: str
    code: str
    message: str


class ShardSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that leaves a worker: small, without any evidence."""

    shard: int
    attempt: int
    counts: Counts
    failures: tuple[Failure, ...] = ()
    first_response_at_us: int = 0
    finished_at_us: int = 0


class ShardProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an attempt of a shard is: the rows that have ended, which the journal keeps.

    `earlier` is the part of `counts` that ended under an earlier driver. `failures` are the first few. `warnings` are
    those of the worker that runs it.
    """

    shard: int
    counts: Counts = Counts()
    earlier: Counts = Counts()
    failures: tuple[Failure, ...] = ()
    warnings: tuple[Problem, ...] = ()


class ShardOutcome(StrEnum):
    """How a call of `run_shard` ended."""

    COMMITTED = "committed"
    SUSPENDED = "suspended"  # a stop, or a newer driver or attempt: what is finished is journaled
    ERROR = "error"  # the shard could not be carried out; `message` says why


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `run_shard` returns: it never raises. `summary` is there when the outcome is `committed`; `progress` is how
    far the call came, None if it did not come to the rows."""

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


# The code of a row that met an error of ours, which is no answer of its API.
INTERNAL_ERROR: Final = "internal_error"

# How many rows that did not pass a verdict names, the first ones: enough for a person to start with. A shard names as
# many, for they may all be in one.
NAMED_FAILURES: Final = 10


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`verdict.json`, what CI reads. `status` is the worst status of any row; `exit_code` as the run exits; `failures`
    are the first `NAMED_FAILURES`, by row."""

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
    """The exit code of a run, worst first: 129/130/143, 3, 1, 0."""
    if interrupted:
        return interrupted
    if unfinished or counts.inconclusive or counts.poisoned or counts.internal or counts.cancelled:
        return 3
    if counts.failed or counts.error:
        return 1
    return 0


def worst_status(counts: Counts) -> Status:
    """The worst status that any of these rows has; of none, passed."""
    for status in (Status.INCONCLUSIVE, Status.ERROR, Status.FAILED):
        if getattr(counts, status.value):
            return status
    return Status.PASSED
