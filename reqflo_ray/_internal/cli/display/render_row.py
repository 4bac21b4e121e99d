"""Renders one row: its status, then every attempt of its steps with request, response, assertions, and events.

It works on columns of the views `results` and `steps`. All of them come from outside, so all of them are escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from reqflo_ray._internal.cli.display.json_text import as_json_value, encode_json
from reqflo_ray._internal.cli.display.terminal import escape, shorten
from reqflo_ray._internal.cli.display.wording import counted
from reqflo_ray._internal.model import json_text

# Puts a text in a style, if the stream that it is written to shows styles.
Paint: TypeAlias = Callable[[str, str], str]

_SHOWN_BODY_LINES: Final = 40
_SHOWN_ATTEMPTS: Final = 100
_SHOWN_ASSERTIONS: Final = 50
_LONGEST_LINE: Final = 500
# Attempts with these statuses are shown on one line: a poll round that waits is not a failure.
_UNREMARKABLE: Final = ("passed", "skipped", "waiting")
_STYLES: Final = {
    "passed": "green",
    "failed": "bold red",
    "error": "bold red",
    "inconclusive": "bold yellow",
    "skipped": "dim",
    "cancelled": "dim",
}


def render_row(
    result: Mapping[str, Any],
    steps: Iterable[Mapping[str, Any]],
    paint: Paint,
    *,
    not_reached: Iterable[str] = (),
    full: bool = False,
) -> Iterator[str]:
    """Yield the lines of a row. Without `full`, long lines and long bodies are cut, and marked so."""
    yield from _verdict(result, paint)
    for step in steps:
        yield ""
        yield from _step(step, paint, full=full)
    for name in not_reached:
        yield ""
        yield _never_reached(name, paint)


def render_steps(steps: Sequence[Mapping[str, Any]], paint: Paint, *, not_reached: Sequence[str] = ()) -> Iterator[str]:
    """Yield each step with its assertions: a step that passed on a few lines, another one with its exchange."""
    for step in steps[:_SHOWN_ATTEMPTS]:
        yield _title(step, paint) + _in_short(step)
        yield from _error(step, "  ")
        if step["status"] not in _UNREMARKABLE:
            yield from _request(step, full=False)
            yield from _response(step, full=False)
        assertions = step.get("assertions") or ()
        yield from _assertions(assertions[:_SHOWN_ASSERTIONS], paint)
        if len(assertions) > _SHOWN_ASSERTIONS:
            yield f"    … and {len(assertions) - _SHOWN_ASSERTIONS} more assertions"
        if step["status"] not in _UNREMARKABLE:
            yield from _events(step.get("events") or ())
    if len(steps) > _SHOWN_ATTEMPTS:
        yield f"… and {len(steps) - _SHOWN_ATTEMPTS} more attempts of steps"
    for name in not_reached[:_SHOWN_ATTEMPTS]:
        yield _never_reached(name, paint)


def _verdict(result: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    key = f" ({escape(str(result['row_key']))})" if result.get("row_key") else ""
    resumed = "  resumed" if result.get("resumed") else ""
    yield f"row {result['row_index']}{key}: {_status(result['status'], paint)}{_took(result)}{resumed}"
    yield from _error(result, "  ")
    inputs = result.get("inputs")
    if inputs and inputs != "{}":
        yield f"  inputs: {_line(_json_text(inputs))}"


def _step(step: Mapping[str, Any], paint: Paint, *, full: bool) -> Iterator[str]:
    yield _title(step, paint, every_attempt=True)
    yield from _error(step, "  ")
    yield from _request(step, full=full)
    yield from _response(step, full=full)
    yield from _assertions(step.get("assertions") or (), paint)
    yield from _outputs(step.get("outputs"))
    yield from _events(step.get("events") or ())


def _title(step: Mapping[str, Any], paint: Paint, *, every_attempt: bool = False) -> str:
    title = f"step {escape(str(step['step_id']))}"
    number = step.get("attempt") or 0
    attempt = f"  attempt {number}" if number > 1 or (number and every_attempt) else ""
    resumed = "  resumed" if step.get("resumed") else ""
    known = "  known flaky" if step.get("known_flaky") and step["status"] not in _UNREMARKABLE else ""
    return f"{paint(title, 'bold')}: {_status(step['status'], paint)}{_took(step)}{attempt}{resumed}{known}"


def _in_short(step: Mapping[str, Any]) -> str:
    """Return the status code of the response, and the request if it is not shown separately."""
    answer, method = step.get("http_response_status_code"), step.get("http_request_method")
    words = [] if answer is None else [str(answer)]
    if method and step["status"] in _UNREMARKABLE:
        words.append(f"{escape(str(method))} {_line(str(step.get('url_full') or ''))}")
    return "".join(f"  {word}" for word in words)


def _never_reached(name: str, paint: Paint) -> str:
    return f"{paint(f'step {escape(name)}', 'bold')}: {_status('skipped', paint)}  not reached"


def _request(step: Mapping[str, Any], *, full: bool) -> Iterator[str]:
    if not step.get("http_request_method"):
        return
    yield f"  > {escape(str(step['http_request_method']))} {_line(str(step.get('url_full') or ''), full=full)}"
    yield from _headers("  > ", step.get("http_request_headers"), full=full)
    yield from _body("  > ", step, "http_request_body", full=full)
    if step.get("resend_count"):
        reason = f" ({escape(str(step['resend_reason']))})" if step.get("resend_reason") else ""
        key = f", idempotency key {escape(str(step['idempotency_key']))}" if step.get("idempotency_key") else ""
        yield f"  may have been sent before: {counted(step['resend_count'], 'time')}{reason}{key}"


def _response(step: Mapping[str, Any], *, full: bool) -> Iterator[str]:
    if step.get("http_response_status_code") is None:
        return
    reason = escape(str(step.get("http_response_reason") or ""))
    yield f"  < {step['http_response_status_code']} {reason}".rstrip()
    yield from _headers("  < ", step.get("http_response_headers"), full=full)
    yield from _body("  < ", step, "http_response_body", full=full)


def _headers(margin: str, headers: Any, *, full: bool) -> Iterator[str]:
    for name, value in _pairs(headers):
        yield f"{margin}{_line(f'{name}: {value}', full=full)}"


def _pairs(headers: Any) -> Iterator[tuple[str, str]]:
    """Yield headers from a mapping or from pairs: a map column arrives as either. Only pairs keep a repeated header."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    for name, value in pairs:
        yield str(name), str(value)


