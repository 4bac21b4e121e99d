"""What nobody may read of a row lies sealed in the journal: a row that goes on has all of it again, and sends nothing
for it, as long as there is the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from leaky_api import encodings
from scripted import Journey, ok

from reqflo_ray._internal.model.http.exchange import TransportFailure, TransportResponse
from reqflo_ray._internal.model.results import ResendReason, Status
from reqflo_ray._internal.runner.execute.row.context import Suspended
from reqflo_ray._internal.runner.execute.row.row import RowOutcome
from reqflo_ray._internal.runs.folder.sealing import Sealer

CANARY = 'cnry/token+4gT2~vv"3'
CARD = "4111-1111-1111"
COOKIES = (("Set-Cookie", f"session={CANARY.replace(chr(34), '')}; Path=/"), ("Set-Cookie", "theme=dark"))
Answer = TransportResponse | TransportFailure

LOGIN = """\
journey:
  name: login
  cookies: true
  inputs: [{name: item}, {name: card, sensitive: true}]
  variables: [{name: bearer}]
  steps:
    - id: login
      request: {service: api, method: POST, url: /login, headers: {X-Card: "{{ inputs.card }}"}}
      outputs: {token: {path: "$.body.token", sensitive: true}, plain: "$.body.plain"}
      on_interrupt: ON_INTERRUPT
    - id: bearer
      type: set_variable
      values: {bearer: "Bearer {{ steps.login.outputs.token }}"}
    - id: use
      request: {service: api, url: "/use/{{ steps.login.outputs.plain }}", headers: {X-Token: "{{ variables.bearer }}"}}
    - id: last
      request: {service: api, url: /last, headers: {X-Token: "{{ steps.login.outputs.token }}"}}
"""


def login(folder: Path, on_interrupt: str = "fail") -> Journey:
    return Journey(folder, LOGIN.replace("ON_INTERRUPT", on_interrupt))


def welcome(token: Any = CANARY, plain: Any = "p-1") -> TransportResponse:
    return ok({"token": token, "plain": plain}, headers=COOKIES)


def dies_after(journey: Journey, sends: int, *answers: Answer, **options: Any) -> None:
    """An attempt that may send so many requests; before the next one it is over."""
    left = iter([True] * sends + [False])
    with pytest.raises(Suspended):
        journey.run(*answers, may_send=lambda: next(left), **options)


def journaled(journey: Journey) -> bytes:
    return b"".join(bytes(data) for data in journey.disk.logs.values())


def assert_unreadable(data: bytes, *values: str) -> None:
    for value in values:
        found = [form for form, text in encodings(value).items() if text.encode() in data]
        assert not found, f"`{value}` can be read as {found}"


def paths(seen: Any) -> list[str]:
    return [request.url.removeprefix("http://api.example/") for request in seen]


def shown(outcome: RowOutcome) -> list[tuple[Any, ...]]:
    """What a row's records show, without when."""
    return [
        (record.step_id, record.status, record.request_headers, record.response_headers, record.response_body)
        for record in outcome.records
    ]


@pytest.mark.parametrize("sends", [1, 2])
@pytest.mark.parametrize("on_interrupt", ["fail", "resend"])
def test_a_row_goes_on_with_its_login_and_sends_it_no_more(tmp_path: Path, on_interrupt: str, sends: int) -> None:
    answers, row = (welcome(), ok({"echo": CANARY}), ok({"card": CARD, "token": CANARY})), {"card": CARD}
    (tmp_path / "whole").mkdir()
    whole, _ = login(tmp_path / "whole", on_interrupt).run(*answers, row=row)
    journey = login(tmp_path, on_interrupt)
    dies_after(journey, sends, *answers, row=row)
    assert_unreadable(journaled(journey), CANARY, CARD, COOKIES[0][1].split(";")[0])
    outcome, api = journey.run(*answers[sends:], row=row, history=journey.history())
    assert paths(api.seen) == ["use/p-1", "last"][sends - 1 :]
    sent = dict(api.seen[-1].headers)
    assert sent["X-Token"] == CANARY and sent["Cookie"].endswith("theme=dark") and "cnry" in sent["Cookie"]
    assert (outcome.result.status, outcome.result.resent_sensitive) == (Status.PASSED, 0)
    assert shown(outcome) == shown(whole)
    assert_unreadable(repr(outcome).encode(), CANARY, CARD)
    assert_unreadable(journaled(journey), CANARY, CARD)


