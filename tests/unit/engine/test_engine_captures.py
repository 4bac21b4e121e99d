"""Outputs and captures: what a step takes from its answer for later steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.program import prepare
from reqflo_ray._internal.engine.responses.response import ResponseView
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Assertion,
    AssertionType,
    Body,
    BodyKind,
    Capture,
    CaptureRoot,
    HttpStep,
    JourneyIdentity,
    Output,
    RequestTemplate,
    SetVariableStep,
    Variable,
)
from reqflo_ray._internal.model.http.exchange import Exchange, Timings
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import Literal, Namespace, Node, Reference, StepReference, Text

MakeStep = Callable[..., HttpStep]
Answer = Callable[..., Exchange]
MakeScope = Callable[..., Scope]


def output(name: str, root: CaptureRoot, path: str = "", **fields: Any) -> Output:
    return Output(name=name, root=root, path=path, **fields)


def test_outputs_come_from_body_headers_and_status(judged: Callable[..., Judgement], answer: Answer) -> None:
    verdict = judged(
        answer(201, '{"a": {"b": null}, "l": [1, 2]}', headers=(("X-Id", "one"), ("x-id", "two"))),
        outputs=(
            output("null", CaptureRoot.BODY, "$.a.b"),
            output("all", CaptureRoot.BODY, "$.l[*]"),
            output("whole", CaptureRoot.BODY, "$"),
            output("id", CaptureRoot.HEADERS, "x-ID"),
            output("status", CaptureRoot.STATUS),
        ),
    )
    assert verdict.outputs == {
        "null": None, "all": [1, 2], "whole": {"a": {"b": None}, "l": [1, 2]}, "id": "one", "status": 201,
    }  # fmt: skip


def test_the_whole_of_a_body_that_is_no_json_is_its_text(judged: Callable[..., Judgement], answer: Answer) -> None:
    whole = (output("whole", CaptureRoot.BODY, "$"),)
    assert judged(answer(body="pong"), outputs=whole).outputs == {"whole": "pong"}
    assert judged(answer(body=""), outputs=whole).error_code == "output_missing"


@pytest.mark.parametrize(
    ("root", "path"),
    [(CaptureRoot.BODY, "$.none"), (CaptureRoot.BODY, "$.l[*].x"), (CaptureRoot.HEADERS, "x-none")],
)
def test_an_output_that_is_not_there_is_an_error_unless_it_is_not_required(
    judged: Callable[..., Judgement], answer: Answer, root: CaptureRoot, path: str
) -> None:
    exchange = answer(body='{"l": []}')
    verdict = judged(exchange, outputs=(output("o", root, path),))
    assert (verdict.status, verdict.error_code) == (Status.ERROR, "output_missing")
    assert "`o`" in verdict.error_message and path in verdict.error_message
    optional = judged(exchange, outputs=(output("o", root, path, required=False), output("s", CaptureRoot.STATUS)))
    assert (optional.status, optional.outputs) == (Status.PASSED, {"s": 200})


def test_an_output_of_a_body_that_is_no_json_is_an_error(judged: Callable[..., Judgement], answer: Answer) -> None:
    verdict = judged(answer(body="<a>"), outputs=(output("o", CaptureRoot.BODY, "$.a"),))
    assert (verdict.status, verdict.error_code) == (Status.ERROR, "not_json")


def test_a_failed_step_has_no_outputs_and_its_sensitive_ones_are_known_for_masking(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer
) -> None:
    step = make_step(
        assertions=(Assertion(type=AssertionType.STATUS_CODE, expected=Literal(201)),),
        outputs=(output("pin", CaptureRoot.BODY, "$.pin", sensitive=True), output("x", CaptureRoot.BODY, "$.none")),
        captures=(Capture(key="body.pin", root=CaptureRoot.BODY, path=("pin",)),),
    )
    scope = make_scope(step)
    verdict = judge(scope.program.steps[0], answer(200, '{"pin": {"code": 90210}}'), scope, Work())
    assert (verdict.status, verdict.outputs, verdict.captures) == (Status.FAILED, {}, {})
    assert scope.take_sensitive() == [("steps.s.outputs.pin.code", "90210")]


def test_captures_hold_what_later_steps_read_and_leave_out_what_is_unset(
    judged: Callable[..., Judgement], answer: Answer
) -> None:
    def capture(key: str, root: CaptureRoot, *path: str | int) -> Capture:
        return Capture(key=key, root=root, path=path)

    verdict = judged(
        answer(200, '{"a": [{"b": null}]}', headers=(("X-Id", "7"),)),
        outputs=(output("first", CaptureRoot.BODY, "$.a[0]"),),
        captures=(
            capture("body.a.0.b", CaptureRoot.BODY, "a", 0, "b"),
            capture("body.z", CaptureRoot.BODY, "z"),
            capture("outputs.first.b", CaptureRoot.OUTPUTS, "first", "b"),
            capture("headers.x-id", CaptureRoot.HEADERS, "x-id"),
            capture("headers.no", CaptureRoot.HEADERS, "no"),
            capture("status", CaptureRoot.STATUS),
        ),
    )
    assert verdict.captures == {"body.a.0.b": None, "outputs.first.b": None, "headers.x-id": "7", "status": 200}


def test_a_part_of_a_sensitive_output_is_captured_and_shown_to_nobody(
    judged: Callable[..., Judgement], answer: Answer
) -> None:
    verdict = judged(
        answer(200, '{"card": {"number": "4111"}}'),
        outputs=(output("card", CaptureRoot.BODY, "$.card", sensitive=True),),
        captures=(Capture(key="outputs.card.number", root=CaptureRoot.OUTPUTS, path=("card", "number")),),
    )
    assert verdict.captures == {"outputs.card.number": "4111"}
    assert "4111" not in str(verdict.outputs)


def test_a_body_capture_of_a_body_that_is_no_json_is_unset(judged: Callable[..., Judgement], answer: Answer) -> None:
    captures = (Capture(key="body.a", root=CaptureRoot.BODY, path=("a",)),)
    assert judged(answer(body="<a>"), captures=captures).captures == {}


@pytest.mark.parametrize(
    "broken", [{"root": CaptureRoot.BODY, "path": "$["}, {"root": CaptureRoot.OUTPUTS, "path": "x"}]
)
def test_an_output_that_cannot_be_taken_is_refused_when_the_program_is_made(
    judged: Callable[..., Judgement], answer: Answer, broken: dict[str, Any]
) -> None:
    with pytest.raises(DefinitionError, match="output `o` of step `s`"):
        judged(answer(), outputs=(Output(name="o", **broken),))


def test_an_output_path_that_cannot_be_evaluated_is_an_error(judged: Callable[..., Judgement], answer: Answer) -> None:
    verdict = judged(answer(body="[" * 300 + "]" * 300), outputs=(output("o", CaptureRoot.BODY, "$..a"),))
    assert (verdict.status, verdict.error_code) == (Status.ERROR, "output_missing")


LATIN = (("X-Name", "caf\udce9"),)


def _steps(**later: Any) -> Artifact:
    """A step that takes a header as an output and by itself, and one that uses both."""
    first = HttpStep(
        id="a",
        request=RequestTemplate(method="GET", service="shop-api", path=("/x",)),
        outputs=(Output(name="n", root=CaptureRoot.HEADERS, path="X-Name"),),
        captures=(
            Capture(key="outputs.n", root=CaptureRoot.OUTPUTS, path=("n",)),
            Capture(key="headers.x-name", root=CaptureRoot.HEADERS, path=("x-name",)),
        ),
    )
    second = HttpStep(id="b", request=RequestTemplate(method="POST", service="shop-api", path=("/x",), **later))
    assign = SetVariableStep(id="v", values=(("kept", StepReference("a", "outputs.n")),))
    return Artifact(
        journey=JourneyIdentity(name="j"), variables=(Variable(name="kept"),), steps=(first, assign, second)
    )


@pytest.mark.parametrize(
    ("header", "output", "capture"),
    [
        (StepReference("a", "outputs.n"), "caf\udce9", "café"),
        (StepReference("a", "headers.x-name"), "café", "caf\udce9"),
        (Text(("n=", Reference(Namespace.VARIABLES, "kept"))), "caf\udce9", "café"),
        (Literal("fixed"), "café", "café"),
    ],
)
def test_a_header_that_is_no_utf_8_keeps_its_bytes_where_a_header_needs_them(
    run_record: Callable[..., RunRecord], answer: Answer, header: Node, output: str, capture: str
) -> None:
    artifact = _steps(
        headers=(("X-Back", header),), body=Body(kind=BodyKind.JSON, value=StepReference("a", "outputs.n"))
    )
    step = prepare(artifact, run_record()).steps[0]
    response = answer(headers=LATIN).response
    assert response is not None
    view = ResponseView(response, Timings(total_ms=1.0), Work(1000))
    outputs = {"n": step.outputs[0].take(view)}
    assert outputs == {"n": output}
    assert [taken.take(view, outputs) for taken in step.captures] == [output, capture]
