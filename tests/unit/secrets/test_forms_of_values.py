"""Every promised way to write a value, times every shape of value that people keep secret: none is left in clear."""

from __future__ import annotations

import base64
import binascii
import html
import json
import quopri
import random
import re
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqflo_ray._internal.secrets.escapes import MAX_LEVELS, unescaped
from reqflo_ray._internal.secrets.forms import forms_of
from reqflo_ray._internal.secrets.redactor import MAX_VALUES, WITHHELD, Redactor, knowing

_KEY_LINES = [base64.b64encode(random.Random(5).randbytes(48)).decode() for _ in range(4)]
_SHAPES = {
    "token": "k8Jq2mZx5Lw9Tt41",
    "password": 'p+ss w/rd=%41&"q"<\'s>\\n',
    "url": "https://hooks.example/T00/B00/XyZ123?k=a+b",
    "digits": "4111111111111111",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl_-x",
    "beyond ascii": "Größe-Schlüssel-🔑x",
    "pem": "\n".join(["-----BEGIN PRIVATE KEY-----", *_KEY_LINES, "-----END PRIVATE KEY-----", ""]),
    "json": json.dumps({"client": "made-up", "private_key": "abc\ndef\n123456789"}, indent=2),
    "windows path": "C:\\new\\table\\users",
}


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _mixed(text: str) -> str:
    chance = random.Random(3)
    return "".join(chance.choice((letter.lower(), letter.upper())) for letter in text)


def _units(text: str) -> str:
    return binascii.hexlify(text.encode("utf-16-be")).decode()