EXACT = """\
journey:
  name: exact
  steps:
    - id: make
      request: {service: api, method: POST, url: /make}
      outputs: {token: {path: "$.body.token", sensitive: true}}
    - id: use
      request: {service: api, method: POST, url: /use, body: {json: {t: "{{ steps.make.outputs.token }}"}}}
"""


@pytest.mark.parametrize(
    "token",
    [
        '"\\ud800 half a pair"',
        '"\\u0000"',
        str(2**70),
        "1.10",
        "1e400",
        '[1, {"deep": ["ä", null]}]',
        f'"{"b" * 9999}"',
    ],
)
def test_a_sensitive_value_comes_back_exactly(tmp_path: Path, token: str) -> None:
    answer = msgspec.structs.replace(ok(), body=b'{"token": %b}' % token.encode())
    (tmp_path / "whole").mkdir()
    _, undisturbed = Journey(tmp_path / "whole", EXACT).run(answer, ok())
    journey = Journey(tmp_path, EXACT)
    dies_after(journey, 1, answer)
    _, api = journey.run(ok(), history=journey.history())
    assert paths(api.seen) == ["use"]
    assert api.seen[0].body == undisturbed.seen[1].body
    assert api.seen[0].body is not None and len(api.seen[0].body) > len('{"t":}')


def _gone(journey: Journey) -> None:
    journey.sealer = None


def _another(journey: Journey) -> None:
    journey.sealer = Sealer(bytes(64))


@pytest.mark.parametrize("lose", [_gone, _another])
def test_without_the_key_a_login_that_must_not_repeat_makes_a_row_inconclusive(
    tmp_path: Path, lose: Callable[[Journey], None]
) -> None:
    journey = login(tmp_path)
    dies_after(journey, 1, welcome(), row={"card": CARD})
    lose(journey)
    outcome, api = journey.run(row={"card": CARD}, history=journey.history())
    assert api.seen == []
    assert (outcome.result.status, outcome.result.error_code) == (Status.INCONCLUSIVE, "sensitive_value_lost")
    assert "sealing.key" in outcome.result.error_message and "`login` must not be sent" in outcome.result.error_message


@pytest.mark.parametrize("lose", [_gone, _another])
def test_without_the_key_a_login_is_sent_again_where_that_is_safe(
    tmp_path: Path, lose: Callable[[Journey], None]
) -> None:
    journey = login(tmp_path, "resend")
    dies_after(journey, 1, welcome(), row={"card": CARD})
    lose(journey)
    outcome, api = journey.run(welcome("another-token"), ok(), row={"card": CARD}, history=journey.history())
    assert paths(api.seen) == ["login", "use/p-1", "last"]
    assert dict(api.seen[-1].headers)["X-Token"] == "another-token"
    assert (outcome.result.status, outcome.result.resent_sensitive) == (Status.PASSED, 1)


def test_what_a_login_brought_that_was_sent_again_is_used_from_then_on(tmp_path: Path) -> None:
    journey = login(tmp_path, "resend")
    dies_after(journey, 1, welcome(), row={"card": CARD})
    journey.sealer = Sealer(bytes(64))
    dies_after(journey, 1, welcome("another-token", "p-2"), row={"card": CARD}, history=journey.history())
    outcome, api = journey.run(ok(), row={"card": CARD}, history=journey.history())
    assert paths(api.seen) == ["use/p-2", "last"]
    assert dict(api.seen[-1].headers)["X-Token"] == "another-token"
    assert (outcome.result.status, outcome.result.resent_sensitive) == (Status.PASSED, 1)
    reasons = [record.resend_reason for record in outcome.records if record.step_id == "login"]
    assert reasons == [ResendReason.NONE, ResendReason.SENSITIVE]


def test_a_row_that_ended_needs_no_key(tmp_path: Path) -> None:
    journey = login(tmp_path)
    first, _ = journey.run(welcome(), ok(), row={"card": CARD})
    journey.sealer = None
    again, api = journey.run(row={"card": CARD}, history=journey.history())
    assert api.seen == [] and again.records == first.records and again.result.status is Status.PASSED


RETRIED = """\
journey:
  name: retried
  cookies: true
  steps:
    - id: make
      request: {service: api, method: POST, url: /make}
      on_interrupt: ON_INTERRUPT
      retry: {count: 3}
"""


