"""What the journal of a shard's attempt holds, as data. The file format is the journal room's."""

from __future__ import annotations

import msgspec

from reqflo_ray._internal.model.results import ResendReason, Status, StepRecord
from reqflo_ray._internal.model.values import JsonValue


class Cookie(msgspec.Struct, frozen=True, array_like=True):
    """A cookie of a row (only with `cookies: true`). `value` None deletes it; `expires_us` None: it lives as long as
    the row, as all did in 0.1.0."""

    name: str
    value: str | None
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires_us: int | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="intent"):
    """Appended before the first byte of a request is sent. `attempt` counts from 1 within the step; `fingerprint` is
    the hex SHA-256 of the request with secret and sensitive values replaced by their reference names."""

    row: int
    step: str
    attempt: int
    fingerprint: str
    idempotency_key: str = ""
    resend_reason: ResendReason = ResendReason.NONE
    resend_count: int = 0


class Completion(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="completion"):
    """Appended when an attempt of a step is over, and durable before the row goes on.

    `final`: the step is over (else a retry follows). `captures` are what later steps read, by capture key; a key that
    is missing was unset. `variables` are what a `set_variable` step assigned. `record` is the evidence (None when the
    run keeps none for it). `withheld` are the full names of values that may not be read here. `sealed` holds them, a
    `SealedValues` that only the run's key opens; b"" if there was no key. If one is needed after a crash and cannot be
    opened, the step is sent again.
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
    """What nobody may read of a completion. The first three are as there; `outputs` are the texts of the response's
    sensitive outputs, each after its label, by which they are masked in what comes later."""

    captures: dict[str, JsonValue] = {}
    variables: dict[str, JsonValue] = {}
    cookies: tuple[Cookie, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="withdrawn"):
    """The request of this intent was not sent after all, since the fence was closed: the intent counts for nothing."""

    row: int
    step: str
    attempt: int


class Poisoned(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="poisoned"):
    """This row killed its worker when it ran alone: it is not run again."""

    row: int


class Solo(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="solo"):
    """From here on, only this row is in flight: if the worker dies now, the row did it. With `over` the row has ended,
    and others may be in flight again."""

    row: int
    over: bool = False


class Takeover(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="takeover"):
    """The first record of an attempt that found older ones: what it knows of them. `seen` maps the number of an older
    attempt to how many records it had written by then. What that one appends later only fills what is open, or two
    attempts that both went on for a while could give their successors different counters of one step."""

    seen: dict[int, int]


JournalRecord = Intent | Completion | Withdrawn | Poisoned | Solo | Takeover
