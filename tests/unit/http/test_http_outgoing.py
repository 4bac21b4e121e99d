"""What one hop puts on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.http.engines.outgoing import Outgoing, prepare
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.model.http.exchange import FailureKind, Headers, TransportRequest


def prepared(method: str = "GET", headers: Headers = (), body: bytes | None = None, url: str = "http://h/") -> Outgoing:
    return prepare(TransportRequest(method=method, url=url, headers=headers, body=body), "agent")


def test_missing_headers_are_added() -> None:
    assert prepared().headers == (
        ("Host", "h"),
        ("User-Agent", "agent"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
    )


def test_given_headers_win_in_any_case_and_keep_theirs() -> None:
    given_headers = (("user-AGENT", "mine"), ("accept", "a/b"), ("ACCEPT-encoding", "identity"), ("host", "other"))
    assert prepared(headers=given_headers).headers == (
        ("Host", "other"),
        ("user-AGENT", "mine"),
        ("accept", "a/b"),
        ("ACCEPT-encoding", "identity"),
    )


def test_duplicates_and_their_order_are_kept() -> None:
    given_headers = (("X-A", "1"), ("x-b", "2"), ("x-a", "3"))
    assert prepared(headers=given_headers).headers[-3:] == given_headers


def test_a_body_has_its_length() -> None:
    assert prepared("POST", body=b"abc").headers[-1] == ("Content-Length", "3")
    assert prepared("GET", body=b"abc").headers[-1] == ("Content-Length", "3")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_method_that_may_carry_a_body_says_when_there_is_none(method: str) -> None:
    assert prepared(method).headers[-1] == ("Content-Length", "0")
    assert prepared(method, body=b"").body is None


def test_a_get_without_body_says_nothing_of_a_length() -> None:
    assert "Content-Length" not in dict(prepared(body=b"").headers)


def test_a_user_in_the_url_becomes_a_header_unless_one_is_given() -> None:
    assert ("Authorization", "Basic dTpw") in prepared(url="http://u:p@h/").headers
    mine = (("authorization", "Bearer x"),)
    assert ("Authorization", "Basic dTpw") not in prepared(url="http://u:p@h/", headers=mine).headers


def test_a_correct_length_may_be_given() -> None:
    assert prepared("POST", (("content-length", "3"),), b"abc").headers[-1] == ("content-length", "3")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("", ()),
        ("GE T", ()),
        ("GET\r\n", ()),
        ("CONNECT", ()),
        ("GÉT", ()),
        ("GET", (("", "x"),)),
        ("GET", (("X A", "x"),)),
        ("GET", (("X:", "x"),)),
        ("GET", (("X\n", "x"),)),
        ("GET", (("Käse", "x"),)),
        ("GET", (("X", "a\r\nY: b"),)),
        ("GET", (("X", "a\nb"),)),
        ("GET", (("X", "a\x00b"),)),
        ("GET", (("X", "a\x7fb"),)),
        ("GET", (("X", "\ud800"),)),
        ("GET", (("Host", "a"), ("host", "b"))),
        ("GET", (("Content-Length", "5"),)),
        ("POST", (("Content-Length", "-1"),)),
        ("POST", (("Content-Length", "0"), ("Content-Length", "0"))),
        ("POST", (("Content-Length", "9" * 5000),)),
        ("POST", (("Transfer-Encoding", "chunked"),)),
    ],
)
def test_what_would_break_the_framing_is_refused(method: str, headers: Headers) -> None:
    with pytest.raises(ExchangeError) as caught:
        prepared(method, headers)
    assert caught.value.kind is FailureKind.INVALID_REQUEST


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=4))
def test_no_header_can_start_a_line_of_its_own(headers: list[tuple[str, str]]) -> None:
    try:
        outgoing = prepared(headers=tuple(headers))
    except ExchangeError as error:
        assert error.kind is FailureKind.INVALID_REQUEST
    else:
        text = "".join(name + value for name, value in outgoing.headers)
        assert not set(text) & {"\r", "\n", "\x00"}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30))
def test_a_refusal_never_quotes_the_value(secret: str) -> None:
    with pytest.raises(ExchangeError) as caught:
        prepared(headers=(("Authorization", secret + "\n"),))
    words = caught.value.message.removeprefix("a header value contains ")
    assert words in ("a line end", "a NUL", "a control character")
