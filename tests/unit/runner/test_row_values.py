"""Values that break programs, taken from an answer, journaled, and sent by the next step after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Journey, ok

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.http.exchange import TransportResponse
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.runner.execute.row.context import Suspended

JOURNEY = """\
journey:
  name: hand-on
  inputs: [{name: item}, {name: card, sensitive: true}]
  steps:
    - id: read
      request: {service: api, url: /read}
      outputs: {value: "$.body.value"}
    - id: use
      request: {service: api, method: POST, url: /use, body: {json: {value: "{{ steps.read.outputs.value }}"}}}
"""
NINES = "9" * 5000
VALUES = {
    "half of a pair": '"Hello \\ud83d"',
    "the other half in a name": '{"\\udc00":["\\ud83d"]}',
    "NUL": '"a\\u0000b"',
    "a non-character": '"\uffff\ufdd0"',
    "many digits": NINES,
    "a fraction of many digits": f"0.{NINES}",
    "a large exponent": "1E+999999",
    "minus nothing": "-0.0",
    "deep": "[" * 500 + '"\\ud83d"' + "]" * 500,
    "backslashes": '"\\\\ud83d \\\\\\ud83d"',
    "words": '"NaN Infinity"',
}


def _answer(value: str) -> TransportResponse:
    body = f'{{"value":{value}}}'.encode()
    return TransportResponse(status=200, reason="OK", headers=(), body=body, wire_size=len(body))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_is_sent_after_an_interruption_as_it_was_before(value: str, tmp_path: Path) -> None:
    journey, answers = Journey(tmp_path, JOURNEY), iter([True, False])
    with pytest.raises(Suspended):
        journey.run(_answer(value), may_send=lambda: next(answers))
    outcome, api = journey.run(ok(), history=journey.history())
    assert outcome.result.status is Status.PASSED
    assert [request.body for request in api.seen] == [f'{{"value":{value}}}'.encode()]
    assert json_text.decode(outcome.records[0].outputs).value == {"value": json_text.decode(value).value}


@pytest.mark.parametrize("number", ["NaN", "-Infinity"])
def test_a_number_that_json_has_not_is_journaled_and_never_sent(number: str, tmp_path: Path) -> None:
    journey = Journey(tmp_path, JOURNEY)
    outcome, api = journey.run(_answer(number))
    assert (outcome.result.failed_step, outcome.result.error_code) == ("use", "invalid_request")
    assert len(api.seen) == 1
    # What was journaled of it is what it was.
    assert [str(value) for value in journey.history().steps["read"].completions[-1].captures.values()] == [number]
    again, api = journey.run(history=journey.history())
    assert api.seen == [] and again.result.error_code == "invalid_request"
