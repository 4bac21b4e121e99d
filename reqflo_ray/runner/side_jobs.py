"""What a worker and its side process say to each other, and how the side process carries a job out.

A message is two lengths (8 bytes each), a head in JSON and a body as it is. The first one holds the run record and the
artifact, each later one a job; a reply has no body. It must not know how the process is started, nor who waits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from reqflo_ray.engine.expressions import Resolved
from reqflo_ray.engine.faults import RowFault
from reqflo_ray.engine.judge import Judgement, judge
from reqflo_ray.engine.program import Program, prepare
from reqflo_ray.engine.work import Unjudged, Work
from reqflo_ray.model import json_text
from reqflo_ray.model.artifact import Artifact, canonical_bytes, decode
from reqflo_ray.model.exchange import Exchange, Timings, TransportResponse
from reqflo_ray.model.plan import RunRecord
from reqflo_ray.model.values import UNSET, AnyReference, JsonValue

LENGTHS: Final = struct.Struct(">QQ")


class HandedValue(msgspec.Struct, frozen=True, kw_only=True):
    """What a reference stands for in the row. `there`: it has a value; `fault`: the code and message why it cannot be
    had."""

    label: str
    there: bool = False
    value: JsonValue = None
    masked: JsonValue = None
    fault: tuple[str, str] | None = None


class JudgeJob(msgspec.Struct, frozen=True, kw_only=True, tag="judge"):
    """Judge an answer to a step, given by its index. The body of the response is that of the message."""

    step: int
    response: TransportResponse
    timings: Timings
    values: tuple[HandedValue, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True, tag="judged"):
    """`sensitive` are the values that must not be shown, after their labels."""

    judgement: Judgement
    sensitive: tuple[tuple[str, JsonValue], ...] = ()


class NotJudged(msgspec.Struct, frozen=True, kw_only=True, tag="not_judged"):
    """Why the answer could not be judged, as in `Unjudged`; `fault`: something of ours went wrong, at that place."""

    code: str = ""
    message: str = ""
    fault: str = ""


Reply: TypeAlias = Judged | NotJudged

read_job = json_text.reader(JudgeJob)
read_reply: Callable[[bytes | str], Reply] = json_text.reader(Reply)  # type: ignore[arg-type]
_read_record = json_text.reader(RunRecord)


def message(head: bytes, body: bytes = b"") -> bytes:
    """The two lengths and the head; the body follows."""
    return LENGTHS.pack(len(head), len(body)) + head


def first_message(artifact: Artifact, run: RunRecord) -> tuple[bytes, bytes]:
    """Head and body of the message that comes before all jobs."""
    return json_text.encode_exactly(run), canonical_bytes(artifact)


def read_program(head: bytes, body: bytes) -> Program:
    """The journey of `first_message`, prepared."""
    return prepare(decode(body), _read_record(head))


def handed(values: Mapping[str, Resolved | RowFault]) -> tuple[HandedValue, ...]:
    """Values of a row, by the text of their reference, as they go into a job."""
    return tuple(_handed(label, found) for label, found in values.items())


def carry_out(program: Program, head: bytes, body: bytes) -> bytes:
    """The reply to a job. It raises for nothing that an answer may hold."""
    job = read_job(head)
    row = _HandedRow(job.values)
    response = msgspec.structs.replace(job.response, body=body)
    exchange = Exchange(request_headers=(), url="", timings=job.timings, response=response)
    try:
        judgement = judge(program.steps[job.step], exchange, row, Work())
        # An empty mapping of it may be a proxy, which cannot be written.
        plain = msgspec.structs.replace(judgement, outputs=dict(judgement.outputs), captures=dict(judgement.captures))
        return json_text.encode_exactly(Judged(judgement=plain, sensitive=tuple(row.sensitive)))
    except Unjudged as limit:
        return json_text.encode_exactly(NotJudged(code=limit.code, message=limit.message))


def _handed(label: str, found: Resolved | RowFault) -> HandedValue:
    if isinstance(found, RowFault):
        return HandedValue(label=label, fault=(found.code, found.message))
    if found.value is UNSET:
        return HandedValue(label=label)
    return HandedValue(label=label, there=True, value=found.value, masked=found.masked)


class _HandedRow:
    """The values of a row as far as they were handed over."""

    def __init__(self, values: tuple[HandedValue, ...]) -> None:
        self.resolved: dict[str, Resolved] = {}
        self.sensitive: list[tuple[str, JsonValue]] = []
        self._faults: dict[str, tuple[str, str]] = {}
        for value in values:
            if value.fault is not None:
                self._faults[value.label] = value.fault
            else:
                found = (value.value, value.masked) if value.there else (UNSET, UNSET)
                self.resolved[value.label] = Resolved(*found)

    def resolve(self, reference: AnyReference, label: str = "") -> Resolved:
        """See `Values.resolve`."""
        label = label or str(reference)
        if label in self._faults:
            raise RowFault(*self._faults[label])
        return self.resolved[label]

    def keep_secret(self, label: str, value: JsonValue) -> None:
        """See `RowValues.keep_secret`."""
        self.sensitive.append((label, value))
