from __future__ import annotations

import pytest

from reqflo_ray._internal.engine.requests.cookies import CookieJar, Received

URL = "https://api.shop.example/v1/login"
DATE = ("Date", "Thu, 01 Jan 2026 00:00:00 GMT")
SECOND = 1_000_000
# The clock of this machine, which is a year behind.
NOW = 1_735_689_600 * SECOND


def received(jar: CookieJar, *lines: str, url: str = URL, now: int = NOW) -> Received:
    return jar.store(url, (DATE, *(("Set-Cookie", line) for line in lines)), now)


def jar_with(*lines: str, url: str = URL) -> CookieJar:
    jar = CookieJar()
    received(jar, *lines, url=url)
    return jar


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("a=1", "a=1"), ("a=1; HttpOnly; SameSite=Lax", "a=1"), (' a = "x y" ;Path=/', 'a="x y"'), ("a=", "a="),
        ("a=b=c", "a=b=c"), ("a=1; Max-Age=10", "a=1"), ("a=1; Expires=Fri, 02 Jan 2026 00:00:00 GMT", "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=10", "a=1"), ("a=1; Expires=nonsense", "a=1"),
        ("a=1; Domain=shop.example", "a=1"), ("a=1; Domain=.SHOP.example", "a=1"), ("a=1; Domain=", "a=1"),
        ("a=1; Domain=x; Domain=shop.example", "a=1"), ("a=1; Path=relative", "a=1"),
        ("a=1, b=2; Path=/", "a=1, b=2"), ('a="x;y"', 'a="x'), ("a=1; SameSite=None", "a=1"), ("ä=ö", "ä=ö"),
        ("a=1; Max-Age=ten", "a=1"), ("a=1; Max-Age=10; Max-Age=x", "a=1"), ("a=1; Max-Age=9" + "9" * 30, "a=1"),
        ("a=1; Domain=" + "x" * 2000, "a=1"), ("a=\tb\t", "a=b"), ("__Secure-a=1; Secure", "__Secure-a=1"),
        ("__Host-a=1; Secure; Path=/", "__Host-a=1"), ("a=1; secure; PATH=/V2; path=/v1", "a=1"), ("a='", "a='"),
    ],
)  # fmt: skip
def test_a_cookie_that_is_kept_and_sent_back(line: str, sent: str) -> None:
    jar = CookieJar()
    assert received(jar, line).refused == ()
    assert jar.header("https://api.shop.example/v1/orders", NOW) == sent


@pytest.mark.parametrize(
    ("line", "name", "reason"),
    [
        ("", "", "no name"), ("a", "", "no name"), ("=1", "", "no name"), (";a=1", "", "no name"),
        ("a=1; Domain=example", "a", "whole top-level domain"),
        ("a=1; Domain=other.example", "a", "`other.example` is neither api.shop.example nor above it"),
        ("a=1; Domain=api.shop.example.evil", "a", "nor above it"),
        ("a=1; Domain=b.api.shop.example", "a", "nor above it"),
        ("a=1; Domain=op.example", "a", "nor above it"),
        ("a=1; Domain=" + "x" * 200, "a", "its Domain is neither"),
        ("a=\x01", "", "control character"), ("a=1\r\nX: y", "", "control character"), ("a=\x7f", "", "control"),
        ("a=" + "x" * 4096, "a", "more than 4096 bytes"), ("a=" + "ü" * 2048, "a", "more than 4096 bytes"),
        ("x" * 200 + "=1; Domain=example", "", "top-level"),
        ("__Secure-a=1", "__Secure-a", "requires Secure"), ("__SECURE-a=1; Path=/", "__SECURE-a", "requires Secure"),
        ("__Host-a=1; Path=/", "__Host-a", "requires Secure, Path=/, and no Domain"),
        ("__Host-a=1; Secure", "__Host-a", "requires"), ("__Host-a=1; Secure; Path=/v1", "__Host-a", "requires"),
        ("__Host-a=1; Secure; Path=/; Domain=api.shop.example", "__Host-a", "requires"),
    ],
)  # fmt: skip
def test_a_cookie_that_is_not_kept_says_why(line: str, name: str, reason: str) -> None:
    jar = CookieJar()
    changes, (refused,) = received(jar, line)
    assert (changes, refused.name) == ((), name)
    assert reason in refused.reason
    assert jar.header(URL, NOW) == ""


