from __future__ import annotations

import pytest

from reqflo_ray._internal.engine.requests.cookies import CookieJar

URL = "https://api.shop.example/v1/login"
DATE = ("Date", "Thu, 01 Jan 2026 00:00:00 GMT")


def jar_with(*lines: str, url: str = URL) -> CookieJar:
    jar = CookieJar()
    jar.store(url, (DATE, *(("Set-Cookie", line) for line in lines)))
    return jar


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("a=1", "a=1"), ("a=1; HttpOnly; SameSite=Lax", "a=1"), (' a = "x y" ;Path=/', 'a="x y"'), ("a=", "a="),
        ("a=b=c", "a=b=c"), ("a=1; Max-Age=10", "a=1"), ("a=1; Expires=Fri, 02 Jan 2026 00:00:00 GMT", "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=10", "a=1"), ("a=1; Expires=nonsense", "a=1"),
        ("a=1; Domain=shop.example", "a=1"), ("a=1; Domain=.SHOP.example", "a=1"), ("a=1; Domain=", "a=1"),
        ("a=1; Domain=x; Domain=shop.example", "a=1"), ("a=1; Path=relative", "a=1"),
    ],
)  # fmt: skip
def test_a_cookie_that_is_kept_and_sent_back(line: str, sent: str) -> None:
    assert jar_with(line).header("https://api.shop.example/v1/orders") == sent


@pytest.mark.parametrize(
    "line",
    ["", "a", "=1", ";a=1", "a=1; Domain=example", "a=1; Domain=other.example", "a=1; Domain=api.shop.example.evil",
     "a=1; Domain=b.api.shop.example", "a=1; Max-Age=0", "a=1; Max-Age=-1",
     "a=1; Expires=Wed, 31 Dec 2025 00:00:00 GMT",
     "a=\x01", "a=1\r\nX: y", "a=" + "x" * 5000, "a=1; Domain=op.example"],
)  # fmt: skip
def test_a_cookie_that_is_refused_or_gone_at_once(line: str) -> None:
    assert jar_with(line).header(URL) == ""


@pytest.mark.parametrize(
    ("line", "url", "sent"),
    [
        ("a=1", "https://other.shop.example/v1/x", False),
        ("a=1", "https://sub.api.shop.example/v1/x", False),
        ("a=1; Domain=shop.example", "https://shop.example/v1/x", True),
        ("a=1; Domain=shop.example", "https://other.shop.example/v1/x", True),
        ("a=1; Domain=shop.example", "https://evilshop.example/v1/x", False),
        ("a=1", "https://api.shop.example/v1", True),
        ("a=1", "https://api.shop.example/v1/deep/er", True),
        ("a=1", "https://api.shop.example/v10", False),
        ("a=1", "https://api.shop.example/", False),
        ("a=1; Path=/", "https://api.shop.example", True),
        ("a=1", "http://api.shop.example/v1/x", True),
        ("a=1; Secure", "http://api.shop.example/v1/x", False),
        ("a=1; Secure", "https://API.shop.example:8443/v1/x", True),
    ],
)
def test_a_cookie_goes_where_it_belongs_and_nowhere_else(line: str, url: str, sent: bool) -> None:
    assert jar_with(line).header(url) == ("a=1" if sent else "")


def test_an_address_has_no_subdomains() -> None:
    url = "http://127.0.0.1:8480/x"
    assert jar_with("a=1; Domain=127.0.0.1", url=url).header(url) == "a=1"
    assert jar_with("a=1; Domain=0.0.1", url=url).header(url) == ""
    assert jar_with("a=1; Domain=localhost", url="http://localhost/").header("http://localhost/") == "a=1"


def test_a_secure_cookie_cannot_be_set_over_plain_http() -> None:
    assert jar_with("a=1; Secure", url="http://api.shop.example/").header("https://api.shop.example/") == ""


def test_longer_paths_come_first_and_then_the_older_cookie() -> None:
    jar = jar_with("a=1; Path=/", "b=2; Path=/v1", "c=3; Path=/v1", "a=4; Path=/")
    assert jar.header("https://api.shop.example/v1/x") == "b=2; c=3; a=4"


def test_what_has_changed_can_be_restored_in_another_jar() -> None:
    jar, other = CookieJar(), CookieJar()
    for lines in (("a=1", "b=2"), ("a=3; Max-Age=0", "c=4"), ("b=5",)):
        changed = jar.store(URL, tuple(("set-cookie", line) for line in lines))
        assert len(changed) == len(lines)
        other.restore(changed)
    assert jar.header(URL) == other.header(URL) == "b=5; c=4"


def test_a_jar_is_bounded() -> None:
    jar = jar_with(*(f"n{number}=x" for number in range(1000)))
    assert jar.header(URL).count("=") == 300
    assert jar.header(URL).endswith("n999=x")
