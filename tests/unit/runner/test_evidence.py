"""What of an exchange is kept: masked, still JSON where it was, and with bounded work however long it is."""

from __future__ import annotations

import hashlib
import json
import random

import pytest

from reqflo_ray._internal.model.artifact import HttpStep, RequestTemplate
from reqflo_ray._internal.model.http.exchange import Exchange, Timings, TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import Evidence
from reqflo_ray._internal.model.results import Status, StepRecord
from reqflo_ray._internal.runner.execute.response.evidence import (
    NOTHING_ASIDE,
    Attempt,
    EvidenceBuilder,
    MaskedAside,
    is_heavy,
    keep_heavy,
)
from reqflo_ray._internal.secrets.redactor import WITHHELD, Redactor

TOKEN = "k8Jq2mZx5Lw9Tt41"


def record(body: bytes, redactor: Redactor, *, kept: int = 64 * 1024) -> StepRecord:
    request = TransportRequest(method="GET", url="http://127.0.0.1/a", headers=(), body=None)
    response = TransportResponse(status=200, reason="OK", headers=(), body=body, wire_size=len(body))
    attempt = Attempt(
        row_index=0,
        row_key="k",
        step=HttpStep(id="a", request=RequestTemplate(method="GET")),
        step_index=0,
        number=1,
        status=Status.PASSED,
        request=request,
        exchange=Exchange(request_headers=(), url=request.url, timings=Timings(total_ms=1.0), response=response),
    )
    builder = EvidenceBuilder(Evidence.FULL, kept)
    _, heavy = builder.heavy_bodies(request, attempt.exchange)
    aside = MaskedAside(None, keep_heavy(heavy, redactor, kept)) if heavy is not None else NOTHING_ASIDE
    return builder.record(attempt, redactor, aside)


def knowing(**values: str) -> Redactor:
    redactor = Redactor().child()
    for label, value in values.items():
        redactor.register(f"sensitive:{label}", value)
    return redactor


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"total":1,"ids":[1,11],"n":"1"}', {"total": "[sensitive:pin]", "ids": ["[sensitive:pin]", 11], "n": ...}),
        (b'[1, {"a": 1}]', ["[sensitive:pin]", {"a": "[sensitive:pin]"}]),
    ],
)
def test_a_body_that_was_json_is_json_when_a_number_in_it_is_masked(body: bytes, shown: object) -> None:
    kept = record(body, knowing(pin="1")).response_body
    assert kept is not None
    read = json.loads(kept)
    if isinstance(read, dict):
        read["n"] = ...
    assert read == shown


@pytest.mark.parametrize("body", [b"pin=1&x=2", b"{not json 1}", b"1", b"<a>1</a>"])
def test_a_body_that_was_no_json_is_only_masked(body: bytes) -> None:
    kept = record(body, knowing(pin="1")).response_body
    assert kept == body.replace(b"1", b"[sensitive:pin]")


def test_a_long_body_is_masked_cut_and_hashed_as_a_short_one_is() -> None:
    chance = random.Random(1)
    rows = [{"id": chance.randbytes(8).hex(), "note": 'a "quoted"\nline', "token": TOKEN} for _ in range(13_000)]
    body = json.dumps(rows).encode()
    assert len(body) > 2**20
    redactor = knowing(token=TOKEN)
    whole = redactor.bytes(body)
    kept = record(body, redactor)
    assert kept.response_body == whole[: 64 * 1024] and kept.response_body_truncated
    assert kept.response_body_sha256 == hashlib.sha256(whole).hexdigest()
    assert kept.response_body_size == len(body)
    uncut = record(body, redactor, kept=2**22)
    assert uncut.response_body == whole and not uncut.response_body_truncated and not uncut.response_body_sha256


def test_of_a_long_body_of_escapes_the_beginning_is_kept_and_no_digest() -> None:
    body = f'{{"t":"{TOKEN}"}}'.encode() + b"\\u0041%41&amp;\n" * 500_000
    kept = record(body, knowing(token=TOKEN), kept=1000)
    assert kept.response_body is not None and len(kept.response_body) == 1000 and kept.response_body_truncated
    assert kept.response_body.startswith(b'{"t":"[sensitive:token]"}\\u0041')
    assert kept.response_body_sha256 == "" and kept.response_body_size == len(body)


@pytest.mark.parametrize(
    ("data", "heavy"),
    [
        (b"a" * 100_000, False),
        (b"a" * 200_000, True),
        (b"%41" * 1900, False),
        (b"%41" * 2100, True),
        (b"\n" * 9000, False),
    ],
)
def test_what_is_long_or_full_of_escapes_is_heavy(data: bytes, heavy: bool) -> None:
    assert is_heavy(data) is heavy


def test_of_a_row_with_too_many_sensitive_values_nothing_is_shown() -> None:
    redactor = Redactor().child()
    for number in range(300):
        redactor.register(f"sensitive:all.{number}", f"value-{number:05d}")
    kept = record(b'{"all": ["value-00299"]}', redactor)
    assert kept.response_body == json.dumps(WITHHELD).encode()
    assert kept.url == WITHHELD and kept.status is Status.PASSED
