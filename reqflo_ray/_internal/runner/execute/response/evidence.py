"""Turns an attempt of a step into the record that people read, with every secret and sensitive value masked.

Only here does what was sent and received become evidence: nothing reaches a journal, a result file, or a log any other
way. It must not decide anything about the outcome.
"""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from reqflo_ray._internal.model.artifact import Step
from reqflo_ray._internal.model.http.exchange import Exchange, Headers, TransportRequest
from reqflo_ray._internal.model.plan import Evidence
from reqflo_ray._internal.model.results import AssertionResult, LogEvent, ResendReason, Status, StepRecord
from reqflo_ray._internal.secrets.escapes import count_signs
from reqflo_ray._internal.secrets.redactor import Redactor, body_still_json, mask_credentials, still_json, text_of

# Never part of a header, a URL, or JSON text as we write it, so one pass of the redactor serves many texts.
_SEPARATOR: Final = "\x1e"

# Longer data, or data with more escapes, takes more than a few milliseconds to mask and is left to `masking`.
_MOST_BYTES_HERE: Final = 2**17
_MOST_ESCAPES_HERE: Final = 2000
# After this many escapes, about 1.5 s of work, the digest of a long body is not computed.
_MOST_ESCAPES: Final = 1_000_000


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an attempt when it has ended. Nothing in it is masked yet; `outputs` is JSON text.
    `started_at_us` is in microseconds since the epoch; `duration_ms` is measured by the monotonic clock."""

    row_index: int
    row_key: str
    step: Step
    step_index: int
    number: int
    status: Status
    error_code: str = ""
    error_message: str = ""
    request: TransportRequest | None = None
    exchange: Exchange | None = None
    assertions: tuple[AssertionResult, ...] = ()
    outputs: str = ""
    events: tuple[LogEvent, ...] = ()
    started_at_us: int = 0
    duration_ms: float = 0.0
    idempotency_key: str = ""
    resend_count: int = 0
    resend_reason: ResendReason = ResendReason.NONE
    resumed: bool = False


class KeptBody(NamedTuple):
    """A masked body in the form of evidence. `size` is the number of bytes before masking; `sha256` is that of the
    whole masked body if `kept` is `truncated`."""

    kept: bytes | None
    size: int
    sha256: str
    truncated: bool


class MaskedAside(NamedTuple):
    """Parts of an attempt that were masked before the rest: bodies, and the text of outputs. None for each part that
    was not."""

    request: KeptBody | None = None
    response: KeptBody | None = None
    outputs: str | None = None


NOTHING_ASIDE: Final = MaskedAside()
_NO_BODY: Final = KeptBody(None, 0, "", False)


class EvidenceBuilder:
    """Builds `StepRecord`s for one run.

    Args:
        evidence: how much is kept; with `failures`, everything is kept here, because the status of the row is not
            known yet.
        body_bytes: the number of bytes of each masked body to keep.
    """

    def __init__(self, evidence: Evidence, body_bytes: int) -> None:
        self._with_exchange = evidence is not Evidence.NONE
        self._body_bytes = body_bytes

    def record(self, attempt: Attempt, redactor: Redactor, aside: MaskedAside = NOTHING_ASIDE) -> StepRecord:
        """Return the masked record of `attempt`. `redactor` must know all values that the row has used; `aside` holds
        the heavy parts, which were masked before."""
        request, exchange = attempt.request, attempt.exchange
        method = request.method if request else ""
        url = exchange.url if exchange else request.url if request else ""
        sent_headers: Headers = ()
        received: Headers = ()
        if self._with_exchange and request:
            sent_headers = exchange.request_headers if exchange else request.headers
            if exchange and exchange.response:
                received = exchange.response.headers
            elif exchange and exchange.failure:
                received = exchange.failure.headers
        outputs = attempt.outputs if aside.outputs is None else ""
        error_message, assertions, events = attempt.error_message, attempt.assertions, attempt.events
        response = exchange.response if exchange else None
        reason = response.reason if response else ""
        # In two parts, because usually only what was exchanged contains values to mask.
        exchanged = [url, reason, *chain.from_iterable(sent_headers), *chain.from_iterable(received)]
        told = [error_message, outputs]
        for result in assertions:
            told += (result.expected, result.actual, result.message)
        told += [event.text for event in events]
        request_content = request.body if request else None
        response_content = response.body if response else None
        if not self._with_exchange:  # only their sizes are kept
            request_body, response_body = _only_size(request_content), _only_size(response_content)
            exchanged_masked, told_masked, _, _ = mask_all(exchanged, told, None, None, redactor)
        else:
            # Whole bodies are masked before they are cut, so that no part of a secret survives at the cut.
            exchanged_masked, told_masked, request_masked, response_masked = mask_all(
                exchanged,
                told,
                request_content if aside.request is None else None,
                response_content if aside.response is None else None,
                redactor,
            )
            request_body = aside.request or self._body(request_content, request_masked)
            response_body = aside.response or self._body(response_content, response_masked)
        if exchanged_masked is not exchanged:
            take = iter(exchanged_masked).__next__
            url, reason = take(), take()
            sent_headers = tuple([(take(), take()) for _ in sent_headers])
            received = tuple([(take(), take()) for _ in received])
        if told_masked is not told:
            take = iter(told_masked).__next__
            error_message, shown = take(), take()
            outputs = outputs if shown == outputs else still_json(shown)
            assertions = tuple([_with_texts(result, take(), take(), take()) for result in assertions])
            events = tuple([LogEvent(event.at_us, event.kind, take()) for event in events])
        failure = exchange.failure if exchange else None
        return StepRecord(
            row_index=attempt.row_index,
            row_key=attempt.row_key,
            step_id=attempt.step.id,
            step_index=attempt.step_index,
            attempt=attempt.number,
            status=attempt.status,
            error_code=attempt.error_code,
            error_message=error_message,
            method=method,
            url=url,
            request_headers=mask_credentials(sent_headers),
            request_body=request_body.kept,
            request_body_size=request_body.size,
            request_body_sha256=request_body.sha256,
            request_body_truncated=request_body.truncated,
            response_status=response.status if response else failure.status if failure else None,
            response_reason=reason,
            response_headers=mask_credentials(received),
            response_body=response_body.kept,
            response_body_size=response_body.size,
            response_body_sha256=response_body.sha256,
            response_body_truncated=response_body.truncated,
            http_version=response.http_version if response else "",
            started_at_us=attempt.started_at_us,
            duration_ms=attempt.duration_ms,
            timings=exchange.timings if exchange else None,
            outputs=outputs if aside.outputs is None else aside.outputs,
            assertions=assertions,
            events=events,
            idempotency_key=attempt.idempotency_key,
            resend_count=attempt.resend_count,
            resend_reason=attempt.resend_reason,
            resumed=attempt.resumed,
        )

    def heavy_bodies(
        self, request: TransportRequest | None, exchange: Exchange | None
    ) -> tuple[bytes | None, bytes | None]:
        """Return the bodies of request and response that must be masked before `record`, and None for the others."""
        if not self._with_exchange:
            return None, None
        response = exchange.response if exchange else None
        return if_heavy(request.body if request else None), if_heavy(response.body if response else None)

    def _body(self, body: bytes | None, redacted: bytes) -> KeptBody:
        if body is None:
            return _NO_BODY
        if redacted is not body:
            redacted = body_still_json(redacted, body)
        if len(redacted) <= self._body_bytes:
            return KeptBody(redacted, len(body), "", False)
        return KeptBody(redacted[: self._body_bytes], len(body), hashlib.sha256(redacted).hexdigest(), True)


def is_heavy(data: bytes) -> bool:
    """Whether masking `data` on the event loop would delay other rows."""
    if len(data) <= 2 * _MOST_ESCAPES_HERE:
        return False
    return len(data) > _MOST_BYTES_HERE or count_signs(data) > _MOST_ESCAPES_HERE


def if_heavy(data: bytes | None) -> bytes | None:
    """Return `data` if it must be masked in the side process, otherwise None."""
    return data if data is not None and is_heavy(data) else None


def keep_heavy(body: bytes, redactor: Redactor, most: int) -> KeptBody:
    """Return at most `most` masked bytes of a heavy body. The result is the same as for any other body, but needs
    little memory and bounded work: a body with very many escapes after the kept part has no digest."""
    kept, size, escapes, digest = bytearray(), 0, 0, hashlib.sha256()
    for piece, looked_through in redactor.windows(body):
        kept += piece[: max(0, most - size)]
        size += len(piece)
        escapes += looked_through
        if escapes > _MOST_ESCAPES and size > most:
            return KeptBody(bytes(kept), len(body), "", True)
        digest.update(piece)
    if size > most:
        return KeptBody(bytes(kept), len(body), digest.hexdigest(), True)
    return KeptBody(body_still_json(bytes(kept), body) if kept != body else body, len(body), "", False)


def without_exchange(record: StepRecord) -> StepRecord:
    """Return the record without headers and bodies, as `--evidence failures` keeps it for a row that passed."""
    return msgspec.structs.replace(
        record, request_headers=(), request_body=None, response_headers=(), response_body=None
    )


def _only_size(body: bytes | None) -> KeptBody:
    return _NO_BODY if body is None else KeptBody(None, len(body), "", False)


def mask_all(
    exchanged: list[str], told: list[str], request_body: bytes | None, response_body: bytes | None, redactor: Redactor
) -> tuple[list[str], list[str], bytes, bytes]:
    """Return all texts and both bodies, masked in one search; a list of texts is returned itself if nothing in it is
    masked."""
    first, second = _joined(exchanged), _joined(told)
    parts = (first, second, request_body or b"", response_body or b"")
    first_masked, second_masked, request_masked, response_masked = redactor.each(parts)
    if first_masked is not first:
        exchanged = _parted(first_masked, exchanged, redactor)
    if second_masked is not second:
        told = _parted(second_masked, told, redactor)
    return exchanged, told, request_masked, response_masked


def _joined(texts: list[str]) -> bytes:
    return _SEPARATOR.join(texts).encode("utf-8", "surrogatepass")


def _parted(masked: bytes, texts: list[str], redactor: Redactor) -> list[str]:
    parts = text_of(masked).split(_SEPARATOR)
    # A text that contains the separator would shift all others, so each text is then masked alone.
    return parts if len(parts) == len(texts) else [redactor.text(text) for text in texts]


def _with_texts(result: AssertionResult, expected: str, actual: str, message: str) -> AssertionResult:
    if expected == result.expected and actual == result.actual and message == result.message:
        return result
    if expected != result.expected:
        expected = still_json(expected)
    if actual != result.actual:
        actual = still_json(actual)
    return msgspec.structs.replace(result, expected=expected, actual=actual, message=message)
