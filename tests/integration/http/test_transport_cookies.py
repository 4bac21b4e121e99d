"""Cookies on the way: every hop takes and gives those of its own URL, on every engine alike (RFC 6265, 3 and 5.4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from reqflo_ray._internal.runner.execute.row.cookies import RowCookies

LABORATORY = Any
TAKE = Any

NOW_US = 1_800_000_000_000_000


class Row:
    """A row's cookies and what was logged of them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.cookies = RowCookies(lambda: NOW_US, lambda kind, text: self.log.append(f"{kind}: {text}"))


def cookie_lines(request: Any) -> list[str]:
    return [value for name, value in request.headers if name.lower() == "cookie"]


@pytest.mark.parametrize("code", [302, 303, 307])
def test_a_cookie_of_a_redirect_goes_with_its_next_hop(laboratory: LABORATORY, answered: TAKE, code: int) -> None:
    async def scenario(bench: Any) -> None:
        row = Row()
        exchange = await bench.send(
            f"/redirect?code={code}&to=/plain&cookie={quote('sid=abc; Path=/; HttpOnly')}", "POST", cookies=row.cookies
        )
        assert answered(exchange).status == 200
        first, second = bench.server.received
        assert (cookie_lines(first), cookie_lines(second)) == ([], ["sid=abc"])
        assert ("Cookie", "sid=abc") in exchange.request_headers
        assert [cookie.value for cookie in row.cookies.take_changes()] == ["abc"]
        await bench.send("/plain", cookies=row.cookies)
        assert cookie_lines(bench.server.received[-1]) == ["sid=abc"]

    laboratory.run(scenario, max_redirects=3)


def test_each_hop_gets_the_cookies_of_its_own_path_and_host(laboratory: LABORATORY, answered: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        row = Row()
        head = b"Set-Cookie: app=A; Path=/plain\r\nSet-Cookie: auth=B; Path=/redirect\r\nSet-Cookie: all=C; Path=/\r\n"
        await bench.send(bench.server.serve("/set", head, b""), cookies=row.cookies)
        for host, last in (("127.0.0.1", ["app=A; all=C"]), ("localhost", [])):
            where = quote(bench.server.url("/plain", host=host))
            answered(await bench.send(f"/redirect?to={where}", cookies=row.cookies))
            assert [cookie_lines(request) for request in bench.server.received[-2:]] == [["auth=B; all=C"], last]

    laboratory.run(scenario, max_redirects=3)


def test_a_cookie_that_the_request_has_itself_is_merged_and_wins(laboratory: LABORATORY, answered: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        row = Row()
        head = b"Set-Cookie: a=jar; Path=/\r\nSet-Cookie: b=jar; Path=/\r\n"
        await bench.send(bench.server.serve("/set", head, b""), cookies=row.cookies)
        own = (("cookie", "a=mine"), ("X-A", "1"), ("Cookie", "c=mine"))
        there = quote(bench.server.url("/plain", host="localhost"))
        for target, last in (("/plain", "a=mine; c=mine; b=jar"), (there, None)):
            answered(await bench.send(f"/redirect?to={target}", headers=own, cookies=row.cookies))
            first, second = bench.server.received[-2:]
            assert (cookie_lines(first), first.header("X-A")) == (["a=mine; c=mine; b=jar"], "1")
            assert cookie_lines(second) == ([] if last is None else [last])
        await bench.send("/plain", headers=own)
        assert cookie_lines(bench.server.received[-1]) == ["a=mine; c=mine"]

    laboratory.run(scenario, max_redirects=3)


def test_the_cookies_of_an_answer_that_failed_are_kept_too(laboratory: LABORATORY, failed: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        row = Row()
        body = b"x" * 2000
        url = bench.server.serve("/large", b"Set-Cookie: sid=1; Path=/\r\n", body)
        failed(await bench.send(url, cookies=row.cookies))
        await bench.send("/plain", cookies=row.cookies)
        assert cookie_lines(bench.server.received[-1]) == ["sid=1"]
        failed(
            await bench.send(f"/redirect?to=/redirect%3Fto=/plain&cookie={quote('two=2; Path=/')}", cookies=row.cookies)
        )
        assert [cookie.name for cookie in row.cookies.take_changes()] == ["sid", "two"]

    laboratory.run(scenario, max_redirects=1, max_body_bytes=1000)


def test_a_cookie_that_is_not_kept_is_told_without_its_value(laboratory: LABORATORY, answered: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        row = Row()
        to = quote(bench.server.url("/plain"))
        cookie = quote("sid=s3cr3t; Domain=other.example")
        answered(await bench.send(f"/redirect?to={to}&cookie={cookie}", cookies=row.cookies))
        why = "its Domain `other.example` is neither 127.0.0.1 nor above it"
        assert row.log == [f"cookie: the cookie `sid` from 127.0.0.1 is ignored: {why}"]
        assert row.cookies.take_changes() == ()

    laboratory.run(scenario, max_redirects=3)


def test_a_secure_cookie_of_this_machine_comes_back(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        row = Row()
        head = b"Set-Cookie: sid=1; Path=/; Secure; HttpOnly; SameSite=None\r\n"
        for host in ("127.0.0.1", "localhost"):
            bench.server.serve("/set", head, b"")
            await bench.send(bench.server.url("/set", host=host), cookies=row.cookies)
            await bench.send(bench.server.url("/plain", host=host), cookies=row.cookies)
            assert cookie_lines(bench.server.received[-1]) == ["sid=1"]

    laboratory.run(scenario)
