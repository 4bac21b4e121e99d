"""What is told of a row when it has ended: what did not pass first, its cause, soft failures, whether it was flaky."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Journey, ok, one_step, refused

from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportFailure, TransportResponse
from reqflo_ray._internal.model.results import RowResult, Status
from reqflo_ray._internal.runner.execute.row.context import Suspended

ANOTHER = """
    - id: then
      request: {service: api, method: GET, url: /y}
      assertions: [{type: status_code, expected: 200}]
"""
EXPECTS_201 = "      assertions: [{type: status_code, expected: 201}]"


def test_the_failed_step_is_the_first_that_did_not_pass_whatever_came_later(tmp_path: Path) -> None:
    outcome, _ = Journey(tmp_path, one_step(EXPECTS_201) + ANOTHER).run(ok(), refused())
    result = outcome.result
    assert (result.status, result.failed_step, result.error_code) == (Status.ERROR, "get", "assertion_failed")
    assert result.error_message == "status is 200, expected 201"


def test_an_outcome_that_is_unknown_makes_a_row_inconclusive_also_after_a_failure(tmp_path: Path) -> None:
    journey = Journey(tmp_path, one_step(EXPECTS_201) + ANOTHER.replace("GET", "POST"))
    lost = TransportFailure(kind=FailureKind.NO_DESCRIPTOR, message="no room", sent=True)
    with pytest.raises(ReqfloError):
        journey.run(ok(), lost)
    outcome, _ = journey.run(history=journey.history())
    assert (outcome.result.status, outcome.result.failed_step) == (Status.INCONCLUSIVE, "get")


def test_failed_soft_assertions_are_counted_of_last_attempts_only(tmp_path: Path) -> None:
    text = one_step(
        "      retry: {count: 3, delay: 1ms, causes: [failed]}\n"
        "      assertions:\n"
        "        - {type: status_code, expected: 201}\n"
        "        - {type: json_path, path: $.a, operator: exists, soft: true}\n"
        "        - {type: json_path, path: $.b, operator: exists, soft: true}\n"
    )
    outcome, _ = Journey(tmp_path, text).run(ok({}), ok({"a": 1}, status=201))
    assert (outcome.result.status, outcome.result.soft_failures) == (Status.PASSED, 1)
    outcome, _ = Journey(tmp_path, text).run(ok({}))
    assert (outcome.result.status, outcome.result.soft_failures) == (Status.FAILED, 2)


@pytest.mark.parametrize("label", ["", "      flaky: true\n"])
def test_a_row_that_passed_only_when_a_step_was_tried_again_is_flaky(tmp_path: Path, label: str) -> None:
    text = one_step(label + "      retry: {count: 1, delay: 1ms}")
    outcome, _ = Journey(tmp_path, text).run(refused(), ok())
    assert told(outcome.result) == (Status.PASSED, True, bool(label))
    outcome, _ = Journey(tmp_path, text).run(ok())
    assert told(outcome.result) == (Status.PASSED, False, False)
    outcome, _ = Journey(tmp_path, text).run(refused())
    assert told(outcome.result) == (Status.ERROR, False, bool(label))


def test_a_label_of_another_step_does_not_excuse_a_row(tmp_path: Path) -> None:
    text = one_step("      retry: {count: 1, delay: 1ms}") + ANOTHER.rstrip() + "\n      flaky: true\n"
    outcome, _ = Journey(tmp_path, text).run(refused(), ok())
    assert told(outcome.result) == (Status.PASSED, True, False)
    outcome, _ = Journey(tmp_path, text).run(refused())
    assert told(outcome.result) == (Status.ERROR, False, False)


def test_a_row_that_waited_in_a_poll_is_not_flaky(tmp_path: Path) -> None:
    text = one_step(
        "      flaky: true\n"
        "      poll: {interval: 1s, timeout: 9s, until: [{type: json_path, path: $.a, operator: exists}]}"
    )
    outcome, _ = Journey(tmp_path, text).run(ok({}), ok({"a": 1}))
    assert told(outcome.result) == (Status.PASSED, False, False)


def test_a_row_that_was_interrupted_while_it_was_tried_again_is_flaky(tmp_path: Path) -> None:
    journey = Journey(tmp_path, one_step("      flaky: true\n      retry: {count: 2, delay: 1ms}"))
    answers = iter([True, False])
    with pytest.raises(Suspended):
        journey.run(refused(), may_send=lambda: next(answers))
    outcome, _ = journey.run(ok(), history=journey.history())
    assert told(outcome.result) == (Status.PASSED, True, True)


def told(result: RowResult) -> tuple[Status, bool, bool]:
    return result.status, result.flaky, result.known_flaky


CAUSES = """\
      assertions:
        - {type: status_code, expected: 200}
        - {type: json_path, path: $.customer, operator: equals, expected: "{{ inputs.item }}"}
        - {type: json_path, path: $.total, operator: greater_than, expected: 0}
"""


def cause(tmp_path: Path, *answers: TransportResponse | TransportFailure, item: str = "c-1", text: str = CAUSES) -> str:
    outcome, _ = Journey(tmp_path, one_step(text)).run(*answers, row={"item": item})
    assert bool(outcome.result.fingerprint) is (outcome.result.status is not Status.PASSED)
    return outcome.result.fingerprint


def test_rows_that_failed_alike_have_one_fingerprint(tmp_path: Path) -> None:
    one = cause(tmp_path, ok({"customer": "c-7", "total": 1}))
    assert one == cause(tmp_path, ok({"customer": "c-8", "total": 1}), item="c-2")
    assert one == cause(tmp_path, ok({"customer": "c-8", "total": -1}), item="c-2"), "the first failure is the cause"


def test_rows_that_failed_differently_have_fingerprints_of_their_own(tmp_path: Path) -> None:
    found = [
        cause(tmp_path, ok({"customer": "c-7", "total": 1})),
        cause(tmp_path, ok({"customer": None, "total": 1})),
        cause(tmp_path, ok({"total": 1})),
        cause(tmp_path, ok({"customer": "c-1", "total": 0})),
        cause(tmp_path, ok({}, status=503)),
        cause(tmp_path, ok({}, status=404)),
        cause(tmp_path, refused()),
    ]
    assert len(set(found)) == len(found)


def test_a_row_that_passed_has_no_fingerprint(tmp_path: Path) -> None:
    assert cause(tmp_path, ok({"customer": "c-1", "total": 1})) == ""


def test_a_soft_failure_is_never_the_cause(tmp_path: Path) -> None:
    soft = "        - {type: json_path, path: $.x, operator: exists, soft: true}\n"
    with_soft = CAUSES.replace("assertions:\n", "assertions:\n" + soft)
    answer = ok({"customer": "c-7", "total": 1})
    assert cause(tmp_path, answer, text=with_soft) == cause(tmp_path, answer)


def test_a_secret_has_no_part_in_a_fingerprint(tmp_path: Path) -> None:
    text = "      assertions: [{type: header, name: x-card, operator: equals, expected: '{{ inputs.card }}'}]"
    found = set()
    for card in ("4111-abc", "4222-xyz"):
        outcome, _ = Journey(tmp_path, one_step(text)).run(ok({"a": card}), row={"card": card})
        found.add(outcome.result.fingerprint)
    assert len(found) == 1
