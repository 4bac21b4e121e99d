"""Laws of the redactor over generated values and contexts: it misses nothing, and masks next to nothing by chance."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import string
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqflo_ray._internal.secrets.escapes import BACKSLASH_PATTERN, decode_all_backslashes, decode_backslash
from reqflo_ray._internal.secrets.redactor import Redactor

CONTEXTS = 1200

_letters = st.characters(exclude_categories=["Cs"])
values = st.one_of(
    st.text(string.ascii_letters + string.digits + "-_./+=", min_size=6, max_size=60),
    st.text(string.printable, min_size=6, max_size=40),
    st.text(_letters, min_size=6, max_size=30),
)
# Neighbours that cannot be taken for a part of an escape or of the value.
surroundings = st.binary(max_size=12)


def of_a_row(value: str) -> Redactor:
    """One that knows `value` as that of a row: the forms that all values are found in, and quick to make."""
    redactor = Redactor().child()
    redactor.register("secret:V", value)
    return redactor


def percent(value: str, chance: random.Random) -> bytes:
    safe = "".join(letter for letter in "/:?@!$&'()*,;=~" if chance.random() < 0.5)
    written = quote_plus(value, safe=safe) if chance.random() < 0.3 else quote(value, safe=safe)
    if chance.random() < 0.5:
        written = re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), written)
    return written.encode()


def escaped(value: str, chance: random.Random) -> bytes:
    written = json.dumps(value, ensure_ascii=chance.random() < 0.5)[1:-1]
    if chance.random() < 0.3:
        written = written.replace("/", "\\/")
    if chance.random() < 0.3:  # as some encoders do for text that is put into HTML
        written = re.sub("[<>&'=+]", lambda letter: f"\\u{ord(letter[0]):04x}", written)
    return written.encode()


def raw(value: str, _: random.Random) -> bytes:
    return value.encode()


def hexadecimal(value: str, chance: random.Random) -> bytes:
    digits = value.encode().hex()
    return (digits.upper() if chance.random() < 0.5 else digits).encode()


def entities(value: str, chance: random.Random) -> bytes:
    """As servers echo a value in a page of an error: each template engine has its own idea of what to write how."""
    match chance.randrange(4):
        case 0:
            written = html.escape(value)
        case 1:
            written = html.escape(value, quote=False)
        case 2:
            written = "".join(chance.choice(_ways_to_write(letter)) for letter in value)
        case _:
            written = re.sub("[^A-Za-z0-9 ]", lambda letter: f"&#{ord(letter[0]):03d};", value)
    return written.encode()


def _ways_to_write(letter: str) -> list[str]:
    code = ord(letter)
    return [html.escape(letter), f"&#{code};", f"&#x{code:x};", f"&#X{code:04X};"]


@pytest.mark.parametrize("write", [raw, percent, escaped, hexadecimal, entities])
def test_no_written_form_of_a_value_is_missed(write: Callable[[str, random.Random], bytes]) -> None:
    @settings(max_examples=CONTEXTS, deadline=None, database=None)
    @given(value=values, before=surroundings, after=surroundings, seed=st.integers(0, 2**16))
    def law(value: str, before: bytes, after: bytes, seed: int) -> None:
        redactor = of_a_row(value)
        written = write(value, random.Random(seed))
        masked = redactor.bytes(b"<" + before + b"<" + written + b">" + after + b">")
        assert b"[secret:V]" in masked
        assert written not in masked.replace(b"[secret:V]", b"")

    law()


@pytest.mark.parametrize("url_safe", [False, True])
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_no_base64_of_a_value_is_missed(url_safe: bool, shift: int) -> None:
    @settings(max_examples=CONTEXTS // 2, deadline=None, database=None)
    @given(value=values, before=st.binary(max_size=4), after=st.binary(max_size=7))
    def law(value: str, before: bytes, after: bytes) -> None:
        redactor = of_a_row(value)
        before = (before * 3)[: len(before) * 3] + b"\xfb" * shift
        whole = before + value.encode() + after
        encoded = base64.urlsafe_b64encode(whole) if url_safe else base64.b64encode(whole)
        masked = redactor.bytes(b'"' + encoded + b'"')
        first, last = 8 * len(before) // 6, -(-8 * (len(before) + len(value.encode())) // 6)
        assert b"[secret:V]" in masked
        assert encoded[first:last] not in masked
        # What is left decides no bit of the value.
        kept = masked[1:-1].partition(b"[secret:V]")
        assert len(kept[0]) <= first
        assert len(kept[2].rstrip(b"=")) <= len(encoded) - last

    law()


@pytest.mark.parametrize(
    ("columns", "line_end", "wrapped"),
    [(76, b"\r\n", False), (76, b"\n", False), (64, b"\n", False), (64, b"\r\n", False), (64, b"\n", True)],
)
def test_no_base64_that_is_broken_into_lines_is_missed(columns: int, line_end: bytes, wrapped: bool) -> None:
    chance = random.Random(columns)  # plain chance, since it is quick: what matters is where the break falls
    for _ in range(CONTEXTS):
        value = "".join(chance.choices(string.printable, k=chance.randint(6, 60)))
        redactor = of_a_row(value)
        before, after = chance.randrange(150), chance.randrange(60)
        encoded = base64.b64encode(chance.randbytes(before) + value.encode() + chance.randbytes(after))
        lines = [encoded[at : at + columns] for at in range(0, len(encoded), columns)]
        text = b"Content:" + line_end + line_end.join(lines) + line_end
        if wrapped:  # a key file as a value in JSON
            text = json.dumps({"pem": text.decode()}).encode()
        masked = redactor.bytes(text)
        assert b"[secret:V]" in masked, (value, text)
        # What is left, put together, holds nothing that the value decides.
        left = masked.replace(b"\\n", b"").replace(b"\r", b"").replace(b"\n", b"").split(b"[secret:V]")
        assert encoded[-(-8 * before // 6) : 8 * (before + len(value)) // 6] not in b"".join(left)
        assert len(left[0] + left[-1]) <= len(encoded) - 8 * len(value) // 6 + len(b'{"pem": "Content:"}') + 2


@settings(max_examples=200, deadline=None, database=None)
@given(value=values, parts=st.lists(st.binary(max_size=60), max_size=5), at=st.integers(0, 4), seed=st.integers(0, 999))
def test_parts_that_are_searched_as_one_come_back_as_each_alone(
    value: str, parts: list[bytes], at: int, seed: int
) -> None:
    redactor = Redactor()
    redactor.register("secret:V", value)
    write = random.Random(seed).choice([raw, percent, escaped, hexadecimal, entities])
    parts.insert(at, b"<" + write(value, random.Random(seed)) + b">")
    assert list(redactor.each(parts)) == [redactor.bytes(part) for part in parts]


@settings(max_examples=300, deadline=None, database=None)
@given(value=values, data=st.binary(max_size=300))
def test_what_holds_no_form_of_a_value_is_left_as_it_is(value: str, data: bytes) -> None:
    redactor = Redactor()
    redactor.register("secret:V", value)
    masked = redactor.bytes(data)
    assert masked is data or b"[secret:V]" in masked


@settings(max_examples=300, deadline=None, database=None)
@given(value=values, data=st.binary(max_size=300), seed=st.integers(0, 2**16))
def test_masking_twice_changes_nothing_more(value: str, data: bytes, seed: int) -> None:
    redactor = Redactor()
    redactor.register("secret:V", value)
    chance = random.Random(seed)
    once = redactor.bytes(data + raw(value, chance) + data + percent(value, chance))
    assert redactor.bytes(once) == once or value in "[secret:V]"


@settings(max_examples=1000, deadline=None, database=None)
@given(data=st.lists(st.sampled_from([b"\\", b"u", b"0041", b"d83d", b"dd11", b"n", b'"', b"/", b"x", b"\xff"])))
def test_taking_all_json_escapes_away_at_once_is_what_taking_each_away_gives(data: list[bytes]) -> None:
    text = b"".join(data)
    assert decode_all_backslashes(text) == BACKSLASH_PATTERN.sub(decode_backslash, text)


@settings(max_examples=500, deadline=None, database=None)
@given(
    padding=st.integers(0, 40),
    value=st.text(string.ascii_letters + string.digits, min_size=12, max_size=80),
    shift=st.integers(0, 2),
)
def test_the_sampled_search_of_long_forms_misses_no_offset(padding: int, value: str, shift: int) -> None:
    redactor = Redactor()
    redactor.register("secret:V", value)
    encoded = base64.b64encode(b"\0" * shift + value.encode())
    for written in (value.encode(), value.encode().hex().encode(), encoded):
        assert b"[secret:V]" in redactor.bytes(b" " * padding + written)


def test_random_text_is_hardly_ever_masked() -> None:
    chance = random.Random(20)
    alphabet = string.ascii_letters + string.digits
    redactor = Redactor()
    for number in range(20):
        redactor.register(f"secret:S{number}", "".join(chance.choices(alphabet, k=chance.randint(6, 40))))
    masked = 0
    for _ in range(20_000):
        text = "".join(chance.choices(alphabet + '+/%\\"&;\n', k=100))
        masked += redactor.text(text) is not text
    assert masked / 20_000 <= 0.0001


def test_lines_of_random_base64_and_of_pages_are_hardly_ever_masked() -> None:
    chance = random.Random(21)
    redactor = Redactor()
    for number in range(20):
        redactor.register(f"secret:S{number}", "".join(chance.choices(string.ascii_letters, k=chance.randint(6, 40))))
    masked = 0
    for _ in range(2_000):
        lines = base64.encodebytes(chance.randbytes(600)).decode()
        page = html.escape("".join(chance.choices(string.printable, k=400)))
        masked += abs(len(redactor.text(lines + page)) - len(lines + page))
    assert masked / (2_000 * 1_200) <= 0.0001
