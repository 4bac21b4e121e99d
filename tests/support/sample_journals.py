"""Records and journals to test with, made up, and a log file that can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.journal.reader import JournalContents, read_journal
from reqflo_ray._internal.journal.records import FILE_HEADER_SIZE
from reqflo_ray._internal.model.artifact import AssertionOrigin, AssertionType, Operator
from reqflo_ray._internal.model.http.exchange import Timings
from reqflo_ray._internal.model.journal import (
    Completion,
    Cookie,
    Intent,
    JournalRecord,
    Poisoned,
    Solo,
    Takeover,
    Withdrawn,
)
from reqflo_ray._internal.model.results import AssertionResult, LogEvent, ResendReason, Status, StepRecord


def sample_records() -> tuple[JournalRecord, ...]:
    """One of every kind, with every field used at least once."""
    evidence = StepRecord(
        row_index=3,
        row_key="käse-☃",
        step_id="create",
        step_index=1,
        attempt=1,
        status=Status.FAILED,
        error_code="assertion_failed",
        error_message="expected 201",
        method="POST",
        url="http://api.example.test/orders?q=%20",
        request_headers=(("Authorization", "[secret:TOKEN]"), ("X-A", "")),
        request_body=b'{"amount":1.10}',
        request_body_size=15,
        response_status=500,
        response_reason="Oops",
        response_headers=(("Set-Cookie", "***"),),
        response_body=bytes(range(256)),
        response_body_size=9000,
        response_body_sha256="cd" * 32,
        response_body_truncated=True,
        http_version="1.1",
        started_at_us=1_790_000_000_000_001,
        duration_ms=12.25,
        timings=Timings(total_ms=12.25, wait_ms=3.5, reused=True),
        outputs='{"order_id":"o-1"}',
        assertions=(
            AssertionResult(
                AssertionType.STATUS_CODE,
                "",
                Operator.EQUALS,
                "201",
                "500",
                Status.FAILED,
                False,
                AssertionOrigin.STEP,
                "a1",
                "status is 500, expected 201",
            ),
        ),
        events=(LogEvent(1_790_000_000_000_002, "retry", "after 10 ms"),),
        idempotency_key="KEY",
        resend_count=1,
        resend_reason=ResendReason.UNKNOWN,
        resumed=True,
    )
    return (
        Intent(row=3, step="create", attempt=1, fingerprint="ab" * 32, idempotency_key="KEY"),
        Completion(row=3, step="create", attempt=1, status=Status.FAILED, final=False, record=evidence),
        Intent(
            row=3,
            step="create",
            attempt=2,
            fingerprint="ab" * 32,
            idempotency_key="KEY",
            resend_reason=ResendReason.UNKNOWN,
            resend_count=2,
        ),
        Withdrawn(row=3, step="create", attempt=2),
        Completion(
            row=3,
            step="vars",
            attempt=1,
            status=Status.PASSED,
            final=True,
            captures={"outputs.price": Decimal("1.10"), "body.n": 2**70, "status": 201, "outputs.none": None},
            withheld=("outputs.token",),
            variables={"v": [1, {"ä": "\x00☃"}]},
            cookies=(
                Cookie("sid", "1", "example.test", True, "/", False),
                Cookie("old", None, "a.b", False, "/", True),
            ),
        ),
        Solo(row=7),
        Solo(row=7, over=True),
        Poisoned(row=9),
        Takeover(seen={1: 57, 12: 0}),
    )


@dataclass(frozen=True)
class Sample:
    """A journal with one record of every kind, and its parts."""

    records: tuple[JournalRecord, ...]
    frames: tuple[bytes, ...]
    journal: bytes

    def offset(self, index: int) -> int:
        """Where frame `index` begins."""
        return FILE_HEADER_SIZE + sum(map(len, self.frames[:index]))


class Disk:
    """A log file in memory that fails when it is told to."""

    outlives_process = True

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = 0
        self.syncs = 0
        self.closed = False
        self.is_full = False
        self.before_append: Callable[[bytes], None] = lambda data: None
        self.before_sync: Callable[[], None] = lambda: None

    def append(self, data: bytes) -> None:
        self.before_append(data)
        self.data += data

    def sync(self) -> None:
        size = len(self.data)
        self.before_sync()
        self.syncs += 1
        self.synced = max(self.synced, size)

    def close(self) -> None:
        self.closed = True

    def contents(self) -> JournalContents:
        return read_journal(bytes(self.data))

    def survives_a_power_cut(self) -> JournalContents:
        return read_journal(bytes(self.data[: self.synced]))

    def full_after(self, appends: int, *, keeping: int = 0) -> None:
        """From append number `appends` on there is no space; `keeping` bytes of that one still went in."""

        def refuse(data: bytes) -> None:
            nonlocal appends
            appends -= 1
            if appends < 0:
                self.is_full = True
                self.data += data[:keeping]
                raise StoreError("cannot append", code="disk_full", cause="No space left on device", hint="free space")

        self.before_append = refuse
