from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.model.http.headers import header_bytes, header_text, readable, unsendable_in_header


@given(st.binary())
def test_any_bytes_come_back_as_they_were(data: bytes) -> None:
    assert header_bytes(header_text(data)) == data


@pytest.mark.parametrize("text", ["", "Zoë", "日本", "a\tb", " ~", "\x80", "caf\udce9", "\u2028", "\U0001f600"])
def test_what_can_be_sent_is_sent(text: str) -> None:
    assert unsendable_in_header(text) == ""
    assert header_text(header_bytes(text)) == text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("a\r\nb", "a line end"), ("\n", "a line end"), ("\0", "a NUL"), ("\x1b[0m", "a control character"),
     ("\x7f", "a control character"), ("\v", "a control character"), ("\ud83d", "half of a surrogate pair"),
     ("\udc7f", "half of a surrogate pair"), ("\udd00", "half of a surrogate pair")],
)  # fmt: skip
def test_what_no_header_can_carry_is_named(text: str, wrong: str) -> None:
    assert unsendable_in_header(f"before {text} behind") == wrong


@pytest.mark.parametrize(
    ("data", "read"),
    [(b"plain", "plain"), ("Zoë".encode(), "Zoë"), (b"Zo\xeb", "Zoë"), ("日".encode() + b"\xff", "æ\x97¥ÿ")],
)
def test_a_value_that_is_no_utf_8_is_read_as_latin_1(data: bytes, read: str) -> None:
    assert readable(header_text(data)) == read


def test_half_of_a_pair_that_came_from_elsewhere_is_left_as_it_is() -> None:
    assert readable("\ud83d and \udce9") == "\ud83d and \udce9"