_FORMS: dict[str, Callable[[str], str | bytes]] = {
    "as it is": lambda value: value,
    "percent": lambda value: quote(value, safe=""),
    "percent, small letters": lambda value: re.sub("%..", lambda found: found[0].lower(), quote(value, safe="")),
    "percent, every byte": lambda value: "".join(f"%{byte:02X}" for byte in value.encode()),
    "form field": quote_plus,
    "percent twice": lambda value: quote(quote(value, safe=""), safe=""),
    "percent three times": lambda value: quote(quote(quote(value, safe=""), safe=""), safe=""),
    "%u": lambda value: re.sub("....", lambda unit: f"%u{unit[0]}", _units(value)) if value.isascii() else value,
    "JSON": _json,
    "JSON, beyond ASCII as it is": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "JSON, every unit": lambda value: re.sub("....", lambda unit: f"\\u{unit[0]}", _units(value)),
    "JSON in JSON": lambda value: _json(_json(value)),
    "JSON in JSON in JSON": lambda value: _json(_json(_json(value))),
    "JSON in JSON in JSON, told in JSON": lambda value: _json(_json(_json(_json(value)))),
    "JSON, slashes too": lambda value: _json(value).replace("/", "\\/"),
    "percent in JSON in percent": lambda value: quote(_json(quote(value, safe="")), safe=""),
    "entities in JSON in JSON": lambda value: _json(_json(html.escape(value))),
    "JSON in base64": lambda value: base64.b64encode(json.dumps({"a": value}).encode()),
    r"\x": lambda value: "".join(f"\\x{byte:02x}" for byte in value.encode()),
    r"\u{}": lambda value: "".join(f"\\u{{{ord(letter):x}}}" for letter in value),
    "entities": html.escape,
    "entities, decimal": lambda value: "".join(f"&#{ord(letter)};" for letter in value),
    "entities, hexadecimal": lambda value: "".join(f"&#x{ord(letter):X};" for letter in value),
    "entities without semicolons": lambda value: html.escape(value, quote=False).replace(";", ""),
    "entities twice": lambda value: html.escape(html.escape(value)),
    "base64": lambda value: base64.b64encode(value.encode()),
    "base64, moved by one": lambda value: base64.b64encode(b"u" + value.encode()),
    "base64, moved by two": lambda value: base64.b64encode(b"u:" + value.encode() + b"x"),
    "base64url": lambda value: base64.urlsafe_b64encode(value.encode()).rstrip(b"="),
    "base64 in lines": lambda value: base64.encodebytes(b"x" * 50 + value.encode()),
    "base64 of base64": lambda value: base64.b64encode(base64.b64encode(value.encode())),
    "base64 of base64 of more": lambda value: base64.b64encode(b"a" + base64.b64encode(b"user:" + value.encode())),
    "base64 of percent": lambda value: base64.b64encode(b"t=" + quote(value, safe="").encode()),
    "base32": lambda value: base64.b32encode(value.encode()),
    "base32, small letters": lambda value: base64.b32encode(b"abc" + value.encode()).lower(),
    "hex": lambda value: value.encode().hex(),
    "hex, capital letters": lambda value: value.encode().hex().upper(),
    "hex, mixed case": lambda value: _mixed(value.encode().hex()),
    "hex with colons": lambda value: value.encode().hex(":").upper(),
    "hex with blanks": lambda value: _mixed(value.encode().hex(" ")),
    "hex with dashes": lambda value: value.encode().hex("-"),
    "UTF-16, little end first": lambda value: value.encode("utf-16-le"),
    "UTF-16, big end first": lambda value: value.encode("utf-16-be"),
    "doubled quotes": lambda value: value.replace('"', '""'),
    "doubled apostrophes": lambda value: value.replace("'", "''"),
    "%u, pairs of surrogates": lambda value: re.sub("....", lambda unit: f"%u{unit[0]}", _units(value)),
    "entities, pairs of surrogates": lambda value: re.sub("....", lambda unit: f"&#{int(unit[0], 16)};", _units(value)),
    "quoted-printable in JSON": lambda value: _json(quopri.encodestring(f"token=x: {value}".encode()).decode()),
    "quoted-printable twice": lambda value: quopri.encodestring(quopri.encodestring(f"a=b {value}".encode())),
    "UTF-16, read as UTF-8, in JSON": lambda value: _json(value.encode("utf-16-le").decode("utf-8", "replace")),
    "UTF-16, big end, read as UTF-8": lambda value: value.encode("utf-16-be").decode("utf-8", "replace"),
    "quoted-printable": lambda value: quopri.encodestring(f"token=x: {value}".encode()),
    "lines ended as Windows does": lambda value: value.replace("\n", "\r\n"),
    "lines ended as Windows does, in JSON": lambda value: _json(value.replace("\n", "\r\n")),
    "lines with blanks between": lambda value: value.replace("\n", " "),
    "lines joined": lambda value: value.replace("\n", ""),
    "lines set in": lambda value: value.replace("\n", "\n    "),
}


def _secret_parts(value: str) -> list[str]:
    """What must not be read: the value, or each line of it that is long enough to be told from chance."""
    lines = [line.strip() for line in value.splitlines()]
    return [value, *(line for line in lines if len(line) >= 6)]


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("form", _FORMS)
def test_no_form_of_a_value_is_left_in_clear(form: str, shape: str) -> None:
    value = _SHAPES[shape]
    redactor = Redactor()
    redactor.register("secret:V", value)
    written = _FORMS[form](value)
    data = written.encode() if isinstance(written, str) else written
    masked = redactor.bytes(b'{"a": "' + data + b'", "b": 1}')
    assert b"[secret:V]" in masked
    assert data not in masked
    left = [masked, *(view.data for view in unescaped(masked))]
    for part in _secret_parts(value):
        told = {found.needle for found in forms_of(part, b"", thorough=True) if not found.caseless}
        assert not [needle for needle in told for reading in left if needle in reading], part


@pytest.mark.parametrize("shape", _SHAPES)
def test_nothing_beside_a_value_is_masked(shape: str) -> None:
    redactor = Redactor()
    redactor.register("secret:V", _SHAPES[shape])
    text = json.dumps({"id": 17, "name": "Ada", "note": "nothing to see, 100 % & more\n", "path": "/orders/17"})
    assert redactor.text(text) is text


def test_a_line_of_few_characters_is_no_value_of_its_own() -> None:
    redactor = Redactor()
    redactor.register("secret:KEY", "first line\nshort\nlast line")
    assert redactor.text("short, first line") == "short, [secret:KEY]"


