"""Reading URLs without changing them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.http.addresses.target import parse_target
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.model.http.exchange import FailureKind


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h/a%2fb/../c?x=%41", "/a%2fb/../c?x=%41"),
        ("http://h", "/"),
        ("http://h?q=1", "/?q=1"),
        ("http://h/a#fragment", "/a"),
        ("http://h//double//", "//double//"),
        ("http://h/a?b?c=/d", "/a?b?c=/d"),
        ("http://h/caf\u00e9?n=\u4e2d", "/caf%C3%A9?n=%E4%B8%AD"),
        ("http://h/a b?c=d e", "/a%20b?c=d%20e"),
        ('http://h/{}|\\^`"<>', '/{}|\\^`"<>'),
        ("http://h/a@b:c", "/a@b:c"),
    ],
)
def test_the_request_target_is_what_was_written(url: str, path: str) -> None:
    assert parse_target(url).path == path


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#?"), max_size=40))
def test_every_visible_ascii_path_is_kept(path: str) -> None:
    target = parse_target("http://example.com/" + path)
    assert target.path == "/" + path
    assert parse_target(target.url) == target


def test_host_port_and_user_are_told_apart() -> None:
    target = parse_target("HTTPS://us%3aer:p%40ss@API.Example.com:8443/x")
    assert (target.scheme, target.host, target.port, target.authority) == (
        "https",
        "api.example.com",
        8443,
        "api.example.com:8443",
    )
    assert target.authorization == "Basic dXM6ZXI6cEBzcw=="
    assert "ss" not in target.url.removeprefix("https")


def test_a_default_port_is_not_shown() -> None:
    assert parse_target("http://h:80/").authority == "h"
    assert parse_target("https://h:443/").authority == "h"
    assert parse_target("http://h:443/").authority == "h:443"


def test_an_ipv6_address_keeps_its_brackets_on_the_wire_only() -> None:
    target = parse_target("http://[::1]:81/")
    assert (target.host, target.authority, target.place) == ("::1", "[::1]:81", "[::1]:81")


def test_a_host_that_is_not_ascii_becomes_its_ascii_form() -> None:
    assert parse_target("http://b\u00fccher.example/").host == "xn--bcher-kva.example"
    assert parse_target("http://fa\u00df.example/").host == "xn--fa-hia.example"


def test_a_blocked_address_in_wide_digits_is_still_one() -> None:
    # Mapped to ASCII first, then judged: the transport sees the address that it is.
    wide = "".join(chr(ord(sign) + 0xFEE0) if sign.isdigit() else sign for sign in "169.254.169.254")
    assert parse_target(f"http://{wide}/").host == "169.254.169.254"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "//host/path",
        "host/path",
        "ftp://h/",
        "file:///etc/passwd",
        "http:///path",
        "http://",
        "http://h:0/",
        "http://h:65536/",
        "http://h:99999999999999999999/",
        "http://h:x/",
        "http://a b/",
        "http://h/\r\nX: y",
        "http://h/\x00",
        "http://h\t/",
        "http://[::1/",
        "http://[nonsense]/",
        "http://[1]/",
        "http://a..b/",
        "http://-a/",
        "http://" + "a" * 64 + "/",
        "http://" + ".".join(["a" * 60] * 5) + "/",
        "http://h%41/",
        "http://h/\ud800",
        "http://\ud800/",
        "http://2130706433/",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://017700000001/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(ExchangeError) as caught:
        parse_target(url)
    assert caught.value.kind is FailureKind.INVALID_REQUEST


@pytest.mark.parametrize("host", ["2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518"])
def test_an_odd_notation_of_a_blocked_address_is_refused_for_what_it_is(host: str) -> None:
    with pytest.raises(ExchangeError) as caught:
        parse_target(f"http://{host}/latest/meta-data")
    assert caught.value.kind is FailureKind.BLOCKED


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_our_words(text: str) -> None:
    for url in (text, "http://" + text, "http://h/" + text):
        try:
            target = parse_target(url)
        except ExchangeError as error:
            assert error.kind in (FailureKind.INVALID_REQUEST, FailureKind.BLOCKED)
        else:
            assert target.path.isascii()
            assert " " not in target.path
