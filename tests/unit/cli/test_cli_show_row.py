"""How a row reads: requests, responses, assertions, outputs, events, and nothing raw from outside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from screens import Screen

from reqflo_ray._internal.cli.display.render_row import render_row
from reqflo_ray._internal.cli.display.tables import show_cell, write_table

RESULT: dict[str, Any] = {
    "row_index": 17,
    "row_key": "ref-0017",
    "status": "failed",
    "error_code": "assertion_failed",
    "error_message": "status is 500, expected 201",
    "failed_step": "create",
    "inputs": '{"customer_id":"cus-1","total":12.50}',
    "duration_ms": Decimal("32.125"),
    "resumed": False,
}
STEP: dict[str, Any] = {
    "step_id": "create",
    "step_index": 1,
    "attempt": 2,
    "status": "failed",
    "error_code": None,
    "http_request_method": "POST",
    "url_full": "http://127.0.0.1:8480/orders",
    "http_request_headers": [("Authorization", "[secret:SHOP_TOKEN]"), ("Accept", "a"), ("Accept", "b")],
    "http_request_body": '{"total": 12.50}',
    "http_response_status_code": 500,
    "http_response_reason": "Internal Server Error",
    "http_response_headers": {"content-type": "application/json"},
    "http_response_body": '{\n  "error": "no"\n}',
    "http_response_body_bytes": 70_000,
    "http_response_body_truncated": True,
    "duration_ms": Decimal("12.3"),
    "outputs": '{"order_id":"ord-1"}',
    "assertions": [
        {
            "type": "status_code",
            "path": None,
            "operator": "equals",
            "expected": "201",
            "actual": "500",
            "status": "failed",
            "soft": False,
            "message": "it is 500",
        },
        {
            "type": "json_path",
            "path": "$.order.id",
            "operator": "exists",
            "expected": None,
            "actual": None,
            "status": "passed",
            "soft": True,
            "message": None,
        },
    ],
    "events": [{"logged_at": datetime(2026, 1, 2, 3, 4, 5, 678_000), "kind": "retry", "text": "attempt 1 failed"}],
    "resend_count": 1,
    "resend_reason": "unknown",
    "idempotency_key": "MZXW6",
    "resumed": True,
}


def lines(result: dict[str, Any], steps: list[dict[str, Any]], terminal: Any, **facts: Any) -> list[str]:
    return list(render_row(result, steps, terminal.paint_out, **facts))


def test_a_row_reads_from_its_verdict_down_to_its_events() -> None:
    assert lines(RESULT, [STEP], Screen()) == [
        "row 17 (ref-0017): failed  32.1 ms",
        "  assertion_failed at step create: status is 500, expected 201",
        '  inputs: {"customer_id":"cus-1","total":12.50}',
        "",
        "step create: failed  12.3 ms  attempt 2  resumed",
        "  > POST http://127.0.0.1:8480/orders",
        "  > Authorization: [secret:SHOP_TOKEN]",
        "  > Accept: a",
        "  > Accept: b",
        "  >",
        '  > {"total": 12.50}',
        "  may have been sent before: 1 time (unknown), idempotency key MZXW6",
        "  < 500 Internal Server Error",
        "  < content-type: application/json",
        "  <",
        "  < {",
        '  <   "error": "no"',
        "  < }",
        "  < … truncated: the whole body has 70000 bytes",
        "  assertions",
        "    failed  status_code equals 201",
        "      actual:   500",
        "      expected: 201",
        "      message:  it is 500",
        "    passed (soft)  json_path $.order.id exists",
        "  outputs",
        '    order_id = "ord-1"',
        "  events",
        "    03:04:05.678  retry  attempt 1 failed",
    ]


def test_a_skipped_step_shows_no_request() -> None:
    step = {"step_id": "read", "status": "skipped", "attempt": 0, "error_code": "unresolved_dependency"}
    assert lines({"row_index": 0, "status": "failed"}, [step], Screen())[2:] == [
        "step read: skipped",
        "  unresolved_dependency: ",
    ]


def test_a_request_without_an_answer_shows_only_what_was_sent() -> None:
    step = {"step_id": "a", "status": "error", "attempt": 1, "http_request_method": "GET", "url_full": "http://h/"}
    step |= {"error_code": "connection_refused", "error_message": "nobody listens"}
    shown = lines({"row_index": 0, "status": "error"}, [step], Screen())
    assert "  > GET http://h/" in shown
    assert not any(line.startswith("  <") for line in shown)


def test_a_long_body_is_cut_and_says_how_to_see_all() -> None:
    step = {**STEP, "http_response_body": "\n".join(map(str, range(100))), "http_response_body_truncated": False}
    shown = lines(RESULT, [step], Screen())
    assert "  < … 60 more lines: add `--full`" in shown
    assert "  < 99" not in shown
    assert "  < 99" in lines(RESULT, [step], Screen(), full=True)


def test_a_long_line_is_cut_unless_all_is_asked_for() -> None:
    step = {**STEP, "http_response_body": "x" * 5000}
    assert all(len(line) < 600 for line in lines(RESULT, [step], Screen()))
    assert "  < " + "x" * 5000 in lines(RESULT, [step], Screen(), full=True)


def test_a_body_that_is_no_text_is_not_poured_out() -> None:
    step = {**STEP, "http_response_body": None, "http_response_body_binary": b"\x00\xff\x1b"}
    shown = lines(RESULT, [step], Screen())
    assert "  < (3 bytes that are not UTF-8: query http_response_body_binary with `reqflo-ray sql`)" in shown


def test_outputs_that_are_no_object_are_shown_as_they_are() -> None:
    assert '     = "{broken"' in lines(RESULT, [{**STEP, "outputs": "{broken"}], Screen())


def test_nothing_from_outside_is_shown_raw(naughty_strings: list[str]) -> None:
    for text in [*naughty_strings, "\x1b]0;owned\x07", "a\rb", "\u202efdp"]:
        step = {
            **STEP,
            "url_full": text,
            "http_request_headers": [(text, text)],
            "http_request_body": text,
            "http_response_reason": text,
            "http_response_body": text,
            "error_code": "x",
            "error_message": text,
            "assertions": [{**STEP["assertions"][0], "path": text, "actual": text, "message": text}],
            "events": [{"logged_at": None, "kind": text, "text": text}],
        }
        result = {**RESULT, "row_key": text, "error_message": text, "inputs": text}
        for line in lines(result, [step], Screen()):
            assert line.isprintable() or not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line), repr(text)
            assert not any(c in line for c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"), repr(text)


def test_colours_are_used_only_where_they_are_shown() -> None:
    assert "\x1b[1;31mfailed\x1b[0m" in lines(RESULT, [], Screen(is_terminal=True))[0]
    assert "\x1b" not in "".join(lines(RESULT, [STEP], Screen(is_terminal=True, environment={"NO_COLOR": "1"})))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        (True, "true"),
        ("a\nb\x1b", "a\\nb\\x1b"),
        (b"bytes\xff", "bytes\\xff"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_901), "2026-01-02 03:04:05.678"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ([("k", "v")], '[["k","v"]]'),
        (Decimal("1.50"), "1.50"),
        (3, "3"),
    ],
)
def test_a_cell_is_one_safe_line(value: Any, shown: str) -> None:
    assert show_cell(value) == shown


def test_columns_of_numbers_are_aligned_to_the_right() -> None:
    terminal = Screen()
    write_table(("name", "n"), [("a", 1), ("bb", 1000), ("c", None)], terminal)
    assert terminal.shown_out.splitlines() == ["name  n", "a        1", "bb    1000", "c     NULL"]


def test_wide_characters_keep_a_table_aligned() -> None:
    terminal = Screen()
    write_table(("k", "v"), [("漢字", "x"), ("ab", "y")], terminal)
    assert terminal.shown_out.splitlines() == ["k     v", "漢字  x", "ab    y"]


def test_a_table_of_a_terminal_takes_room_from_its_widest_column() -> None:
    terminal = Screen(is_terminal=True, columns=30, environment={"NO_COLOR": "1"})
    write_table(("id", "text"), [("short", "x" * 100)], terminal)
    assert terminal.shown_out.splitlines() == ["id     text", "short  " + "x" * 22 + "…"]


@pytest.mark.parametrize(("columns", "shown"), [(30, "an-id-of-22-characters  xxxxx…"), (20, "an-id-of…  xxxxxxxx…")])
def test_a_column_that_is_there_to_be_copied_is_cut_last(columns: int, shown: str) -> None:
    terminal = Screen(is_terminal=True, columns=columns, environment={"NO_COLOR": "1"})
    write_table(("id", "text"), [("an-id-of-22-characters", "x" * 100)], terminal, whole=1)
    assert terminal.shown_out.splitlines()[1] == shown


def test_an_answer_without_rows_still_names_its_columns() -> None:
    terminal = Screen()
    write_table(("a", "b"), [], terminal)
    assert terminal.shown_out == "a  b\n"
