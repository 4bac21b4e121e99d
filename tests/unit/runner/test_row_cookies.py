"""The cookies of a row over its steps, its attempts and an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Journey, ok

from reqflo_ray._internal.model.http.exchange import FailureKind, TransportFailure
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.runner.execute.row.context import Suspended

TEXT = """\
journey:
  name: j
  cookies: true
  steps:
    - id: login
      request: {service: api, url: /login}
      retry: {count: 1}
    - {id: pause, type: wait, duration: WAIT}
    - id: use
      request: {service: api, url: /use, headers: {Cookie: "a=mine; own=1"}}
"""
KEPT = (
    ("Set-Cookie", "a=1; Path=/"),
    ("Set-Cookie", "odd=caf\udce9; Path=/"),
    ("Set-Cookie", "short=2; Path=/; Max-Age=20"),
    ("Set-Cookie", "no=s3cr3t-value; Domain=other.example"),
)


@pytest.mark.parametrize(("wait", "sent"), [("1s", "; odd=caf\udce9; short=2"), ("20s", "; odd=caf\udce9")])
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_row_that_goes_on_sends_the_cookies_that_it_would_have_sent(
    tmp_path: Path, wait: str, sent: str, interrupted: bool
) -> None:
    journey = Journey(tmp_path, TEXT.replace("WAIT", wait))
    history = None
    if interrupted:
        answers = iter([True, False])
        with pytest.raises(Suspended):
            journey.run(ok(headers=KEPT), may_send=lambda: next(answers))
        history = journey.history()
    outcome, api = journey.run(*([] if interrupted else [ok(headers=KEPT)]), ok(), history=history)
    assert outcome.result.status is Status.PASSED
    assert dict(api.seen[-1].headers)["Cookie"] == f"a=mine; own=1{sent}"
    assert [name for name, _ in api.seen[-1].headers].count("Cookie") == 1


def test_a_cookie_that_is_not_kept_is_in_the_log_of_its_step(tmp_path: Path) -> None:
    outcome, _ = Journey(tmp_path, TEXT.replace("WAIT", "1s")).run(ok(headers=KEPT), ok())
    (line,) = [event for event in outcome.records[0].events if event.kind == "cookie"]
    assert line.text == (
        "the cookie `no` from api.example is ignored: its Domain `other.example` is neither api.example nor above it"
    )
    assert all(event.kind != "cookie" for record in outcome.records[1:] for event in record.events)


def test_a_cookie_of_a_failed_attempt_goes_with_the_next_one(tmp_path: Path) -> None:
    cut = TransportFailure(
        kind=FailureKind.SHORT_BODY, message="the body was cut", sent=True, status=200, headers=KEPT[:1]
    )
    outcome, api = Journey(tmp_path, TEXT.replace("WAIT", "1s")).run(cut, ok())
    assert outcome.result.status is Status.PASSED
    assert [dict(request.headers).get("Cookie") for request in api.seen] == [None, "a=1", "a=mine; own=1"]
