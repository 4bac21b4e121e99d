"""In which encoding a body is read, as JSON and as text, and what is told where it is not in the one that it names."""

from __future__ import annotations

import codecs
import sys

import pytest

from reqflo_ray._internal.engine.responses.response import ResponseView
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model.http.exchange import Timings, TransportResponse
from reqflo_ray._internal.model.json_text import NotJson

TEXT = '{"city":"Köln","price":"5 €"}'


def view_of(body: bytes, content_type: str = "application/json") -> ResponseView:
    headers = (("Content-Type", content_type),) if content_type else ()
    response = TransportResponse(status=200, reason="", headers=headers, body=body, wire_size=len(body))
    return ResponseView(response, Timings(total_ms=1.0), Work(1_000_000))


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", "utf-8"), ("UTF8", "utf-8"), ('"utf-8"', "utf-8"), ("'utf-8'", "utf-8"), ("us-ascii", "utf-8"),
        ("windows-1252", "cp1252"), ("Windows-1252", "cp1252"), ("x-cp1252", "cp1252"), ("iso-8859-15", "iso8859-15"),
        ("utf-16", "utf-16"), ("utf-16", "utf-16-le"), ("utf-16", "utf-16-be"), ("UTF-16LE", "utf-16-le"),
        ("utf-16be", "utf-16-be"), ("utf-32", "utf-32"), ("utf-32le", "utf-32-le"), ("gb18030", "gb18030"),
        ("gbk", "gb18030"), ("unicode", "utf-16-le"), ("windows-1250", "cp1250"),
    ],
)  # fmt: skip
def test_json_and_text_are_read_in_the_charset_that_the_answer_names(charset: str, codec: str) -> None:
    view = view_of(TEXT.encode(codec), f"application/json; charset={charset}")
    assert view.json() == {"city": "Köln", "price": "5 €"}
    assert view.text() == TEXT
    assert view.contains("Köln") and not view.contains("Kölnisch")
    assert not view.warnings


@pytest.mark.parametrize("content_type", ["application/json", "", "application/json; charset=", "text/plain; x=y"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_json_without_a_charset_is_unicode_whichever(content_type: str, codec: str) -> None:
    assert view_of(TEXT.encode(codec), content_type).json() == {"city": "Köln", "price": "5 €"}


@pytest.mark.parametrize(
    "charset", ["", "; charset=utf-8", "; charset=utf-16", "; charset=latin-1", "; charset=klingon"]
)
@pytest.mark.parametrize(
    ("bom", "codec"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
     (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
)  # fmt: skip
def test_a_bom_says_the_encoding_and_is_no_part_of_the_body(charset: str, bom: bytes, codec: str) -> None:
    view = view_of(bom + TEXT.encode(codec), "text/plain" + charset)
    assert (view.json(), view.text(), view.warnings) == ({"city": "Köln", "price": "5 €"}, TEXT, {})
    assert view.contains(TEXT) and not view.contains("\ufeff")
    assert view_of(bom, "text/plain" + charset).text() == ""
    assert view.response.body.startswith(bom)


def test_a_bom_elsewhere_is_a_character_like_any_other() -> None:
    view = view_of("\ufeff\ufeffa\ufeff".encode(), "text/plain")
    assert view.text() == "\ufeffa\ufeff"
    assert view.contains("a\ufeff")


def test_latin_1_is_what_it_says() -> None:
    view = view_of('{"city":"Köln"}'.encode("latin-1"), "application/json; charset=iso-8859-1")
    assert (view.json(), view.text()) == ({"city": "Köln"}, '{"city":"Köln"}')
    assert not view.warnings


def test_a_body_that_may_be_utf_8_is_read_as_it_says_with_a_warning() -> None:
    view = view_of('{"city":"Köln"}'.encode(), "application/json; charset=iso-8859-1")
    assert view.json() == {"city": "KÃ¶ln"}
    assert list(view.warnings) == ["the body may be UTF-8; it was read as iso8859-1, the charset of the response"]


@pytest.mark.parametrize("name", ["klingon-8", "utf-7", "cp037", "hex", "punycode", "unicode-escape", "hz", "utf8mb4"])
def test_an_unknown_charset_is_told_and_taken_for_utf_8(name: str) -> None:
    view = view_of(TEXT.encode(), f"application/json; charset={name}")
    assert view.json() == {"city": "Köln", "price": "5 €"}
    assert view.text() == TEXT
    assert list(view.warnings) == [f"the charset of the response, `{name}`, is unknown; the body was read as UTF-8"]
    assert not view_of(b"{}", f"application/json; charset={name}").warnings


def test_what_is_in_an_unknown_charset_is_no_json() -> None:
    with pytest.raises(NotJson, match="its charset, `klingon-8`, is unknown, and it is not UTF-8"):
        view_of(b'{"a":"\xe4"}', "application/json; charset=klingon-8").json()
    with pytest.raises(NotJson, match="its charset, of a long name, is unknown"):
        view_of(b'{"a":"\xe4"}', "application/json; charset=" + "x" * 5000).json()


@pytest.mark.parametrize(
    ("body", "charset", "why"),
    [(b'{"a":"\xe4"}', "utf-8", "not text in UTF-8"), (b'{"a":"\x81"}', "windows-1252", "cannot be decoded as cp1252"),
     (b'{"a":"\xff"}', "euc-jp", "cannot be decoded as euc_jp"),
     (b'{"a":1}\xff\xff', "utf-16", "cannot be decoded as utf-16-le")],
)  # fmt: skip
def test_what_is_not_in_its_charset_is_no_json(body: bytes, charset: str, why: str) -> None:
    with pytest.raises(NotJson, match=why):
        view_of(body, f"application/json; charset={charset}").json()


@pytest.mark.parametrize(("charset", "codec"), [("windows-1252", "cp1252"), ("utf-16", "utf-16-le")])
def test_a_body_that_is_utf_8_and_not_in_its_charset_is_read_with_a_warning(charset: str, codec: str) -> None:
    view = view_of('{"a":"Á"}'.encode(), f"application/json; charset={charset}")
    assert (view.json(), view.text()) == ({"a": "Á"}, '{"a":"Á"}')
    assert list(view.warnings) == [f"the body is UTF-8, not {codec}, the charset of the response"]


def test_text_that_cannot_be_read_is_replaced_where_it_cannot() -> None:
    assert view_of(b"a\xe4b", "text/plain").text() == "a\ufffdb"
    assert view_of(b"\xff", "text/plain; charset=euc-jp").text() == "\ufffd"


def test_halves_of_pairs_in_utf_16_are_kept() -> None:
    data = '{"a":"x\ud83d"}'.encode("utf-16-le", "surrogatepass")
    view = view_of(data, "application/json; charset=utf-16")
    assert view.json() == {"a": "x\ud83d"}
    assert list(view.warnings) == ["the body is not strict JSON (NaN, a lone surrogate, or UTF-16)"]


def test_every_codec_of_python_under_any_name_is_harmless() -> None:
    for name in sorted({*sys.modules["encodings.aliases"].aliases, "a-b", "..", "x-", "\u0130".lower()}):
        view = view_of(b'{"a":"b"}', f"text/plain; charset={name}")
        assert isinstance(view.text(), str)
