from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.json_text import NotJson

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_encoded_is_decoded_again(value: Any) -> None:
    decoded = json_text.decode(json_text.encode(value)).value
    assert json.dumps(decoded, default=float) == json.dumps(value) or decoded == value


@pytest.mark.parametrize(
    "text", ["198.70", "1.10", "0.1234567890123456789", "287.00", "-0.0", "12345678901234567890123"]
)
def test_no_digit_of_a_number_is_lost(text: str) -> None:
    assert json_text.encode_text(json_text.decode(text.encode()).value) == text


def test_standard_json_is_called_standard() -> None:
    assert json_text.decode(b'{"a": 1}') == ({"a": 1}, True)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\xef\xbb\xbf[1]", [1]),
        (b'"\\ud800"', "\ud800"),
        ("[1.50]".encode("utf-16"), [Decimal("1.50")]),
        (b"[Infinity, -Infinity]", [Decimal("Infinity"), Decimal("-Infinity")]),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', "\U0001f600"),  # CESU-8
        (b'"\xed\xa0\xbd!"', "\ud83d!"),
    ],
)
def test_json_in_a_wider_sense_is_read_and_called_so(data: bytes, value: Any) -> None:
    assert json_text.decode(data) == (value, False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<html>secret-value</html>", "malformed"),
        (b'{"a": ', "truncated"),
        (b'"\xff"', "UTF-8"),
        (b"1e99999999999999999999", "out of range"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused_with_a_reason_that_quotes_nothing(data: bytes, why: str) -> None:
    with pytest.raises(NotJson, match=why) as caught:
        json_text.decode(data)
    assert "secret" not in str(caught.value)


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    assert json_text.encode({"a\ud800": ["\udfff", 1.5]}) == b'{"a\\ud800":["\\udfff",1.5]}'


def test_a_value_nested_too_deeply_cannot_be_written() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        json_text.encode(value)
    while isinstance(value, list):  # else its destruction recurses too
        value = value.pop()
