"""Judges the response to a step: status, results of assertions, outputs, and captures.

It must not know time, retries, or evidence: the same step, exchange, values, and work give the same result everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.responses.assertions import assess
from reqflo_ray._internal.engine.responses.captures import PreparedOutput
from reqflo_ray._internal.engine.responses.response import ResponseView
from reqflo_ray._internal.engine.scope import mask
from reqflo_ray._internal.engine.values.expressions import Values
from reqflo_ray._internal.engine.values.jsonpath import PathError
from reqflo_ray._internal.engine.values.work import Unjudged, Work
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.http.exchange import Exchange, TransportFailure
from reqflo_ray._internal.model.json_text import NotJson
from reqflo_ray._internal.model.results import AssertionResult, Status
from reqflo_ray._internal.model.values import UNSET, JsonValue

# As JSON, in bytes. Values are kept, masked, journaled, and sent again; an answer may be 32 times as large.
LARGEST_VALUE: Final = 2**20

_NONE: Final[Mapping[str, JsonValue]] = MappingProxyType({})


class RowValues(Values, Protocol):
    """The values of a row, and the note of which of them are sensitive."""

    def keep_secret(self, label: str, value: JsonValue) -> None:
        """Note that `value` must not be shown anywhere."""
        ...


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended.

    `outputs` are for people, sensitive ones masked; `captures` are the real values that later steps read, by capture
    key. Both are empty unless the status is `passed`. If a condition of a poll does not hold yet, the status is
    `waiting`, the message says why, and `assertions` are the conditions alone. `warnings` are sentences for the row's
    log. Texts may quote what the API answered; the caller masks them.
    """

    status: Status
    error_code: str = ""
    error_message: str = ""
    assertions: tuple[AssertionResult, ...] = ()
    outputs: Mapping[str, JsonValue] = _NONE
    captures: Mapping[str, JsonValue] = _NONE
    warnings: tuple[str, ...] = ()


def judge(step: PreparedStep, exchange: Exchange, scope: RowValues, work: Work) -> Judgement:
    """Judge `exchange` as an attempt of `step`, and note sensitive outputs in `scope` whatever the status is.

    Raises:
        Unjudged: it takes more than `work`, or a value is too large to be kept. What is sensitive in the answer is then
            unknown.
    """
    if exchange.response is None:
        return _of_failure(exchange.failure)
    view = ResponseView(exchange.response, exchange.timings, work)
    conditions = tuple([assess(prepared, view, scope) for prepared in step.until])
    unmet = [condition for condition in conditions if condition.status is Status.FAILED]
    if unmet:
        _take_outputs(step, view, scope)  # to know which of them are sensitive
        message = _first_of([condition.message for condition in unmet])
        warnings = tuple(view.warnings)
        return Judgement(status=Status.WAITING, error_message=message, assertions=conditions, warnings=warnings)
    assertions = tuple([assess(prepared, view, scope) for prepared in step.assertions])
    judgement = _judged(step, exchange.response.status, view, scope, (*conditions, *assertions))
    return msgspec.structs.replace(judgement, warnings=tuple(view.warnings)) if view.warnings else judgement


def _judged(
    step: PreparedStep, status: int, view: ResponseView, scope: RowValues, assertions: tuple[AssertionResult, ...]
) -> Judgement:
    outputs, missing = _take_outputs(step, view, scope)
    if status >= 500 and not step.expects_status:
        return Judgement(
            status=Status.ERROR,
            error_code="server_error",
            error_message=f"the server answered {status}, and no assertion expects a status",
            assertions=assertions,
        )
    failed = [result for result in assertions if result.status is Status.FAILED and not result.soft]
    if failed:
        return Judgement(
            status=Status.FAILED,
            error_code="assertion_failed",
            error_message=_first_of([result.message for result in failed]),
            assertions=assertions,
        )
    if missing is not None:
        code, message = missing
        return Judgement(status=Status.ERROR, error_code=code, error_message=message, assertions=assertions)
    return _of_success(step, view, outputs, assertions)


def _first_of(messages: list[str]) -> str:
    return messages[0] + (f" (and {len(messages) - 1} more)" if len(messages) > 1 else "")


def _of_failure(failure: TransportFailure | None) -> Judgement:
    if failure is None:
        return Judgement(status=Status.ERROR, error_code="protocol_error", error_message="there is no response")
    return Judgement(status=Status.ERROR, error_code=failure.kind.value, error_message=failure.message)


def _of_success(
    step: PreparedStep,
    view: ResponseView,
    outputs: dict[str, JsonValue],
    assertions: tuple[AssertionResult, ...],
) -> Judgement:
    captures = {}
    for capture in step.captures:
        try:
            value = _kept(capture.take(view, outputs), view.work)
        except Unjudged as limit:
            raise limit.of(f"`{capture.source.key}`") from None
        if value is not UNSET:
            captures[capture.source.key] = value
    shown: Mapping[str, JsonValue] = outputs
    hidden = {output.source.name: output.label for output in step.outputs if output.source.sensitive}
    if hidden:
        shown = {name: mask(hidden[name]) if name in hidden else value for name, value in outputs.items()}
    return Judgement(
        status=Status.PASSED,
        assertions=assertions,
        outputs=shown,
        captures=captures,
    )


def _take_outputs(
    step: PreparedStep, view: ResponseView, scope: RowValues
) -> tuple[dict[str, JsonValue], tuple[str, str] | None]:
    """Return the outputs that exist, and the code and text of the first problem. A sensitive value must be known for
    masking even when the step has failed, because the response that contains it becomes evidence."""
    outputs: dict[str, JsonValue] = {}
    first_problem: tuple[str, str] | None = None
    for output, value, problem in _each_output(step, view):
        if value is not UNSET:
            outputs[output.source.name] = value
            if output.source.sensitive:
                scope.keep_secret(output.label, value)
        elif output.source.required and first_problem is None:
            first_problem = problem
    return outputs, first_problem


def _each_output(step: PreparedStep, view: ResponseView) -> Iterator[tuple[PreparedOutput, JsonValue, tuple[str, str]]]:
    for output in step.outputs:
        name, path, code = output.source.name, output.source.path, "output_missing"
        try:
            problem = (code, f"output `{name}`: {output.source.root} `{path}` is not in the response")
            yield output, _kept(output.take(view), view.work), problem
        except Unjudged as limit:
            raise limit.of(f"output `{name}`") from None
        except NotJson as reason:
            code = "not_json"
            yield output, UNSET, (code, f"output `{name}`: the body is not JSON: {reason}")
        except PathError as reason:
            yield output, UNSET, (code, f"output `{name}`: {reason}")


def _kept(value: JsonValue, work: Work) -> JsonValue:
    """Return `value`, unless it is too large to be kept."""
    if isinstance(value, str):
        size = len(value)
    elif isinstance(value, dict | list):
        work.weigh(value)
        size = len(json_text.encode_exactly(value))
    else:
        size = len(str(value)) if isinstance(value, Decimal) else 0
    if size > LARGEST_VALUE:
        raise Unjudged(
            "value_too_large", f"the value is larger than {LARGEST_VALUE:,} bytes, the limit for kept values"
        )
    return value
