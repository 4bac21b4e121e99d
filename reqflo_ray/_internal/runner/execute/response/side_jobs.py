"""Defines the messages between a worker and its side process, and executes the jobs of the side process.

A message consists of two lengths (8 bytes each), a head in JSON, and a raw body. The first message holds the run record
and the artifact; each later one holds a job or a reply. It must not know how the process is started, or who waits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.program import Program, prepare
from reqflo_ray._internal.engine.values.expressions import Resolved
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.engine.values.work import Unjudged, Work
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import Artifact, canonical_bytes, decode
from reqflo_ray._internal.model.http.exchange import Exchange, Timings, TransportResponse
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.values import UNSET, AnyReference, JsonValue
from reqflo_ray._internal.runner.execute.response.evidence import keep_heavy
from reqflo_ray._internal.secrets.redactor import knowing

LENGTHS: Final = struct.Struct(">QQ")


class HandedValue(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a reference in the row. `there` says whether it has a value; `fault` is the code and message of the
    reason why it cannot be obtained."""

    label: str
    there: bool = False
    value: JsonValue = None
    masked: JsonValue = None
    fault: tuple[str, str] | None = None


class JudgeJob(msgspec.Struct, frozen=True, kw_only=True, tag="judge"):
    """Judge the response to a step, named by its index, within `steps` and `pattern_seconds` per pattern. The body of
    the message is that of the response."""

    step: int
    steps: int
    pattern_seconds: float
    response: TransportResponse
    timings: Timings
    values: tuple[HandedValue, ...] = ()


class MaskJob(msgspec.Struct, frozen=True, kw_only=True, tag="mask"):
    """Mask the body of the message, and keep `most` bytes of it. `known` and `codecs` hold what the redactor knows, in
    the form of `Redactor`."""

    most: int
    known: tuple[dict[str, str], ...] = ()
    codecs: tuple[str, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True, tag="judged"):
    """The reply to a `JudgeJob`. `sensitive` holds the labels and values that must not be shown."""

    judgement: Judgement
    sensitive: tuple[tuple[str, JsonValue], ...] = ()


class NotJudged(msgspec.Struct, frozen=True, kw_only=True, tag="not_judged"):
    """The reason why a response could not be judged, as in `Unjudged`; `fault` is the place of an internal error."""

    code: str = ""
    message: str = ""
    fault: str = ""


class Masked(msgspec.Struct, frozen=True, kw_only=True, tag="masked"):
    """The reply to a `MaskJob`, whose body is what is kept; `sha256` and `truncated` are as in `evidence.KeptBody`."""

    sha256: str
    truncated: bool


Job: TypeAlias = JudgeJob | MaskJob
Reply: TypeAlias = Judged | NotJudged | Masked

read_job: Callable[[bytes | str], Job] = json_text.reader(Job)  # type: ignore[arg-type]
read_reply: Callable[[bytes | str], Reply] = json_text.reader(Reply)  # type: ignore[arg-type]
_read_record = json_text.reader(RunRecord)


def message(head: bytes, body: bytes = b"") -> bytes:
    """Return the two lengths and the head; the body follows them."""
    return LENGTHS.pack(len(head), len(body)) + head


def first_message(artifact: Artifact, run: RunRecord) -> tuple[bytes, bytes]:
    """Return the head and body of the message that comes before all jobs."""
    return json_text.encode_exactly(run), canonical_bytes(artifact)


def read_program(head: bytes, body: bytes) -> Program:
    """Prepare the journey of `first_message`."""
    return prepare(decode(body), _read_record(head))


def handed(values: Mapping[str, Resolved | RowFault]) -> tuple[HandedValue, ...]:
    """Return values of a row in the form of a job.

    Args:
        values: by the text of the reference.
    """
    return tuple(_handed(label, found) for label, found in values.items())


def carry_out(program: Program, head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Execute a job; return the head and body of the reply. No contents of a response make it raise."""
    job = read_job(head)
    if isinstance(job, MaskJob):
        kept = keep_heavy(body, knowing(job.known, job.codecs), job.most)
        return json_text.encode_exactly(Masked(sha256=kept.sha256, truncated=kept.truncated)), kept.kept or b""
    return _judged(program, job, body), b""


def _judged(program: Program, job: JudgeJob, body: bytes) -> bytes:
    row = _HandedRow(job.values)
    response = msgspec.structs.replace(job.response, body=body)
    exchange = Exchange(request_headers=(), url="", timings=job.timings, response=response)
    try:
        judgement = judge(program.steps[job.step], exchange, row, Work(job.steps, pattern_seconds=job.pattern_seconds))
        # An empty mapping may be a mapping proxy, which cannot be encoded.
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
    """The values of a row that came with a job."""

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