@pytest.mark.parametrize("on_interrupt", ["fail", "resend"])
def test_a_cookie_of_an_attempt_that_failed_is_there_when_it_is_tried_again(tmp_path: Path, on_interrupt: str) -> None:
    journey = Journey(tmp_path, RETRIED.replace("ON_INTERRUPT", on_interrupt))
    dies_after(journey, 1, ok(status=503, headers=COOKIES))
    assert_unreadable(journaled(journey), COOKIES[0][1].split(";")[0])
    outcome, api = journey.run(ok(), history=journey.history())
    assert dict(api.seen[0].headers)["Cookie"].endswith("; theme=dark")
    assert (outcome.result.status, outcome.result.retries) == (Status.PASSED, 1)


def test_a_cookie_of_an_attempt_that_failed_is_missed_where_it_cannot_be_opened(tmp_path: Path) -> None:
    journey = Journey(tmp_path, RETRIED.replace("ON_INTERRUPT", "fail"))
    dies_after(journey, 1, ok(status=503, headers=COOKIES))
    journey.sealer = None
    outcome, api = journey.run(ok(), history=journey.history())
    assert api.seen == []
    assert (outcome.result.status, outcome.result.error_code) == (Status.INCONCLUSIVE, "sensitive_value_lost")


def test_no_cookie_is_written_in_clear_where_there_is_no_key(tmp_path: Path) -> None:
    journey = Journey(tmp_path, RETRIED.replace("ON_INTERRUPT", "resend"))
    journey.sealer = None
    outcome, _ = journey.run(ok(headers=COOKIES))
    assert outcome.result.status is Status.PASSED
    assert_unreadable(journaled(journey), COOKIES[0][1].split(";")[0])
    assert b"dark" not in journaled(journey)


ECHOED = """\
journey:
  name: echoed
  inputs: [{name: item}, {name: card, sensitive: true}]
  steps:
    - id: make
      request: {service: api, method: POST, url: /make, headers: {X-Card: "{{ inputs.card }}"}}
      outputs: {copied: "$.body.copied", hidden: {path: "$.body.hidden", sensitive: true}}
    - id: use
      request: {service: api, url: /use, headers: {X-Copied: "{{ steps.make.outputs.copied }}"}}
"""


def test_a_value_that_repeats_a_sensitive_input_stays_usable_after_a_crash(tmp_path: Path) -> None:
    journey = Journey(tmp_path, ECHOED)
    answer = ok({"copied": {"card": CARD}, "hidden": CANARY})
    dies_after(journey, 1, answer, row={"card": CARD})
    assert_unreadable(journaled(journey), CARD, CANARY)
    outcome, api = journey.run(ok(), row={"card": CARD}, history=journey.history())
    assert paths(api.seen) == ["use"]
    assert json.loads(dict(api.seen[0].headers)["X-Copied"]) == {"card": CARD}
    assert outcome.result.status is Status.PASSED


@pytest.mark.parametrize("repeated", [CARD, CANARY], ids=["input", "output that no step reads"])
def test_an_answer_that_repeats_what_a_step_before_the_crash_had_is_masked(tmp_path: Path, repeated: str) -> None:
    journey = Journey(tmp_path, ECHOED)
    dies_after(journey, 1, ok({"copied": "c", "hidden": CANARY}), row={"card": CARD})
    outcome, _ = journey.run(ok({"echo": repeated}), row={"card": CARD}, history=journey.history())
    body = outcome.records[-1].response_body
    assert body is not None and b"[sensitive:" in body
    assert_unreadable(repr(outcome).encode() + journaled(journey), CARD, CANARY)


def test_a_credential_header_that_a_later_step_reads_lies_sealed(tmp_path: Path) -> None:
    text = """\
journey:
  name: header
  steps:
    - id: make
      request: {service: api, method: POST, url: /make}
    - id: use
      request: {service: api, url: /use, headers: {Cookie: "{{ steps.make.headers.set-cookie }}"}}
"""
    journey = Journey(tmp_path, text)
    dies_after(journey, 1, ok(headers=COOKIES))
    assert_unreadable(journaled(journey), COOKIES[0][1].split(";")[0])
    _, api = journey.run(ok(), history=journey.history())
    assert paths(api.seen) == ["use"] and dict(api.seen[0].headers)["Cookie"] == COOKIES[0][1]


def test_what_nobody_has_to_hide_is_written_as_ever(tmp_path: Path) -> None:
    journey = Journey(tmp_path, ECHOED)
    journey.run(ok({"copied": "plain-copy", "hidden": None}), ok())
    make = journey.history().steps["make"].final
    assert make is not None
    assert (make.captures, make.withheld, make.sealed) == ({"outputs.copied": "plain-copy"}, (), b"")