_NESTING = [
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    _json,
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    html.escape,
    lambda text: "".join(f"&#{ord(letter)};" for letter in text),
]


@settings(max_examples=1000, deadline=None, database=None)
@given(
    value=st.one_of(
        st.text(st.characters(codec="utf-8"), min_size=6, max_size=24),
        st.text("%25&amp;#x41u\\n\"'=+</", min_size=6, max_size=24),  # what looks like escapes itself
    ),
    kinds=st.lists(st.sampled_from(_NESTING), min_size=1, max_size=3),
)
def test_three_levels_of_any_escapes_hide_no_value(value: str, kinds: list[Callable[[str], str]]) -> None:
    redactor = Redactor()
    redactor.register("secret:V", value)
    written = value
    for kind in kinds:
        written = kind(written)
    told = json.dumps({"actual": f"<{written}>"})  # as the evidence tells it
    assert "[secret:V]" in redactor.text(told)


# Bounded work: what a server sends decides how much there is to look through, never how often.


@pytest.mark.parametrize(
    "data",
    [
        b"a" * 400_000,
        b"\\u0041%41&amp;\n" * 20_000,
        b"%25" * 100_000,
        b"\\" * 200_000,
        b"&" * 200_000,
        b"&#" * 100_000,
        b"=\n" * 100_000,
        b"\0" * 200_000,
        (b"A" * 64 + b"\n") * 4_000,
        b"%" + b"25" * 100_000 + b"41",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_a_server_repeats_is_looked_through_in_time_that_grows_with_its_length(data: bytes) -> None:
    redactor = Redactor()
    redactor.register("sensitive:v", "a" * 60_000)
    redactor.register("secret:w", "k8Jq2mZx5Lw9Tt41")

    def seconds(part: bytes) -> float:
        began = time.process_time()
        redactor.bytes(part)
        return time.process_time() - began

    few = min(seconds(data[: len(data) // 4]) for _ in range(2))
    assert seconds(data) < 16 * few + 0.5


def test_a_value_that_overlaps_itself_a_hundred_thousand_times_is_one_place() -> None:
    redactor = Redactor()
    redactor.register("sensitive:v", "a" * 60_000)
    assert redactor.bytes(b"<" + b"a" * 160_000 + b">") == b"<[sensitive:v]>"


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le"])
def test_text_in_utf_16_that_says_so_is_read_with_its_escapes(code: str) -> None:
    redactor = Redactor()
    redactor.register("secret:V", 'пароль"42секрет')
    text = json.dumps({"v": 'пароль"42секрет', "a": 1}, ensure_ascii=False)
    data = text.encode(code) if code == "utf-16" else b"\xff\xfe" + text.encode(code)
    masked = redactor.bytes(data)
    assert b"[secret:V]" in masked
    assert "секрет".encode("utf-16-le") not in masked


@pytest.mark.parametrize("codec", ["cp1251", "koi8-r", "iso8859-5", "utf-32-le", "utf-32-be", "gb18030"])
def test_a_value_in_the_charset_of_an_answer_is_masked_whenever_it_was_told(codec: str) -> None:
    worker = Redactor()
    worker.register("secret:V", "пароль42")
    row = worker.child()
    row.register("sensitive:inputs.pin", "юг")
    row.also_in(codec)
    row.register("sensitive:steps.a.outputs.name", "Анна Ковалёва")
    body = '{"v":"пароль42","pin":"юг","юга":1,"name":"Анна Ковалёва"}'.encode(codec)
    for redactor in (row, knowing(row.known(), row.codecs)):
        masked = redactor.bytes(body)
        for marker in ("secret:V", "sensitive:inputs.pin", "sensitive:steps.a.outputs.name"):
            assert f"[{marker}]".encode() in masked
        assert "Ковалёва".encode(codec) not in masked
        # In UTF-32 zeros are around every character, so a short value stands alone everywhere.
        assert "юга".encode(codec) in masked or codec.startswith("utf-32")
    if codec in ("cp1251", "koi8-r", "iso8859-5"):
        assert worker.bytes(body) is body  # which has not been told of the charset


def test_a_value_that_an_older_charset_cannot_hold_is_left_to_the_others() -> None:
    row = Redactor().child()
    row.register("sensitive:v", "€ and пароль")
    row.also_in("iso8859-1")
    assert row.bytes("x € and пароль".encode()) == b"x [sensitive:v]"


def test_a_value_of_tens_of_thousands_of_lines_is_withheld_at_once() -> None:
    row = Redactor().child()
    began = time.process_time()
    row.register("sensitive:v", "\n".join(f"line{number:08d}" for number in range(80_000)))
    assert row.withholds
    assert time.process_time() - began < 2
    same = Redactor().child()
    same.register("sensitive:v", "\n".join(["the same line"] * 80_000))
    assert same.text("<the same line>") == "<[sensitive:v]>"


def test_views_are_a_chain_and_not_a_tree() -> None:
    data = b"%25255C%26amp;\\u0025 =3D\n" * 50
    assert len(list(unescaped(data))) <= (7 + 8) * MAX_LEVELS


def test_a_row_with_more_values_than_can_be_masked_shows_nothing() -> None:
    row = Redactor().child()
    for number in range(MAX_VALUES):
        row.register(f"sensitive:v.{number}", f"value-number-{number}")
    assert row.text("free value-number-7") == "free [sensitive:v.7]"
    row.register("sensitive:one.more", "one-value-more")
    assert row.withholds
    assert row.text("free") == WITHHELD
    assert list(row.each((b"a", b"", b"b"))) == [WITHHELD.encode(), b"", WITHHELD.encode()]
    assert list(row.windows(b"free" * 1000)) == [(WITHHELD.encode(), 0)]


def test_many_values_are_found_as_few_are() -> None:
    row = Redactor().child()
    for number in range(MAX_VALUES):
        row.register(f"sensitive:v.{number}", f"{number:03d}xyzq")
    text = " ".join(f"{number:03d}xyzq" for number in range(MAX_VALUES))
    assert row.text(text) == " ".join(f"[sensitive:v.{number}]" for number in range(MAX_VALUES))


# Long data goes window by window.


@settings(max_examples=40, deadline=None, database=None)
@given(
    value=st.sampled_from(["k8Jq2mZx5Lw9Tt41", 'a"b\\c/d&e%41f', "aaaaaaaa"]),
    places=st.lists(st.integers(-200, 200), min_size=1, max_size=6),
    kind=st.sampled_from([str, _json, lambda text: quote(quote(text, safe=""), safe="")]),
)
def test_windows_mask_what_the_whole_masks(value: str, places: list[int], kind: Callable[[str], str]) -> None:
    redactor = Redactor()
    redactor.register("secret:V", value)
    written = kind(value).encode()
    data = bytearray(b"x, " * 300_000)
    for at, place in enumerate(places):
        middle = (at + 1) * 2**18 // 2 + place
        data[middle : middle + len(written)] = written
    windows = [piece for piece, _ in redactor.windows(bytes(data))]
    assert b"".join(windows) == redactor.bytes(bytes(data))
    assert max(map(len, windows)) <= 2**18 + 2 * 2**16


def test_windows_full_of_values_take_time_that_grows_with_their_length() -> None:
    redactor = Redactor()
    redactor.register("secret:V", "k8Jq2mZx")
    began = time.process_time()
    data = b"k8Jq2mZx " * 300_000
    assert b"".join(piece for piece, _ in redactor.windows(data)) == b"[secret:V] " * 300_000
    assert time.process_time() - began < 20


def test_a_value_across_many_windows_is_one_place() -> None:
    redactor = Redactor()
    redactor.register("secret:V", "a" * 50)
    data = b"<" + b"a" * 1_500_000 + b">"
    assert b"".join(piece for piece, _ in redactor.windows(data)) == b"<[secret:V]>" == redactor.bytes(data)
