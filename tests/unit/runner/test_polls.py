"""Rounds of a poll: what they are told as, what is counted, and how a poll goes on after an interruption."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest
from scripted import Journey, ok, one_step, refused

from reqflo_ray._internal.journal.replay import RowHistory
from reqflo_ray._internal.model.artifact import AssertionOrigin, AssertionType, Operator
from reqflo_ray._internal.model.results import AssertionResult, Status
from reqflo_ray._internal.runner.execute.row.context import Suspended

POLL = """\
      poll: {interval: 1s, timeout: 10s,
             until: [{type: json_path, path: $.state, operator: equals, expected: done}]}"""
DONE = {"state": "done"}


def test_a_round_in_which_a_poll_waits_is_no_failure_and_no_retry(tmp_path: Path) -> None:
    text = one_step(POLL + "\n      assertions: [{type: json_path, path: $.state, operator: equals, expected: done}]")
    outcome, _ = Journey(tmp_path, text).run(ok({"state": "new"}), refused(), ok(DONE))
    assert [record.status for record in outcome.records] == [Status.WAITING, Status.WAITING, Status.PASSED]
    assert [len(record.assertions) for record in outcome.records] == [0, 0, 2]
    assert [record.error_code + record.error_message for record in outcome.records] == ["", "", ""]
    assert [event.text for record in outcome.records for event in record.events if event.kind == "poll"] == [
        '`$.state` is "new", expected "done"; next round in 1000 ms',
        "the connection was refused; next round in 1000 ms",
    ]
    assert (outcome.result.requests, outcome.result.retries) == (3, 0)


def test_a_poll_that_failed_says_what_it_waited_for_and_what_it_saw_last(tmp_path: Path) -> None:
    outcome, api = Journey(tmp_path, one_step(POLL.replace("10s", "3s"))).run(ok({"state": "new"}), ok({"state": "x"}))
    *rounds, last = outcome.records
    assert len(rounds) == len(api.seen) - 1 and {record.status for record in rounds} == {Status.WAITING}
    assert [assertion.status for assertion in last.assertions] == [Status.FAILED]
    assert (
        outcome.result.error_message
        == last.error_message
        == (f'the condition did not hold within 3000 ms ({len(api.seen)} requests): `$.state` is "x", expected "done"')
    )


def test_a_poll_for_which_the_row_has_no_time_says_so(tmp_path: Path) -> None:
    outcome, api = Journey(tmp_path, one_step(POLL), row_timeout_ms=900).run(ok({"state": "new"}))
    assert len(api.seen) == 1 and outcome.result.error_code == "poll_timeout"
    assert outcome.result.error_message == (
        'the condition did not hold within the time limit of the row (1 request): `$.state` is "new", expected "done"'
    )


def test_a_poll_whose_last_request_was_not_answered_tells_what_was_seen_before(tmp_path: Path) -> None:
    outcome, _ = Journey(tmp_path, one_step(POLL.replace("10s", "3s"))).run(ok({"state": "new"}), refused())
    assert outcome.result.error_message.endswith(
        ': `$.state` is "new", expected "done"; then there was no answer: the connection was refused'
    )


def test_a_poll_that_ended_in_vain_is_one_cause_however_its_last_round_ended(tmp_path: Path) -> None:
    journey = Journey(tmp_path, one_step(POLL.replace("10s", "3s")))
    ends = [journey.run(ok({"state": "new"}))[0], journey.run(ok({"state": "new"}), refused())[0]]
    assert [len(end.records[-1].assertions) for end in ends] == [1, 0]
    assert len({end.result.fingerprint for end in ends}) == 1


def interrupted(journey: Journey) -> RowHistory:
    """What is journaled of a poll that was stopped after its first round."""
    answers = iter([True, False])
    with pytest.raises(Suspended):
        journey.run(ok({"state": "new"}), may_send=lambda: next(answers))
    return journey.history()


def as_version_0_1_0_journaled(history: RowHistory) -> RowHistory:
    """The same with the round as a failed attempt, all assertions judged."""
    failed = AssertionResult(
        AssertionType.JSON_PATH,
        "$.state",
        Operator.EQUALS,
        '"done"',
        '"new"',
        Status.FAILED,
        soft=False,
        origin=AssertionOrigin.STEP,
        id="",
        message="it is new",
    )
    (step, past), *_ = history.steps.items()
    [done] = past.completions
    assert done.record is not None and done.status is Status.WAITING
    record = msgspec.structs.replace(
        done.record,
        status=Status.FAILED,
        error_code="assertion_failed",
        error_message="it is new",
        assertions=(failed, failed),
        events=(),
    )
    older = msgspec.structs.replace(done, status=Status.FAILED, error_code="assertion_failed", record=record)
    return dataclasses.replace(history, steps={step: dataclasses.replace(past, completions=(older,))})


@pytest.mark.parametrize("of_earlier_version", [False, True])
def test_a_poll_that_was_interrupted_goes_on_and_its_rounds_stay_rounds(
    tmp_path: Path, of_earlier_version: bool
) -> None:
    journey = Journey(tmp_path, one_step(POLL))
    history = interrupted(journey)
    if of_earlier_version:
        history = as_version_0_1_0_journaled(history)
    outcome, api = journey.run(ok(DONE), history=history)
    assert len(api.seen) == 1
    first, second = outcome.records
    assert (first.status, first.error_code, first.error_message, first.assertions) == (Status.WAITING, "", "", ())
    assert first.events[-1].text.startswith("it is new" if of_earlier_version else '`$.state` is "new", expected')
    assert (second.attempt, second.status) == (2, Status.PASSED)
    assert (outcome.result.status, outcome.result.requests, outcome.result.retries) == (Status.PASSED, 2, 0)


def test_a_step_that_is_tried_again_is_still_a_failure_first(tmp_path: Path) -> None:
    outcome, _ = Journey(tmp_path, one_step("      retry: {count: 1, delay: 1ms}")).run(refused(), ok())
    assert [record.status for record in outcome.records] == [Status.ERROR, Status.PASSED]
    assert outcome.result.retries == 1
