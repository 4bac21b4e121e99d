"""How a proxy is named, and which hosts are asked without it."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.model.http.proxy import Bypass, ProxyUrl, parse_proxy_url, unsupported_scheme


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("http://proxy", ProxyUrl("http", "proxy", 80)),
        ("http://Proxy.Example:3128/", ProxyUrl("http", "proxy.example", 3128)),
        ("HTTPS://proxy", ProxyUrl("https", "proxy", 443)),
        ("socks5h://10.0.0.1", ProxyUrl("socks5h", "10.0.0.1", 1080)),
        ("http://[::1]:8080", ProxyUrl("http", "::1", 8080)),
        ("http://b\u00fccher.example", ProxyUrl("http", "xn--bcher-kva.example", 80)),
        ("http://fa\u00df.example", ProxyUrl("http", "xn--fa-hia.example", 80)),
        ("http://proxy.example.:1", ProxyUrl("http", "proxy.example.", 1)),
        ("http://h:", ProxyUrl("http", "h", 80)),
        ("ftp://h", ProxyUrl("ftp", "h", 1)),
    ],
)
def test_a_url_names_scheme_host_and_port(text: str, parsed: ProxyUrl) -> None:
    assert parse_proxy_url(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "proxy:3128",
            "//proxy",
            "http://",
            "http://:80",
            "http:///x",
            "http://h/path",
            "http://h?q",
            "http://h#f",
        ),
        *(
            "http://h:0",
            "http://h:65536",
            "http://h:123456",
            "http://h:8o",
            "http://user:hunter2@h",
            "http://hunter2@h",
        ),
        *("http://[::1", "http://[nowhere]", "http://[10.0.0.1]", "http://a b", "http://-h", "http://h h"),
        *("http://\ud83d", "http://" + "a" * 254, "http://h\n"),
    ],
)
def test_what_is_no_url_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^its? ") as caught:
        parse_proxy_url(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "asked_directly", "through_the_proxy"),
    [
        (
            "example.com",
            "example.com EXAMPLE.com. api.example.com a.b.example.com",
            "notexample.com example.com.evil com",
        ),
        (".example.com", "api.example.com a.b.example.com", "example.com notexample.com"),
        ("*.example.com", "api.example.com", "example.com notexample.com"),
        ("Example.COM.", "example.com api.example.com", "example.org"),
        ("intranet", "intranet x.intranet", "intranet2"),
        ("b\u00fccher.example", "xn--bcher-kva.example", "bucher.example"),
        ("10.1.2.3", "10.1.2.3 ::ffff:10.1.2.3", "10.1.2.30 110.1.2.3 x.10.1.2.3"),
        ("10.0.0.0/8", "10.0.0.0 10.255.255.255 ::ffff:10.9.9.9", "11.0.0.1 10.example.com ::1"),
        ("10.1.2.3/8", "10.9.9.9", "11.1.2.3"),
        ("fd00::/8", "fd00::1 fdff::", "fe00::1 10.0.0.1"),
        ("::1", "::1 0:0:0:0:0:0:0:1", "::2 127.0.0.1"),
        ("[fd00::1]", "fd00::1 fd00::1%eth0", "fd00::2"),
        (
            "localhost",
            "localhost api.localhost 127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1",
            "localhost.evil 128.0.0.1 ::2",
        ),
        ("*", "example.com 10.0.0.1 ::1", ""),
        ("a.example, b.example\t10.0.0.1,,", "a.example b.example 10.0.0.1", "c.example"),
        ("", "", "example.com"),
    ],
)
def test_a_host_is_asked_directly_if_an_entry_names_it(entry: str, asked_directly: str, through_the_proxy: str) -> None:
    bypass = Bypass((entry,))
    assert [host for host in asked_directly.split() if not bypass.covers(host, 443)] == []
    assert [host for host in through_the_proxy.split() if bypass.covers(host, 443)] == []


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("example.com:8443", "example.com"),
        (".example.com:8443", "x.example.com"),
        ("10.0.0.1:8443", "10.0.0.1"),
        ("[::1]:8443", "::1"),
        ("localhost:8443", "127.0.0.1"),
    ],
)
def test_a_port_in_an_entry_counts(entry: str, host: str) -> None:
    bypass = Bypass((entry,))
    assert bypass.covers(host, 8443)
    assert not bypass.covers(host, 443)
    assert not bypass.covers(host, 84)


def test_entries_add_up() -> None:
    bypass = Bypass(("a.example:1", "a.example:2", "10.0.0.0/8"))
    assert [bypass.covers("a.example", port) for port in (1, 2, 3)] == [True, True, False]
    assert bypass.covers("10.1.1.1", 3)
    assert not Bypass(()).covers("a.example", 1)


@pytest.mark.parametrize(
    "entry",
    [
        *("http://h", "h/path", "10.0.0.0/33", "fd00::/129", "*.*.example", "a*.example", "*example", "..x", "."),
        *("h:0", "h:65536", "h:http", ":80", "[::1", "[h]", "a@b", "-h", "a..b", "10.0.0.0/8:80", "**", "*.", "h?"),
        "good.example, http://bad.example",
    ],
)
def test_what_names_no_host_is_refused_by_name(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a host name, address, or network") as caught:
        Bypass((entry,))
    assert f"`{entry.split(', ')[-1]}`" in str(caught.value)


@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_each_engine_says_which_proxies_it_can_use(engine: str) -> None:
    assert unsupported_scheme(engine, "http") is None
    assert unsupported_scheme(engine, "https") is None
    assert (unsupported_scheme(engine, "socks5") is None) is (engine == "httpx")
    message, hint = unsupported_scheme(engine, "ftp") or ("", "")
    assert "`ftp://` proxies" in message
    assert hint == "use an `http://` proxy"