def _body(margin: str, step: Mapping[str, Any], column: str, *, full: bool) -> Iterator[str]:
    binary = step.get(f"{column}_binary")
    if binary:
        yield margin.rstrip()
        yield f"{margin}({len(binary)} bytes that are not UTF-8: query {column}_binary with `reqflo-ray sql`)"
    body = step.get(column)
    if body:
        yield margin.rstrip()
        yield from _text(margin, str(body), full=full)
    if step.get(f"{column}_truncated"):
        yield f"{margin}… truncated: the whole body has {step.get(f'{column}_bytes')} bytes"


def _text(margin: str, text: str, *, full: bool) -> Iterator[str]:
    lines = text.split("\n")
    shown = lines if full else lines[:_SHOWN_BODY_LINES]
    for line in shown:
        yield f"{margin}{_line(line, full=full)}"
    if len(shown) < len(lines):
        yield f"{margin}… {len(lines) - len(shown)} more lines: add `--full`"


def _assertions(assertions: Sequence[Any], paint: Paint) -> Iterator[str]:
    if len(assertions):
        yield "  assertions"
    for assertion in assertions:
        words = [str(assertion[name]) for name in ("type", "path", "operator") if assertion.get(name)]
        expected = assertion.get("expected")
        if expected not in (None, ""):
            words.append(str(expected))
        status = str(assertion["status"])
        soft = " (soft)" if assertion.get("soft") else ""
        yield f"    {_status(status, paint)}{soft}  {_line(' '.join(words))}"
        if status != "passed":
            yield from _comparison(assertion)


def _comparison(assertion: Mapping[str, Any]) -> Iterator[str]:
    for name in ("actual", "expected", "message"):
        if assertion.get(name) not in (None, ""):
            yield f"      {name + ':':<9} {_line(str(assertion[name]))}"


def _outputs(outputs: Any) -> Iterator[str]:
    values = _json_object(outputs)
    if values:
        yield "  outputs"
    for name, value in values.items():
        yield f"    {escape(str(name))} = {_line(json_text.describe(value))}"


def _events(events: Sequence[Any]) -> Iterator[str]:
    if len(events):
        yield "  events"
    for event in events:
        at = event.get("logged_at")
        clock = at.strftime("%H:%M:%S.%f")[:-3] if isinstance(at, datetime) else escape(str(at or ""))
        yield f"    {clock}  {escape(str(event['kind']))}  {_line(str(event['text']))}"


def _error(facts: Mapping[str, Any], margin: str) -> Iterator[str]:
    if facts.get("error_code"):
        at = f" at step {escape(str(facts['failed_step']))}" if facts.get("failed_step") else ""
        yield f"{margin}{escape(str(facts['error_code']))}{at}: {_line(str(facts.get('error_message') or ''))}"


def _status(status: Any, paint: Paint) -> str:
    shown = escape(str(status))
    style = _STYLES.get(shown)
    return paint(shown, style) if style else shown


def _took(facts: Mapping[str, Any]) -> str:
    duration = facts.get("duration_ms")
    return "" if duration is None else f"  {float(duration):.1f} ms"


def _line(text: str, *, full: bool = False) -> str:
    shown = escape(text)
    return shown if full else shorten(shown, _LONGEST_LINE)


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else encode_json(as_json_value(value)).decode()


def _json_object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json_text.decode(value).value if value else {}
        except json_text.NotJson:
            return {"": value}
    return value if isinstance(value, Mapping) else {}
