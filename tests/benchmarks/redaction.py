"""What keeping secrets out of evidence costs a step: bodies of 2 KB each way, 5 secrets, one of them in the request.

The same evidence is built with and without registered values, in turns; the fastest of each counts. A step's time is
its CPU in the reference journey with orders of 2 KB, HTTP included: what more rows cost in a run of many than in one of
few, so that the start of the process does not count.
"""

from __future__ import annotations

import json
import random
import time

from measurement import Measurement
from workbench import Workbench

from reqflo_ray._internal.model.artifact import HttpStep, RequestTemplate
from reqflo_ray._internal.model.http.exchange import Exchange, Timings, TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import Evidence
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.runner.execute.response.evidence import Attempt, EvidenceBuilder
from reqflo_ray._internal.secrets.redactor import Redactor

_BATCH = 500
_BATCHES = 40
_STEPS_PER_ROW = 3
_SECRETS = 5
_FEW = 500
_MASKING_BYTES = 2_000_000


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Redaction of a step in µs and as a share of the step, and how much of harmless text is masked."""
    chance = random.Random(7)
    values = [f"made-up-{chance.randbytes(12).hex()}" for _ in range(_SECRETS)]
    attempt = _attempt(chance, values[0])
    builder = EvidenceBuilder(Evidence.FULL, 64 * 2**10)
    plain, masking = Redactor(), Redactor()
    for number, value in enumerate(values):
        masking.register(f"secret:S{number}", value)
    fastest = {plain: float("inf"), masking: float("inf")}
    for _ in range(_BATCHES):
        for redactor in fastest:
            fastest[redactor] = min(fastest[redactor], _seconds(builder, attempt, redactor))
    redaction = fastest[masking] - fastest[plain]
    _enlarge_orders(bench, chance)
    few, many = (
        min(bench.run(number, backend="local").cpu for _ in range(repetitions))
        for number in (_FEW, max(rows, 2 * _FEW))
    )
    step = (many - few) / (max(rows, 2 * _FEW) - _FEW) / _STEPS_PER_ROW
    return [
        Measurement(name="redaction of a step, 5 secrets and 2 KB bodies", value=redaction * 1e6, unit="µs"),
        Measurement(name="as a share of a step", value=redaction / step * 100, unit="%", at_most=5.0),
        Measurement(name="harmless text that is masked", value=_masked(chance, masking), unit="%", at_most=0.01),
    ]


def _enlarge_orders(bench: Workbench, chance: random.Random) -> None:
    """Orders are sent, answered and read back with their SKU."""
    path = bench.workspace / "journeys" / "place-order.yaml"
    sku = chance.randbytes(950).hex()
    path.write_text(path.read_text().replace("{{ inputs.sku }}", sku))


def _seconds(builder: EvidenceBuilder, attempt: Attempt, redactor: Redactor) -> float:
    began = time.process_time()
    for _ in range(_BATCH):
        # A row has a redactor of its own, with the values of the run behind it.
        builder.record(attempt, redactor.child())
    return (time.process_time() - began) / _BATCH


def _masked(chance: random.Random, redactor: Redactor) -> float:
    """The share, in percent, of a text without secrets that does not come back as it was."""
    text = "".join(_document(chance, 2_000).decode() for _ in range(_MASKING_BYTES // 2_000))
    return 0.0 if redactor.text(text) == text else 100 * abs(len(text) - len(redactor.text(text))) / len(text)


def _attempt(chance: random.Random, secret: str) -> Attempt:
    request = TransportRequest(
        method="POST",
        url="http://127.0.0.1:8480/orders",
        headers=(("Authorization", f"Bearer {secret}"), ("Content-Type", "application/json")),
        body=_document(chance, 2_000),
    )
    body = _document(chance, 2_000)
    response = TransportResponse(
        status=201,
        reason="Created",
        headers=(("Content-Type", "application/json"), ("Content-Length", str(len(body)))),
        body=body,
        wire_size=len(body),
    )
    return Attempt(
        row_index=0,
        row_key="ref-1",
        step=HttpStep(id="create", request=RequestTemplate(method="POST")),
        step_index=0,
        number=1,
        status=Status.PASSED,
        request=request,
        exchange=Exchange(
            request_headers=request.headers,
            url=request.url,
            timings=Timings(total_ms=1.0, connect_ms=0.0, wait_ms=0.9, receive_ms=0.1),
            response=response,
        ),
    )


def _document(chance: random.Random, size: int) -> bytes:
    items: list[dict[str, str | float]] = []
    while len(json.dumps(items)) < size:
        items.append({"id": chance.randbytes(8).hex(), "sku": f"SKU-{chance.randrange(999)}", "qty": chance.random()})
    return json.dumps(items).encode()
