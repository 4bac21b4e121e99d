"""The records in the journal of a shard's attempt, as data. The package `journal` owns the file format."""

from __future__ import annotations

import msgspec

from reqflo_ray._internal.model.results import ResendReason, Status, StepRecord
from reqflo_ray._internal.model.values import JsonValue


class Cookie(msgspec.Struct, frozen=True, array_like=True):
    """A cookie of a row (only with `cookies: true`).

    `value` None deletes the cookie. `expires_us` None means that it lives as long as the row, as every cookie did in
    0.1.0.
    """

    name: str
    value: str | None
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires_us: int | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="intent"):
    """Appended before the first byte of a request is sent.

    `attempt` counts from 1 within the step. `fingerprint` is the SHA-256 (hex) of the request, with the names of secret
    and sensitive values instead of the values.
    """

    row: int
    step: str
    attempt: int
    fingerprint: str
    idempotency_key: str = ""
    resend_reason: ResendReason = ResendReason.NONE
    resend_count: int = 0


class Completion(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="completion"):
    """Appended when an attempt of a step has ended, and durable before the row continues.

    `final`: the step has ended; otherwise a retry follows. `captures` are the values that later steps read, by capture
    key; a missing key was unset. `variables` are the values that a `set_variable` step assigned. `record` is the
    evidence, None if the run keeps none for it. `withheld` are the full names of values that must not be readable here.
    `sealed` holds them, encrypted, as `SealedValues` that only the run's key opens; b"" if there was no key. If one of
    them is needed after a crash and cannot be decrypted, the step is sent again.
    """

    row: int
    step: str
    attempt: int
    status: Status
    final: bool
    error_code: str = ""
    captures: dict[str, JsonValue] = {}
    withheld: tuple[str, ...] = ()
    variables: dict[str, JsonValue] = {}
    cookies: tuple[Cookie, ...] = ()
    record: StepRecord | None = None
    sealed: bytes = b""


class SealedValues(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The values of a completion that are stored encrypted.

    The first three are as in `Completion`. `outputs` are pairs of label and text of the response's sensitive outputs,
    by which later texts are masked.
    """

    captures: dict[str, JsonValue] = {}
    variables: dict[str, JsonValue] = {}
    cookies: tuple[Cookie, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="withdrawn"):
    """The request of this intent was not sent, because the fence was closed. The intent is void."""

    row: int
    step: str
    attempt: int


class Poisoned(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="poisoned"):
    """This row killed its worker when it ran alone, and is not run again."""

    row: int


class Solo(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="solo"):
    """From here on, only this row is in flight: if the worker dies now, the row is the cause.

    With `over`, the row has ended, and others may be in flight again.
    """

    row: int
    over: bool = False


class Takeover(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="takeover"):
    """The first record of an attempt that has found older ones, and what it has read of them.

    `seen` maps the number of an older attempt to the number of records that it had written by then. Records that it
    appends later only complete open steps; otherwise two attempts that both ran on for a while could give their
    successors different counters for the same step.
    """

    seen: dict[int, int]


JournalRecord = Intent | Completion | Withdrawn | Poisoned | Solo | Takeover
