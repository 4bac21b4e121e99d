"""Reads values from responses: the outputs that a step declares, and the captures that later steps read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reqflo_ray._internal.engine.responses.response import ResponseView
from reqflo_ray._internal.engine.values.jsonpath import PathError, compile_path
from reqflo_ray._internal.engine.values.jsonpath_query import walk
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.artifact import Capture, CaptureRoot, Output
from reqflo_ray._internal.model.http.headers import readable
from reqflo_ray._internal.model.json_text import NotJson
from reqflo_ray._internal.model.values import UNSET, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedOutput:
    """An output, compiled. `take` returns its value or `UNSET`; it raises `NotJson` and `PathError`."""

    source: Output
    label: str
    take: Callable[[ResponseView], JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCapture:
    """A capture, compiled. `take` returns its value from a response and the step's outputs, or `UNSET`."""

    source: Capture
    take: Callable[[ResponseView, Mapping[str, JsonValue]], JsonValue]


def prepare_output(output: Output, step_id: str, *, exact: bool = False) -> PreparedOutput:
    """Compile `output` of step `step_id`. `exact`: a header that is not UTF-8 keeps its bytes, because
    another header will contain it; otherwise it is readable text.

    Raises:
        DefinitionError: its path cannot be used.
    """
    return PreparedOutput(
        source=output, label=f"steps.{step_id}.outputs.{output.name}", take=_output_taker(output, step_id, exact)
    )


def prepare_capture(capture: Capture, *, exact: bool = False) -> PreparedCapture:
    """Compile `capture`; `exact` is that of `prepare_output`."""
    path = capture.path
    match capture.root:
        case CaptureRoot.STATUS:
            return PreparedCapture(source=capture, take=lambda view, _: view.response.status)
        case CaptureRoot.HEADERS:
            name = str(path[0]).lower()
            return PreparedCapture(source=capture, take=lambda view, _: _first(view.header(name), exact))
        case CaptureRoot.OUTPUTS:
            return PreparedCapture(source=capture, take=lambda _, outputs: walk(outputs, path))
        case CaptureRoot.BODY:
            return PreparedCapture(source=capture, take=lambda view, _: _in_body(view, path))


def _output_taker(output: Output, step_id: str, exact: bool) -> Callable[[ResponseView], JsonValue]:
    match output.root:
        case CaptureRoot.STATUS:
            return lambda view: view.response.status
        case CaptureRoot.HEADERS:
            name = output.path.lower()
            return lambda view: _first(view.header(name), exact)
        case CaptureRoot.BODY:
            if output.path in ("", "$"):
                return _whole_body
            try:
                path = compile_path(output.path)
            except PathError as problem:
                raise DefinitionError(
                    f"output `{output.name}` of step `{step_id}` cannot be used: {problem}", code="invalid_output"
                ) from None
            if path.singular:
                return lambda view: path.first(view.json(), view.work)
            return lambda view: path.find(view.json(), view.work) or UNSET
        case CaptureRoot.OUTPUTS:
            raise DefinitionError(
                f"output `{output.name}` of step `{step_id}` must come from `body`, `headers`, or `status`",
                code="invalid_output",
            )


def _first(values: list[str], exact: bool) -> JsonValue:
    if not values:
        return UNSET
    return values[0] if exact else readable(values[0])


def _whole_body(view: ResponseView) -> JsonValue:
    """Return the document, or the text of a body that is not JSON."""
    try:
        return view.json()
    except NotJson:
        return view.text() if view.response.body else UNSET


def _in_body(view: ResponseView, path: tuple[str | int, ...]) -> JsonValue:
    if not path:
        return _whole_body(view)
    try:
        return walk(view.json(), path)
    except NotJson:
        return UNSET