@pytest.mark.parametrize(
    "attribute",
    ["Max-Age=0", "Max-Age=-1", "max-age=00", "Expires=Wed, 31 Dec 2025 00:00:00 GMT", "Expires=1 Jan 1970 0:0:0",
     "Expires=Wed, 31 Dec 2025 00:00:00 GMT; Expires=never", "Max-Age=0; Max-Age=x",
     "Expires=Fri, 02 Jan 2026 00:00:00 GMT; Max-Age=0"],
)  # fmt: skip
def test_a_cookie_that_has_expired_deletes_the_one_there_was(attribute: str) -> None:
    jar = jar_with("a=1", "b=2")
    assert [cookie.value for cookie in received(jar, f"a=1; {attribute}").changes] == [None]
    assert jar.header(URL, NOW) == "b=2"


@pytest.mark.parametrize("attribute", ["Max-Age=10", "Expires=Thu, 01 Jan 2026 00:00:10 GMT"])
def test_a_cookie_lives_as_long_as_it_says_by_the_clock_of_its_sender(attribute: str) -> None:
    jar = jar_with(f"a=1; {attribute}")
    assert jar.header(URL, NOW + 9 * SECOND) == "a=1"
    assert jar.header(URL, NOW + 10 * SECOND) == ""


def test_an_expiry_without_a_date_counts_by_our_own_clock() -> None:
    jar = CookieJar()
    jar.store(URL, (("set-cookie", "a=1; Expires=Wed, 01 Jan 2025 00:00:10 GMT"),), NOW)
    assert jar.header(URL, NOW + 9 * SECOND) == "a=1"
    assert jar.header(URL, NOW + 10 * SECOND) == ""


@pytest.mark.parametrize(
    ("line", "url", "sent"),
    [
        ("a=1", "https://other.shop.example/v1/x", False),
        ("a=1", "https://sub.api.shop.example/v1/x", False),
        ("a=1; Domain=shop.example", "https://shop.example/v1/x", True),
        ("a=1; Domain=shop.example", "https://other.shop.example/v1/x", True),
        ("a=1; Domain=shop.example", "https://evilshop.example/v1/x", False),
        ("a=1; Domain=api.shop.example", "https://sub.api.shop.example/v1/x", True),
        ("a=1", "https://api.shop.example/v1", True),
        ("a=1", "https://api.shop.example/v1?q=/x", True),
        ("a=1", "https://api.shop.example/v1/deep/er", True),
        ("a=1", "https://api.shop.example/v10", False),
        ("a=1", "https://api.shop.example/V1/x", False),
        ("a=1", "https://api.shop.example/", False),
        ("a=1; Path=/v1/", "https://api.shop.example/v1", False),
        ("a=1; Path=/", "https://api.shop.example", True),
        ("a=1", "http://api.shop.example/v1/x", True),
        ("a=1; Secure", "http://api.shop.example/v1/x", False),
        ("a=1; Secure", "https://API.shop.example:8443/v1/x", True),
    ],
)
def test_a_cookie_goes_where_it_belongs_and_nowhere_else(line: str, url: str, sent: bool) -> None:
    assert jar_with(line).header(url, NOW) == ("a=1" if sent else "")


@pytest.mark.parametrize(
    ("url", "path"),
    [("https://h.example", "/"), ("https://h.example/", "/"), ("https://h.example/a", "/"),
     ("https://h.example/a/", "/a"), ("https://h.example/a/b?c=/d/e", "/a")],
)  # fmt: skip
def test_a_cookie_without_a_path_is_for_the_folder_of_its_url(url: str, path: str) -> None:
    (cookie,) = received(CookieJar(), "a=1", url=url).changes
    assert cookie.path == path


