"""What is masked of a message, so that rows that failed alike have one fingerprint, and others do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.model.fingerprint import fingerprint, masked


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ('`$.id` is "cus-7", expected "cus-1"', "`$.id` is *, expected *"),
        ('body is "say \\"7\\"", expected "x"', "body is *, expected *"),
        ("response time is 12.5 ms, expected at most 10 ms", "response time is * ms, expected at most * ms"),
        ("`$.n` is -1e-7, expected at least 0", "`$.n` is *, expected at least *"),
        ("`$.n` is null, expected true", "`$.n` is null, expected true"),
        ("`$.n` is a long value, expected 5", "`$.n` is *, expected *"),
        ("`$.n` is 5, expected one of a long list", "`$.n` is *, expected one of *"),
        ('`$.n` is [1,{"a":[2]},"x"], expected to contain {"b": null}', "`$.n` is *, expected to contain *"),
        ("`$.n` has length 0, expected length 2", "`$.n` has length *, expected length *"),
        ("the time 2026-11-29T02:20:10.123Z is over", "the time * is over"),
        ("order 0f8fad5b-d9cb-469f-a165-70867728950e is gone", "order * is gone"),
        ("order ord-00000123 of cus_9 is gone", "order * of * is gone"),
        ("checksum 0xDEADBEEF, not da39a3ee5e6b4b0d", "checksum *, not *"),
        ("no answer from 127.0.0.1:8480 within 5000 ms", "no answer from * within * ms"),
        ("http://api.example/orders/anna?x=y is refused", "http://api.example/* is refused"),
        ("see https://api.example:8443", "see https://api.example:8443/*"),
        ("'4711' is not of type 'number'", "* is not of type *"),
        ("the server can't, and won't", "the server can't, and won't"),
        ("[sensitive:inputs.card] is no card", "* is no card"),
        ("it failed (and 3 more)", "it failed"),
        ("breaks `properties/a`, and perhaps more", "breaks `properties/a`"),
        ("`$.items[3].price` breaks `allOf/0/type`", "`$.items.price` breaks `allOf/0/type`"),
        ("two\n  lines\there", "two lines here"),
        ("", ""),
    ],
)
def test_what_varies_in_a_message_is_masked(message: str, left: str) -> None:
    assert masked(message) == left


@pytest.mark.parametrize(
    "message",
    [
        "status is {}, expected 200",
        "the server answered {}, and no assertion expects a status",
        "the condition did not hold within 300 ms (5 requests): status is {}, expected 200",
    ],
)
def test_the_status_that_a_server_answered_with_is_a_cause(message: str) -> None:
    assert masked(message.format(503)) != masked(message.format(404))


def test_a_fingerprint_is_the_same_in_every_version() -> None:
    told = ("failed", "create", "json_path equals", "$.order.customer_id", "expected * to equal *")
    assert fingerprint(*told) == "65225b1b942c2d63"
    assert fingerprint("error", "", "poison_row", "", "the worker died") == "37b6e8455c4c27cb"
    assert fingerprint("failed", "größe", "body_contains contains", "", "half \ud800 a pair") == "45a404504bb8e53f"


@pytest.mark.parametrize("place", range(5))
def test_each_part_of_what_failed_tells_causes_apart(place: int) -> None:
    parts = ["failed", "create", "json_path equals", "$.id", "expected * to equal *"]
    other = [*parts[:place], parts[place] + "x", *parts[place + 1 :]]
    assert fingerprint(*parts) != fingerprint(*other)


def test_what_stands_at_the_border_of_two_parts_tells_causes_apart() -> None:
    assert fingerprint("failed", "a", "b", "", "") != fingerprint("failed", "ab", "", "", "")


@given(st.text(max_size=200))
def test_masking_again_changes_nothing_more(message: str) -> None:
    once = masked(message)
    assert masked(once) == once or "`" in message or "'" in message or '"' in message


@pytest.mark.parametrize("message", ['"' * 20_000, "`" * 20_001, "[" * 20_000, "http://" * 5_000, "9" * 100_000])
def test_a_long_or_strange_message_is_masked_at_once(message: str) -> None:
    assert len(masked(message)) <= 4096
