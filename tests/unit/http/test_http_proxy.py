"""What a proxy is told, and how its answer to CONNECT is read; without any connection."""

from __future__ import annotations

from typing import Any

import pytest

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.engines.proxy import Proxy, Tunnel
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportResponse
from reqflo_ray._internal.model.plan import HttpSettings

OPEN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"


def proxy(user: str = "", password: str = "", **settings: Any) -> Proxy:
    given = HttpSettings(**{"proxy": "http://proxy.example:3128", **settings})
    return Proxy(given, lambda: (user, password))


def test_a_tunnel_is_asked_for_by_host_and_port() -> None:
    assert Tunnel(proxy(user_agent="ours/1"), "[::1]:443").request == (
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: ours/1\r\n\r\n"
    )


def test_credentials_go_to_the_proxy_as_basic_in_utf_8() -> None:
    told = Tunnel(proxy("us\u00ebr", "p:ss"), "api.example:443").request
    assert b"\r\nProxy-Authorization: Basic dXPDq3I6cDpzcw==\r\n" in told


def test_credentials_are_asked_for_when_they_are_needed_and_once() -> None:
    asked = []

    def login() -> tuple[str, str]:
        asked.append(1)
        return "user", "hunter2"

    made = Proxy(HttpSettings(proxy="http://proxy.example"), login)
    assert asked == []
    assert made.authorization == made.authorization == "Basic dXNlcjpodW50ZXIy"
    assert asked == [1]


def test_neither_the_proxy_nor_a_tunnel_shows_its_credentials() -> None:
    made = proxy("user", "hunter2")
    tunnel = Tunnel(made, "api.example:443")
    assert made.authorization in tunnel.request.decode()
    assert "hunter2" not in f"{made!r}{tunnel!r}"
    assert "aHVudGVyMg" not in f"{made!r}{tunnel!r}"


@pytest.mark.parametrize("head", [OPEN, b"HTTP/1.0 299\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" + OPEN])
def test_a_whole_head_opens_a_tunnel_wherever_it_is_cut(head: bytes) -> None:
    for cut in range(1, len(head)):
        tunnel = Tunnel(proxy(), "api.example:443")
        assert not tunnel.feed(head[:cut])
        assert tunnel.feed(head[cut:])
    tunnel = Tunnel(proxy(), "api.example:443")
    assert [tunnel.feed(bytes([byte])) for byte in head].index(True) == len(head) - 1


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"HTTP/1.1 199 x\r\n\r\nHTTP/1.1 300 x\r\n\r\n", "answered 300"),
        (b"HTTP/1.1 101 x\r\n\r\n", "answered 101"),
        (b"HTTP/1.1 407 x\r\n\r\n", "asks for credentials (407)"),
        (b"HTTP/1.1 407 x\r\nproxy-authenticate:Basic\r\n\r\n", "asks for credentials (407)"),
        (b"HTTP/1.1 407 x\r\nProxy-Authenticate: Digest a=b\r\n\r\n", "other than Basic (407)"),
        (OPEN + b"x", "sent more than its answer"),
        (b"ICY 200 OK\r\n\r\n", "did not answer with HTTP"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "did not answer with HTTP"),
        (b"http/1.1 200 OK\r\n\r\n", "did not answer with HTTP"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "did not answer with HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000, "answered with a head of more than 65536 bytes"),
    ],
)
def test_every_other_answer_is_a_failure_of_the_proxy(answer: bytes, what: str) -> None:
    with pytest.raises(ExchangeError) as caught:
        Tunnel(proxy(), "api.example:443").feed(answer)
    assert caught.value.kind is FailureKind.PROXY
    assert caught.value.message.startswith("api.example:443 was not reached: the proxy ")
    assert caught.value.message.endswith(what)
    assert caught.value.shown == (answer.strip().partition(b"\r\n")[0] if "with HTTP" in what else b"")


def test_credentials_that_were_given_were_not_accepted() -> None:
    with pytest.raises(ExchangeError) as caught:
        Tunnel(proxy("user", "hunter2"), "api.example:443").feed(b"HTTP/1.1 407 x\r\n\r\n")
    assert caught.value.message.endswith("the proxy does not accept the credentials (407)")


@pytest.mark.parametrize(("status", "refused"), [(407, True), (200, False), (502, False), (403, False)])
def test_of_forwarded_answers_only_407_is_surely_the_proxys(status: int, refused: bool) -> None:
    response = TransportResponse(status=status, reason="", headers=(("A", "\xe9"),), body=b"", wire_size=0)
    if not refused:
        proxy().check_forwarded("api.example:80", response)
        return
    with pytest.raises(ExchangeError, match=r"api.example:80 was not reached: the proxy asks for credentials \(407\)"):
        proxy().check_forwarded("api.example:80", response)


@pytest.mark.parametrize("settings", [{"proxy": "http://user:hunter2@h"}, {"proxy_bypass": ("http://hunter2",)}])
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError) as caught:
        proxy(**settings)
    assert caught.value.code == "invalid_proxy"