def test_an_address_has_no_subdomains() -> None:
    url = "http://127.0.0.1:8480/x"
    assert jar_with("a=1; Domain=127.0.0.1", url=url).header(url, NOW) == "a=1"
    assert jar_with("a=1; Domain=0.0.1", url=url).header(url, NOW) == ""
    assert jar_with("a=1; Domain=[::1]", url="http://[::1]:1/").header("http://[::1]:2/", NOW) == "a=1"
    assert jar_with("a=1; Domain=localhost", url="http://localhost/").header("http://localhost/", NOW) == "a=1"


@pytest.mark.parametrize(
    "origin", ["http://localhost:1", "http://LOCALHOST", "http://api.localhost", "http://127.0.0.1:8480", "http://[::1]",
               "http://127.8.9.10", "https://api.example"],
)  # fmt: skip
def test_a_secure_cookie_is_taken_and_sent_where_nobody_can_listen(origin: str) -> None:
    jar = jar_with("a=1; Secure", "__Host-b=2; Secure; Path=/", url=f"{origin}/")
    assert jar.header(f"{origin}/", NOW) == "a=1; __Host-b=2"


@pytest.mark.parametrize("host", ["api.example", "10.0.0.1", "localhost.example", "notlocalhost", "[::2]"])
def test_a_secure_cookie_cannot_be_set_over_plain_http(host: str) -> None:
    jar = CookieJar()
    (refused,) = received(jar, "a=1; Secure", url=f"http://{host}/").refused
    assert refused == ("a", "it is Secure, but came over plain HTTP")
    assert jar.header(f"https://{host}/", NOW) == ""


def test_plain_http_cannot_hide_a_secure_cookie() -> None:
    jar = jar_with("a=1; Secure; Path=/; Domain=shop.example")
    changes, refused = received(jar, "a=evil; Path=/v1", "b=2", url="http://api.shop.example/v1/x")
    assert ([cookie.name for cookie in changes], [one.name for one in refused]) == (["b"], ["a"])
    assert jar.header(URL, NOW) == "b=2; a=1"


def test_longer_paths_come_first_and_then_the_older_cookie() -> None:
    jar = jar_with("a=1; Path=/", "b=2; Path=/v1", "c=3; Path=/v1", "a=4; Path=/")
    received(jar, "b=5; Path=/v1")
    assert jar.header("https://api.shop.example/v1/x", NOW) == "b=5; c=3; a=4"


@pytest.mark.parametrize(
    ("own", "sent"),
    [("", "b=2; a=1"), ("x=0", "x=0; b=2; a=1"), ("a=mine; x=0", "a=mine; x=0; b=2"), ("A=mine", "A=mine; b=2; a=1"),
     ("b=; a = 3", "b=; a = 3"), ("opaque", "opaque; b=2; a=1")],
)  # fmt: skip
def test_what_the_request_says_itself_comes_first_and_wins(own: str, sent: str) -> None:
    assert jar_with("a=1; Path=/", "b=2").header(URL, NOW, own) == sent
    assert CookieJar().header(URL, NOW, own) == own


def test_what_has_changed_can_be_restored_in_another_jar() -> None:
    jar, other = CookieJar(), CookieJar()
    for lines in (("a=1", "b=2; Max-Age=20"), ("a=3; Max-Age=0", "c=4"), ("b=5; Max-Age=9", "d")):
        other.restore(received(jar, *lines).changes)
    for seconds, sent in ((0, "b=5; c=4"), (9, "c=4")):
        now = NOW + seconds * SECOND
        assert jar.header(URL, now) == other.header(URL, now) == sent


def test_a_jar_is_bounded() -> None:
    jar = CookieJar()
    refused = received(jar, *(f"n{number}=x" for number in range(1000))).refused
    assert refused == tuple((f"n{number}", "the row has 300 newer cookies") for number in range(700))
    assert jar.header(URL, NOW).count("=") == 300
    assert jar.header(URL, NOW).endswith("n999=x")
