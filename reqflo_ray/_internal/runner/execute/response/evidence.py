"""Turns one attempt of a step into the record that people will read, with every secret and sensitive value masked.

This is the one place where what was sent and received becomes evidence: nothing reaches a journal, a result file or a
log but through here. It decides nothing about the outcome.
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

# Never part of a header, a URL or JSON text as we write it, so that one pass of the redactor serves many texts.
_SEPARATOR: Final = "\x1e"

# What is longer, or has more escapes, takes more than some milliseconds to mask, and is a matter of `masking`.
_MOST_BYTES_HERE: Final = 2**17
_MOST_ESCAPES_HERE: Final = 2000
# After so many escapes the digest of a long body is given up: they take about a second and a half.
_MOST_ESCAPES: Final = 1_000_000


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one attempt once it is over. Nothing in it is masked yet; `outputs` is JSON text. Times:
    `started_at_us` since the epoch, `duration_ms` by the monotonic clock."""

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
    """A masked body as evidence holds it: `size` bytes before it was masked; `sha256` of all of what was masked, where
    it is `truncated`."""

    kept: bytes | None
    size: int
    sha256: str
    truncated: bool


class MaskedAside(NamedTuple):
    """Parts of an attempt that were masked before all else: bodies, and the text of its outputs. None for all that was
    not."""

    request: KeptBody | None = None
    response: KeptBody | None = None
    outputs: str | None = None


NOTHING_ASIDE: Final = MaskedAside()
_NO_BODY: Final = KeptBody(None, 0, "", False)


class EvidenceBuilder:
    """Builds `StepRecord`s for one run.

    Args:
        evidence: how much is kept; `failures` keeps all here, since the row's verdict is not known yet.
        body_bytes: how many bytes of each (redacted) body are kept.
    """

    def __init__(self, evidence: Evidence, body_bytes: int) -> None:
        self._with_exchange = evidence is not Evidence.NONE
        self._body_bytes = body_bytes

    def record(self, attempt: Attempt, redactor: Redactor, aside: MaskedAside = NOTHING_ASIDE) -> StepRecord:
        """The masked record of `attempt`. `redactor` knows all values that the row has used; `aside` is what of it was
        heavy and was masked before."""
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
        # In two parts, since most often only what was exchanged holds something to mask.
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
            # The whole bodies are redacted before they are cut: a secret across the cut must not survive in part.
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
        """The bodies, of request and response, that have to be masked before `record`; None for all others."""
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
    """Whether masking `data` would hold up other rows."""
    if len(data) <= 2 * _MOST_ESCAPES_HERE:
        return False
    return len(data) > _MOST_BYTES_HERE or count_signs(data) > _MOST_ESCAPES_HERE


def if_heavy(data: bytes | None) -> bytes | None:
    """`data` if it has to be masked aside, else None."""
    return data if data is not None and is_heavy(data) else None


def keep_heavy(body: bytes, redactor: Redactor, most: int) -> KeptBody:
    """What is kept of a heavy body, `most` bytes of it: the same as of another one, but with little memory, and with
    work that no answer can make boundless. Of a body with very many escapes behind what is kept, there is no digest."""
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
    """The record without headers and bodies: what `--evidence failures` keeps of a row that passed."""
    return msgspec.structs.replace(
        record, request_headers=(), request_body=None, response_headers=(), response_body=None
    )


def _only_size(body: bytes | None) -> KeptBody:
    return _NO_BODY if body is None else KeptBody(None, len(body), "", False)


def mask_all(
    exchanged: list[str], told: list[str], request_body: bytes | None, response_body: bytes | None, redactor: Redactor
) -> tuple[list[str], list[str], bytes, bytes]:
    """All texts and both bodies, masked by one search; the same list of texts if there is nothing to mask in them."""
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
    # A text that held the separator itself would shift all others: mask one by one instead.
    return parts if len(parts) == len(texts) else [redactor.text(text) for text in texts]


def _with_texts(result: AssertionResult, expected: str, actual: str, message: str) -> AssertionResult:
    if expected == result.expected and actual == result.actual and message == result.message:
        return result
    if expected != result.expected:
        expected = still_json(expected)
    if actual != result.actual:
        actual = still_json(actual)
    return msgspec.structs.replace(result, expected=expected, actual=actual, message=message)
