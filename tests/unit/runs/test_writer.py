"""The Parquet files of a shard: nothing is lost, everything can be asked, and it is small."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqflo_ray._internal.model.http.exchange import Timings
from reqflo_ray._internal.model.results import LogEvent, ResendReason, RowResult, Status, StepRecord
from reqflo_ray._internal.runs.results import tables
from reqflo_ray._internal.runs.results.writer import Origin, results_file, steps_file

ORIGIN = Origin(run_id="nightly-4", journey="place-order", shard=4, flaky_steps=frozenset(["read"]))


def read(data: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(data)).to_pylist()
    return rows


def test_every_column_is_in_the_file_with_its_type() -> None:
    for data, columns in ((results_file([], ORIGIN), tables.RESULTS), (steps_file([], ORIGIN), tables.STEPS)):
        schema = pq.read_schema(pa.BufferReader(data))
        assert schema.names == [column.name for column in columns]
        assert schema.metadata[b"reqflo_schema_version"] == b"2"
        assert schema.types == [column.type for column in columns]
        assert read(data) == []


def test_results_keep_every_fact() -> None:
    result = RowResult(
        row_index=7,
        row_key="ref-7",
        status=Status.INCONCLUSIVE,
        error_code="unknown_outcome",
        error_message="in flight",
        failed_step="create",
        inputs='{"a":1}',
        started_at_us=1_790_000_000_123_456,
        duration_ms=1234.5678,
        resumed=True,
        requests=3,
        retries=2,
        resent=1,
        resent_sensitive=1,
        soft_failures=2,
        known_flaky=True,
        fingerprint="0f1e2d3c4b5a6978",
    )
    (row,) = read(results_file([result], ORIGIN))
    assert row.pop("started_at").isoformat() == "2026-09-21T14:13:20.123456+00:00"
    assert round(row.pop("duration_ms"), 3) == 1234.568
    assert row == {
        "run_id": "nightly-4",
        "journey": "place-order",
        "row_index": 7,
        "row_key": "ref-7",
        "status": "inconclusive",
        "error_code": "unknown_outcome",
        "error_message": "in flight",
        "failed_step": "create",
        "inputs": '{"a":1}',
        "resumed": True,
        "requests": 3,
        "retries": 2,
        "resent": 1,
        "resent_sensitive": 1,
        "shard": 4,
        "soft_failures": 2,
        "flaky": False,
        "known_flaky": True,
        "fingerprint": "0f1e2d3c4b5a6978",
    }


def test_what_there_is_not_is_null() -> None:
    (row,) = read(results_file([RowResult(row_index=0, row_key="", status=Status.PASSED)], ORIGIN))
    assert {name for name, value in row.items() if value is None} == {
        "row_key",
        "error_code",
        "error_message",
        "failed_step",
        "fingerprint",
    }
    note = StepRecord(row_index=0, row_key="", step_id="n", step_index=0, attempt=1, status=Status.PASSED)
    (step,) = read(steps_file([note], ORIGIN))
    there = {name for name, value in step.items() if value is not None}
    assert there == {
        *("row_index", "step_id", "step_index", "attempt", "status", "started_at", "duration_ms", "resend_count"),
        *("resumed", "http_request_headers", "http_response_headers", "assertions", "events"),
        *("run_id", "journey", "last_attempt", "known_flaky"),
    }


def test_a_line_says_whether_it_is_the_last_of_its_step(one_step: Callable[..., StepRecord]) -> None:
    places = [(0, 0, 1), (0, 1, 1), (0, 1, 2), (0, 1, 3), (1, 0, 1), (1, 0, 1), (2, 0, 7)]
    steps = [one_step(row_index=row, step_index=step, attempt=attempt) for row, step, attempt in places]
    found = [line["last_attempt"] for line in read(steps_file(steps, ORIGIN))]
    assert found == [True, False, False, True, False, True, True]


def test_a_line_says_whether_its_step_is_labelled_flaky(one_step: Callable[..., StepRecord]) -> None:
    steps = [one_step(row_index=index, step_id=name) for index, name in enumerate(("read", "create"))]
    assert [line["known_flaky"] for line in read(steps_file(steps, ORIGIN))] == [True, False]


@settings(max_examples=60, deadline=None)
@given(thousandths=st.lists(st.integers(0, 10**12), min_size=1, max_size=50))
def test_durations_are_doubles_that_round_to_what_was_measured(thousandths: list[int]) -> None:
    results = [
        RowResult(row_index=index, row_key="", status=Status.PASSED, duration_ms=count / 1000)
        for index, count in enumerate(thousandths)
    ]
    found = [line["duration_ms"] for line in read(results_file(results, ORIGIN))]
    assert [round(duration, 3) for duration in found] == [count / 1000 for count in thousandths]


def test_lines_are_sorted_by_row_step_and_attempt(one_step: Callable[..., StepRecord]) -> None:
    places = [(row, step, attempt) for row in range(3) for step in range(2) for attempt in (1, 2)]
    shuffled = random.Random(1).sample(places, len(places))
    steps = [one_step(row_index=row, step_index=step, attempt=attempt) for row, step, attempt in shuffled]
    found = [(step["row_index"], step["step_index"], step["attempt"]) for step in read(steps_file(steps, ORIGIN))]
    assert found == places
    results = [RowResult(row_index=row, row_key="", status=Status.PASSED) for row in (2, 0, 1)]
    assert [row["row_index"] for row in read(results_file(results, ORIGIN))] == [0, 1, 2]


def test_a_step_keeps_its_request_response_and_times(one_step: Callable[..., StepRecord]) -> None:
    timings = Timings(
        total_ms=9.0,
        blocked_ms=0.001,
        dns_ms=1.5,
        connect_ms=2.0,
        tls_ms=0.5,
        wait_ms=4.25,
        receive_ms=0.0,
        reused=True,
    )
    step = one_step(
        method="POST",
        request_body=b"{}",
        request_body_size=2,
        timings=timings,
        duration_ms=9.0,
        idempotency_key="KEY",
        resend_count=2,
        resend_reason=ResendReason.UNKNOWN,
        resumed=True,
        events=(LogEvent(1_790_000_000_000_001, "retry", "again"),),
    )
    (line,) = read(steps_file([step], ORIGIN))
    assert line["http_request_method"] == "POST"
    assert line["url_full"] == step.url
    assert (line["http_request_body"], line["http_request_body_bytes"]) == ("{}", 2)
    assert line["http_request_body_truncated"] is False
    assert line["http_response_status_code"] == 200
    assert step.response_body is not None and line["http_response_body"] == step.response_body.decode()
    assert line["network_protocol_version"] == "1.1"
    phases = ("blocked_ms", "dns_ms", "connect_ms", "tls_ms", "wait_ms", "receive_ms")
    assert [round(line[name], 3) for name in phases] == [0.001, 1.5, 2.0, 0.5, 4.25, 0.0]
    assert line["connection_reused"] is True
    assert (line["idempotency_key"], line["resend_count"], line["resend_reason"]) == ("KEY", 2, "unknown")
    assert line["resumed"] is True
    assert line["events"][0]["logged_at"].isoformat() == "2026-09-21T14:13:20.000001+00:00"
    assert (line["events"][0]["kind"], line["events"][0]["text"]) == ("retry", "again")


def test_header_names_are_lower_case_and_repeated_ones_joined(one_step: Callable[..., StepRecord]) -> None:
    headers = (("Vary", "a"), ("SET-COOKIE", "x=1, y"), ("vary", "b"), ("Set-Cookie", "z=2"), ("ETag", ""))
    lines = read(steps_file([one_step(response_headers=headers), one_step(row_index=1, response_headers=())], ORIGIN))
    assert lines[0]["http_response_headers"] == [("vary", "a, b"), ("set-cookie", "x=1, y\nz=2"), ("etag", "")]
    assert lines[1]["http_response_headers"] == []


@pytest.mark.parametrize(
    ("body", "truncated", "text", "binary"),
    [
        (None, False, None, None),
        (b"", False, "", None),
        (b"plain", False, "plain", None),
        ("größe 💥 \0".encode(), False, "größe 💥 \0", None),
        (b"\x89PNG\r\n", False, None, b"\x89PNG\r\n"),
        (b"\xff\xfeh\0i\0", False, None, b"\xff\xfeh\0i\0"),
        ("ab€".encode()[:-1], True, "ab", None),
        ("ab💥".encode()[:-1], True, "ab", None),
        ("ab€".encode()[:-1], False, None, "ab€".encode()[:-1]),
        (b"ab\xff", True, None, b"ab\xff"),
        (b"\xed\xa0\x80", False, None, b"\xed\xa0\x80"),
    ],
)
def test_a_body_is_text_if_it_is_utf8(
    body: bytes | None, truncated: bool, text: str | None, binary: bytes | None, one_step: Callable[..., StepRecord]
) -> None:
    step = one_step(
        response_body=body, response_body_truncated=truncated, request_body=body, request_body_truncated=truncated
    )
    (line,) = read(steps_file([step], ORIGIN))
    for side in ("request", "response"):
        assert (line[f"http_{side}_body"], line[f"http_{side}_body_binary"]) == (text, binary)
        assert line[f"http_{side}_body_truncated"] is truncated


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.none() | st.binary(max_size=80) | st.text(max_size=40).map(str.encode), min_size=1, max_size=8)
)
def test_any_whole_body_can_be_had_back_byte_by_byte(bodies: list[bytes | None]) -> None:
    steps = [
        StepRecord(
            row_index=index,
            row_key="",
            step_id="s",
            step_index=0,
            attempt=1,
            status=Status.PASSED,
            method="GET",
            response_body=body,
        )
        for index, body in enumerate(bodies)
    ]
    found = []
    for line in read(steps_file(steps, ORIGIN)):
        text, binary = line["http_response_body"], line["http_response_body_binary"]
        found.append(binary if text is None else text.encode())
    assert found == bodies


def test_half_a_surrogate_pair_does_not_stop_the_file(one_step: Callable[..., StepRecord]) -> None:
    lines = read(
        steps_file([one_step(error_message="bad \ud800 text"), one_step(row_index=1, error_message="good")], ORIGIN)
    )
    assert [line["error_message"] for line in lines] == ["bad \\ud800 text", "good"]


def test_a_wide_range_of_numbers_survives(one_step: Callable[..., StepRecord]) -> None:
    steps = [
        one_step(row_index=0, duration_ms=0.0, started_at_us=0, response_body_size=2**40),
        one_step(row_index=2**40, duration_ms=86_400_000.001, started_at_us=2**52),
    ]
    lines = read(steps_file(steps, ORIGIN))
    assert [round(line["duration_ms"], 3) for line in lines] == [0.0, 86_400_000.001]
    assert lines[0]["http_response_body_bytes"] == 2**40
    assert lines[1]["row_index"] == 2**40


def test_the_same_records_give_the_same_bytes(shard_records: Callable[..., Any]) -> None:
    results, steps = shard_records(0, 20, fail_every=3)
    assert steps_file(steps, ORIGIN) == steps_file(list(reversed(steps)), ORIGIN)
    assert results_file(results, ORIGIN) == results_file(list(reversed(results)), ORIGIN)


def test_a_row_of_three_steps_takes_little_room(shard_records: Callable[..., Any]) -> None:
    results, steps = shard_records(0, 1000)
    size = len(results_file(results, ORIGIN)) + len(steps_file(steps, ORIGIN))
    assert size / 1000 <= 250
