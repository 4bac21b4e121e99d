"""What becomes of one row: the order of its steps, what ends it, what is tried again, what is skipped and why."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from scripted import Journey, ok, one_step, refused, statuses, without_captures

from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportFailure
from reqflo_ray._internal.model.plan import Evidence
from reqflo_ray._internal.model.results import ResendReason, Status
from reqflo_ray._internal.runner.execute.row.context import Suspended

DONE = {"state": "done"}
TWO_STEPS = """\
journey:
  name: two
  inputs: [{name: item}]
  steps:
    - id: make
      request: {service: api, method: POST, url: /items, body: {json: {item: "{{ inputs.item }}"}}}
      outputs: {made: "$.body.id"}
      assertions: [{type: status_code, expected: 201}]
    - id: read
      request: {service: api, method: GET, url: "/items/{{ steps.make.outputs.made }}"}
"""


def test_a_row_whose_steps_pass_has_passed_and_hands_values_on(tmp_path: Path) -> None:
    outcome, api = Journey(tmp_path, TWO_STEPS).run(ok({"id": "i-7"}, status=201), ok(), row={"item": "a"})
    assert outcome.result.status is Status.PASSED and outcome.result.requests == 2
    assert [request.url for request in api.seen] == ["http://api.example/items", "http://api.example/items/i-7"]
    assert statuses(outcome.records) == [("make", 1, "passed", ""), ("read", 1, "passed", "")]


def test_an_error_ends_the_row_and_later_steps_are_skipped(tmp_path: Path) -> None:
    outcome, api = Journey(tmp_path, TWO_STEPS).run(refused())
    assert len(api.seen) == 1
    assert (outcome.result.status, outcome.result.error_code) == (Status.ERROR, "connection_refused")
    assert outcome.result.failed_step == "make"
    assert statuses(outcome.records)[1] == ("read", 1, "skipped", "row_halted")


def test_a_failed_assertion_lets_the_row_go_on_but_its_dependants_are_skipped(tmp_path: Path) -> None:
    outcome, api = Journey(tmp_path, TWO_STEPS).run(ok({"id": "i-7"}, status=200))
    assert len(api.seen) == 1
    assert statuses(outcome.records) == [
        ("make", 1, "failed", "assertion_failed"),
        ("read", 1, "skipped", "unresolved_dependency"),
    ]
    assert outcome.result.status is Status.FAILED and outcome.result.failed_step == "make"


def test_a_failed_assertion_ends_the_row_where_the_step_says_halt(tmp_path: Path) -> None:
    text = one_step("      assertions: [{type: status_code, expected: 201}]\n      on_failure: halt") + (
        "    - id: other\n      request: {service: api, method: GET, url: /y}\n"
    )
    outcome, api = Journey(tmp_path, text).run(ok())
    assert len(api.seen) == 1 and statuses(outcome.records)[1] == ("other", 1, "skipped", "row_halted")


def test_a_soft_failure_is_reported_and_the_step_has_passed(tmp_path: Path) -> None:
    text = one_step("      assertions: [{type: status_code, expected: 201, soft: true}]")
    outcome, _ = Journey(tmp_path, text).run(ok())
    assert outcome.result.status is Status.PASSED
    assert [result.status for result in outcome.records[0].assertions] == [Status.FAILED]


def test_an_error_is_tried_again_after_its_delay_and_every_attempt_is_kept(tmp_path: Path) -> None:
    text = one_step("      retry: {count: 2, delay: 200ms, backoff: exponential, causes: [error]}")
    journey = Journey(tmp_path, text)
    before = journey.clock.monotonic()
    outcome, _ = journey.run(refused(), refused(), ok())
    assert [(record.attempt, record.status) for record in outcome.records] == [
        (1, Status.ERROR),
        (2, Status.ERROR),
        (3, Status.PASSED),
    ]
    assert outcome.result.status is Status.PASSED and outcome.result.retries == 2
    assert journey.clock.monotonic() - before == pytest.approx(0.2 + 0.4)
    assert [event.kind for event in outcome.records[0].events] == ["retry"]


def test_a_failed_assertion_is_not_tried_again_where_only_errors_are(tmp_path: Path) -> None:
    text = one_step(
        "      retry: {count: 2, delay: 1ms, causes: [error]}\n      assertions: [{type: status_code, expected: 201}]"
    )
    outcome, api = Journey(tmp_path, text).run(ok())
    assert len(api.seen) == 1 and outcome.result.status is Status.FAILED


@pytest.mark.parametrize("sensitive", [False, True])
@pytest.mark.parametrize(
    "more",
    ["      retry: {count: 3, causes: [error, failed]}", "      poll: {until: [{type: status_code, expected: 201}]}"],
)
def test_an_answer_that_cannot_be_judged_is_an_error_and_is_not_asked_for_again(
    tmp_path: Path, sensitive: bool, more: str
) -> None:
    outputs = f"      outputs: [{{name: all, path: $.body, sensitive: {str(sensitive).lower()}}}]"
    outcome, api = Journey(tmp_path, one_step(f"{outputs}\n{more}")).run(ok(["many-words" for _ in range(100_000)]))
    assert len(api.seen) == 1
    assert (outcome.result.status, outcome.result.error_code) == (Status.ERROR, "value_too_large")
    record = outcome.records[0]
    assert record.error_message.startswith("output `all`: the value is larger than 1,048,576 bytes")
    # What is sensitive in it is not known, so it is not kept.
    assert (record.response_body is None) is sensitive
    assert b"many-words" not in msgspec.msgpack.encode(record) or not sensitive


def test_a_poll_repeats_until_its_condition_holds(tmp_path: Path) -> None:
    text = one_step(
        "      poll: {interval: 1s, timeout: 10s,\n"
        "             until: [{type: json_path, path: $.state, operator: equals, expected: done}]}"
    )
    journey = Journey(tmp_path, text)
    outcome, api = journey.run(ok({"state": "new"}), refused(), ok({"state": "done"}))
    assert len(api.seen) == 3 and outcome.result.status is Status.PASSED


def test_a_poll_that_never_holds_fails_when_its_time_is_over(tmp_path: Path) -> None:
    text = one_step(
        "      poll: {interval: 1s, timeout: 3s,\n"
        "             until: [{type: json_path, path: $.state, operator: equals, expected: done}]}"
    )
    outcome, api = Journey(tmp_path, text).run(ok({"state": "new"}))
    assert (outcome.result.status, outcome.result.error_code) == (Status.FAILED, "poll_timeout")
    assert 2 <= len(api.seen) <= 4


POLL = """\
      poll: {interval: 1s, timeout: 10s,
             until: [{type: json_path, path: $.state, operator: equals, expected: done}]}"""


@pytest.mark.parametrize("status", [202, 429])
@pytest.mark.parametrize(
    ("asked", "waited"),
    [("3", 3.0), ("1", 1.0), ("0", 1.0), ("soon", 1.0), ("-4", 1.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 1.0)],
)
def test_a_poll_waits_as_long_as_retry_after_asks(tmp_path: Path, status: int, asked: str, waited: float) -> None:
    journey = Journey(tmp_path, one_step(POLL))
    before = journey.clock.monotonic()
    outcome, api = journey.run(ok({"state": "new"}, status=status, headers=(("Retry-After", asked),)), ok(DONE))
    assert len(api.seen) == 2 and outcome.result.status is Status.PASSED
    assert journey.clock.monotonic() - before == pytest.approx(waited)
    told = [event.text for event in outcome.records[0].events if event.kind == "wait"]
    assert told == (["Retry-After asks for a wait of 3000 ms"] if waited > 1 else [])


def test_a_poll_waits_until_the_date_that_retry_after_names(tmp_path: Path) -> None:
    journey = Journey(tmp_path, one_step(POLL))
    before = journey.clock.monotonic()
    date = format_datetime(datetime.fromtimestamp(journey.clock.now_us() // 1_000_000 + 4, UTC), usegmt=True)
    journey.run(ok({"state": "new"}, status=503, headers=(("Retry-After", date),)), ok(DONE))
    assert 3.0 < journey.clock.monotonic() - before <= 4.0


@pytest.mark.parametrize("asked", ["10", "3600", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_poll_does_not_wait_beyond_its_time(tmp_path: Path, asked: str) -> None:
    outcome, api = Journey(tmp_path, one_step(POLL)).run(ok({"state": "new"}, headers=(("Retry-After", asked),)))
    assert (outcome.result.status, outcome.result.error_code) == (Status.FAILED, "poll_timeout")
    assert len(api.seen) == 1
    assert "Retry-After asks for a wait of" in outcome.records[0].events[-1].text
    assert re.search(
        r"and Retry-After asks for \d+ ms, which exceeds the rest of 10000 ms", outcome.result.error_message
    )


def test_a_request_of_a_poll_has_no_more_time_than_the_poll(tmp_path: Path) -> None:
    text = one_step(POLL.replace("10s", "3s") + "\n      timeout: {total: 2500ms}")
    cut = TransportFailure(kind=FailureKind.DEADLINE, message="the time ran out", sent=True)
    outcome, api = Journey(tmp_path, text).run(ok({"state": "new"}), cut)
    assert [request.total_ms for request in api.seen] == [2500, 2000, 1000]
    assert (outcome.result.status, outcome.result.error_code) == (Status.FAILED, "poll_timeout")


def test_a_row_that_takes_too_long_is_an_error_and_nothing_more_is_sent(tmp_path: Path) -> None:
    text = one_step("") + (
        "    - {id: pause, type: wait, duration: 30s}\n"
        "    - id: late\n      request: {service: api, method: GET, url: /late}\n"
    )
    outcome, api = Journey(tmp_path, text, row_timeout_ms=20_000).run(ok())
    assert (outcome.result.status, outcome.result.error_code) == (Status.ERROR, "row_timeout")
    assert [request.url for request in api.seen] == ["http://api.example/x"]


def test_variables_that_a_step_sets_are_used_by_later_steps(tmp_path: Path) -> None:
    text = one_step("") + (
        '    - {id: name, type: set_variable, values: {path: "p-{{ inputs.item }}"}}\n'
        '    - {id: say, type: note, text: "goes to {{ variables.path }}"}\n'
        '    - id: use\n      request: {service: api, method: GET, url: "/{{ variables.path }}"}\n'
    )
    journey = Journey(tmp_path, text)
    outcome, api = journey.run(ok(), row={"item": "1"})
    assert api.seen[-1].url == "http://api.example/p-1"
    note = next(record for record in outcome.records if record.step_id == "say")
    assert [(event.kind, event.text) for event in note.events] == [("note", "goes to p-1")]
    assert journey.run(ok(), row={"item": "1"}, history=journey.history())[0].result.status is Status.PASSED


def test_an_unset_optional_value_is_left_out_and_warned_of(tmp_path: Path) -> None:
    outcome, api = Journey(tmp_path, TWO_STEPS).run(ok({"id": "i"}, status=201), ok())
    assert api.seen[0].body == b"{}"
    assert [(event.kind, event.text) for event in outcome.records[0].events] == [
        ("warning", "`inputs.item` has no value")
    ]


def test_a_sensitive_input_is_in_the_request_and_nowhere_else(tmp_path: Path) -> None:
    text = one_step("").replace("url: /x}", 'url: /x, headers: {X-Card: "{{ inputs.card }}"}}')
    outcome, api = Journey(tmp_path, text).run(ok({"echo": "4111-1111-1111"}), row={"card": "4111-1111-1111"})
    assert dict(api.seen[0].headers)["X-Card"] == "4111-1111-1111"
    assert "4111-1111-1111" not in repr(outcome)
    assert outcome.records[0].response_body == b'{"echo": "[sensitive:inputs.card]"}'


def test_a_reason_phrase_that_repeats_a_sensitive_input_is_masked(tmp_path: Path) -> None:
    text = one_step("").replace("url: /x}", 'url: /x, headers: {X-Card: "{{ inputs.card }}"}}')
    answer = msgspec.structs.replace(ok(), reason="got 4111-1111-1111")
    outcome, _ = Journey(tmp_path, text).run(answer, row={"card": "4111-1111-1111"})
    assert outcome.records[0].response_reason == "got [sensitive:inputs.card]"


def _with_a_cookie(on_interrupt: str) -> str:
    text = one_step(f"      on_interrupt: {on_interrupt}\n").replace("  inputs:", "  cookies: true\n  inputs:")
    text = text.replace("url: /x}", 'url: /x, headers: {X-Card: "{{ inputs.card }}"}}')
    return text + "    - id: use\n      request: {service: api, method: GET, url: /use}\n"


_ITS_COOKIE = (("Set-Cookie", "session=4111-1111-1111"), ("Set-Cookie", "theme=dark"))


def test_without_a_key_cookies_are_not_journaled_but_had_back_when_they_are_needed(tmp_path: Path) -> None:
    journey, card = Journey(tmp_path, _with_a_cookie("resend")), {"card": "4111-1111-1111"}
    journey.sealer = None
    answers = iter([True, False])
    with pytest.raises(Suspended):
        journey.run(ok(headers=_ITS_COOKIE), row=card, may_send=lambda: next(answers))
    journaled = b"".join(bytes(data) for data in journey.disk.logs.values())
    assert b"4111-1111-1111" not in journaled and b"[sensitive:inputs.card]" in journaled
    outcome, api = journey.run(ok(headers=_ITS_COOKIE), ok(), row=card, history=journey.history())
    assert [request.url.rsplit("/", 1)[1] for request in api.seen] == ["x", "use"]
    assert dict(api.seen[1].headers)["Cookie"] == "session=4111-1111-1111; theme=dark"
    assert (outcome.result.status, outcome.result.resent_sensitive) == (Status.PASSED, 1)


def test_without_a_key_a_cookie_that_cannot_be_had_again_ends_in_inconclusive(tmp_path: Path) -> None:
    journey, card = Journey(tmp_path, _with_a_cookie("fail")), {"card": "4111-1111-1111"}
    journey.sealer = None
    answers = iter([True, False])
    with pytest.raises(Suspended):
        journey.run(ok(headers=_ITS_COOKIE), row=card, may_send=lambda: next(answers))
    outcome, api = journey.run(row=card, history=journey.history())
    assert api.seen == []
    assert (outcome.result.status, outcome.result.error_code) == (Status.INCONCLUSIVE, "sensitive_value_lost")


@pytest.mark.parametrize(
    ("evidence", "kept"), [(Evidence.FULL, True), (Evidence.FAILURES, False), (Evidence.NONE, False)]
)
def test_evidence_of_a_row_that_passed_is_kept_as_asked(tmp_path: Path, evidence: Evidence, kept: bool) -> None:
    outcome, _ = Journey(tmp_path, one_step(""), evidence=evidence).run(ok({"a": 1}))
    assert (outcome.records[0].response_body is not None) is kept
    assert outcome.records[0].response_body_size == len(b'{"a": 1}')


def test_evidence_of_a_row_that_failed_is_kept_where_failures_are(tmp_path: Path) -> None:
    text = one_step("      assertions: [{type: status_code, expected: 201}]")
    outcome, _ = Journey(tmp_path, text, evidence=Evidence.FAILURES).run(ok({"a": 1}))
    assert outcome.records[0].response_body == b'{"a": 1}'


def test_a_finished_row_is_taken_from_the_journal_and_sends_nothing(tmp_path: Path) -> None:
    journey = Journey(tmp_path, TWO_STEPS)
    first, _ = journey.run(ok({"id": "i-7"}, status=201), ok())
    again, api = journey.run(history=journey.history())
    assert api.seen == [] and again.records == first.records
    assert again.result.resumed and not first.result.resumed
    assert (again.result.status, again.result.requests) == (first.result.status, first.result.requests)


def test_a_closed_fence_suspends_the_row_and_the_intent_counts_for_nothing(tmp_path: Path) -> None:
    journey = Journey(tmp_path, TWO_STEPS)
    with pytest.raises(Suspended):
        journey.run(may_send=lambda: False)
    assert journey.history().steps["make"].in_doubt is None
    outcome, api = journey.run(ok({"id": "i"}, status=201), ok(), history=journey.history())
    assert outcome.result.status is Status.PASSED and outcome.result.resent == 0 and len(api.seen) == 2


def test_a_withheld_value_is_had_back_by_sending_its_step_again_once(tmp_path: Path) -> None:
    text = TWO_STEPS.replace("- id: make\n", "- id: make\n      on_interrupt: resend\n")
    journey = Journey(tmp_path, text)
    answers = iter([True, False])
    with pytest.raises(Suspended):
        journey.run(ok({"id": "i-1"}, status=201), may_send=lambda: next(answers))
    outcome, api = journey.run(ok({"id": "i-2"}, status=201), ok(), history=without_captures(journey.history(), "make"))
    assert [request.url.rsplit("/", 1)[1] for request in api.seen] == ["items", "i-2"]
    assert outcome.result.resent_sensitive == 1 and outcome.result.status is Status.PASSED
    assert [record.resend_reason for record in outcome.records] == [
        ResendReason.NONE,
        ResendReason.SENSITIVE,
        ResendReason.NONE,
    ]


def test_a_withheld_value_that_cannot_be_had_again_makes_the_row_inconclusive(tmp_path: Path) -> None:
    journey = Journey(tmp_path, TWO_STEPS)  # a POST without a key: `on_interrupt: fail`
    answers = iter([True, False])
    with pytest.raises(Suspended):
        journey.run(ok({"id": "i-1"}, status=201), may_send=lambda: next(answers))
    outcome, api = journey.run(history=without_captures(journey.history(), "make"))
    assert api.seen == []
    assert (outcome.result.status, outcome.result.error_code) == (Status.INCONCLUSIVE, "sensitive_value_lost")


def test_what_was_sent_again_is_counted_also_when_another_attempt_finishes_the_row(tmp_path: Path) -> None:
    text = TWO_STEPS.replace("- id: make\n", "- id: make\n      on_interrupt: resend\n")
    journey = Journey(tmp_path, text)

    def die() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journey.run(may_send=die)
    answers = iter([True, False])
    with pytest.raises(Suspended):
        journey.run(ok({"id": "i"}, status=201), history=journey.history(), may_send=lambda: next(answers))
    outcome, api = journey.run(ok(), history=journey.history())
    assert [request.url.rsplit("/", 1)[1] for request in api.seen] == ["i"]
    assert (outcome.result.requests, outcome.result.resent) == (2, 1)


def not_http(shown: bytes) -> TransportFailure:
    message = "the answer of api.example:80 has a header line without a colon"
    return TransportFailure(kind=FailureKind.PROTOCOL, message=message, sent=True, shown=shown)


@pytest.mark.parametrize(
    ("shown", "quoted"),
    [
        (b"X-A : b", "X-A : b"),
        (b"a\r\nb\x00\x1b[2J\xff", "a\\r\\nb\\x00\\x1b[2J\\xff"),
        ("Zoë\u202e".encode(), "Zoë\\u202e"),
        (b"X-Card : 4111-1111-1111", "X-Card : [sensitive:inputs.card]"),
        # Masked before it is cut, so that no part of it is left.
        (b"a" * 110 + b"4111-1111-1111", "a" * 110 + "[sensitiv…"),
    ],
)
def test_a_message_shows_the_bytes_that_it_is_about(tmp_path: Path, shown: bytes, quoted: str) -> None:
    text = one_step("").replace("url: /x}", 'url: /x, headers: {X-Card: "{{ inputs.card }}"}}')
    outcome, _ = Journey(tmp_path, text).run(not_http(shown), row={"card": "4111-1111-1111"})
    assert outcome.result.error_code == "protocol_error"
    assert outcome.result.error_message == f'{not_http(b"").message}: "{quoted}"'
    assert outcome.records[0].error_message == outcome.result.error_message


def test_nothing_is_shown_of_an_answer_that_was_to_bring_something_sensitive(tmp_path: Path) -> None:
    text = one_step("      outputs: [{name: token, path: $.body.token, sensitive: true}]")
    outcome, _ = Journey(tmp_path, text).run(not_http(b'{"token": "t-1"}'))
    assert outcome.result.error_message == not_http(b"").message


KEYED = TWO_STEPS.replace("- id: make\n", "- id: make\n      idempotency: true\n")


def test_what_the_transport_sends_again_counts_in_the_row_as_in_the_step(tmp_path: Path) -> None:
    made = ok({"id": "i"}, status=201)
    outcome, _ = Journey(tmp_path, KEYED).run(made, ok(), late=[made])
    assert (outcome.result.requests, outcome.result.resent) == (3, 1)
    assert [(record.resend_count, record.resend_reason) for record in outcome.records] == [(1, ""), (0, "")]
    assert [event.kind for event in outcome.records[0].events] == ["resend", "warning"]


def test_what_the_transport_sent_again_is_counted_after_a_resume_too(tmp_path: Path) -> None:
    journey = Journey(tmp_path, KEYED)

    def die() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journey.run(may_send=die)
    made, answers = ok({"id": "i"}, status=201), iter([True, False])
    with pytest.raises(Suspended):
        # Its outcome was unknown, and then its connection was closed as well.
        journey.run(made, history=journey.history(), may_send=lambda: next(answers), late=[made])
    outcome, _ = journey.run(ok(), history=journey.history())
    assert (outcome.result.requests, outcome.result.resent) == (3, 2)
    assert (outcome.records[0].resend_count, outcome.records[0].resends) == (2, 1)


@pytest.mark.parametrize(
    ("step", "repeatable"),
    [
        ("method: GET", True), ("method: POST", False), ("method: PATCH", False),
        ("method: POST}\n      idempotency: true\n      x: {", True),
        ("method: POST}\n      idempotency: {header: My-Key}\n      on_interrupt: fail\n      x: {", True),
        ("method: POST}\n      on_interrupt: resend\n      x: {", True),
    ],
)  # fmt: skip
def test_a_request_says_whether_it_may_be_repeated(tmp_path: Path, step: str, repeatable: bool) -> None:
    text = one_step("").replace("method: GET, url: /x}", f"url: /x, {step}}}").replace("\n      x: {}", "")
    _, api = Journey(tmp_path, text).run(ok())
    assert api.seen[0].repeatable is repeatable


def test_a_row_that_changed_between_two_attempts_is_an_error_and_nothing_is_sent(tmp_path: Path) -> None:
    text = TWO_STEPS.replace("- id: make\n", "- id: make\n      on_interrupt: resend\n")
    journey = Journey(tmp_path, text)

    def die() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journey.run(row={"item": "a"}, may_send=die)
    outcome, api = journey.run(row={"item": "b"}, history=journey.history())
    assert api.seen == [] and outcome.result.error_code == "replay_mismatch"


def test_a_step_that_an_overlay_skips_does_not_fail_the_row(tmp_path: Path) -> None:
    text = (
        TWO_STEPS + "---\noverlay: {name: only-read, journey: two, steps: {make: {skip: true}, read: {skip: true}}}\n"
    )
    outcome, api = Journey(tmp_path, text).run()
    assert api.seen == [] and outcome.result.status is Status.PASSED
    assert {record.error_code for record in outcome.records} == {"skipped_by_overlay"}


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind.is_of_this_machine])
def test_what_this_machine_lacks_ends_no_row_and_leaves_word_that_nothing_was_sent(
    tmp_path: Path, kind: FailureKind
) -> None:
    journey = Journey(tmp_path, TWO_STEPS)
    with pytest.raises(ReqfloError, match="no room") as given_up:
        journey.run(TransportFailure(kind=kind, message="no room", sent=False))
    assert given_up.value.code == kind.value and given_up.value.exit_code == 3
    assert journey.history().steps["make"].in_doubt is None
    outcome, api = journey.run(ok({"id": "i-7"}, status=201), ok(), history=journey.history())
    assert outcome.result.status is Status.PASSED and len(api.seen) == 2


def test_what_this_machine_lacks_after_a_redirect_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    journey = Journey(tmp_path, TWO_STEPS)
    with pytest.raises(ReqfloError):
        journey.run(TransportFailure(kind=FailureKind.NO_DESCRIPTOR, message="no room", sent=True))
    assert journey.history().steps["make"].in_doubt is not None
