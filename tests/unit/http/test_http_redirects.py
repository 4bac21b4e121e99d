"""The request that follows a redirect."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.http.engines.outgoing import Outgoing, prepare
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.http.redirects import is_redirect, next_hop
from reqflo_ray._internal.model.http.exchange import FailureKind, Headers, TransportRequest, TransportResponse

CREDENTIALS: Headers = (
    *(("Authorization", "Bearer x"), ("cookie", "a=b"), ("Proxy-Authorization", "Basic y")),
    *(("X-Api-Key", "k"), ("Api-Key", "k"), ("x-auth-token", "t"), ("X-Amz-Security-Token", "t")),
)


def answer(status: int, *locations: str) -> TransportResponse:
    headers = tuple(("location", location) for location in locations)
    return TransportResponse(status=status, reason="", headers=headers, body=b"", wire_size=0)


def follow(
    status: int,
    location: str,
    *,
    method: str = "GET",
    headers: Headers = (),
    body: bytes | None = None,
    private_headers: frozenset[str] = frozenset(),
    private_body: bool = False,
) -> Outgoing:
    request = TransportRequest(
        method=method,
        url="https://api.example.com/v1/a?b=c",
        headers=headers,
        body=body,
        private_headers=private_headers,
        private_body=private_body,
    )
    return next_hop(prepare(request, "agent"), answer(status, location), request, "agent")


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (302, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
def test_the_method_changes_as_the_standards_say(status: int, method: str, expected: str) -> None:
    following = follow(status, "/next", method=method, body=b"x", headers=(("Content-Type", "text/plain"),))
    assert following.method == expected
    kept = expected == method
    assert (following.body is not None) is kept
    assert ("Content-Type" in dict(following.headers)) is kept


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x", "https://api.example.com/x"),
        ("x", "https://api.example.com/v1/x"),
        ("../x?y", "https://api.example.com/x?y"),
        ("?q=2", "https://api.example.com/v1/a?q=2"),
        ("//other.example/x", "https://other.example/x"),
        ("http://other.example:81/x#f", "http://other.example:81/x"),
        ("/caf\u00e9", "https://api.example.com/caf%C3%A9"),
        ("/caf\udce9?\udcff", "https://api.example.com/caf%E9?%FF"),
    ],
)
def test_a_location_is_resolved(location: str, url: str) -> None:
    assert follow(302, location).target.url == url


def test_credentials_stay_within_the_origin() -> None:
    following = follow(307, "/next", headers=(*CREDENTIALS, ("X-Key", "1")))
    assert set(CREDENTIALS) <= set(following.headers)


@pytest.mark.parametrize(
    "location",
    ["https://evil.example/", "http://api.example.com/", "https://api.example.com:8443/", "https://example.com/"],
)
def test_credentials_never_cross_to_another_origin(location: str) -> None:
    following = follow(307, location, headers=(*CREDENTIALS, ("X-Trace", "1"), ("Host", "fake")))
    assert not set(CREDENTIALS) & set(following.headers)
    assert ("X-Trace", "1") in following.headers
    assert dict(following.headers)["Host"] == following.target.authority


OTHER_ORIGINS = ["https://evil.example/", "//evil.example", "http://api.example.com/", "https://api.example.com:8443/"]


@pytest.mark.parametrize("location", OTHER_ORIGINS)
def test_a_header_with_a_secret_never_crosses_to_another_origin(location: str) -> None:
    headers = (("X-Shop-Key", "s3cr3t"), ("X-Trace", "1"))
    following = follow(307, location, headers=headers, private_headers=frozenset({"x-shop-key"}))
    assert dict(following.headers).keys() & {"X-Shop-Key", "X-Trace"} == {"X-Trace"}
    assert "b=c" not in following.target.url  # nor does the query
    assert headers[0] in follow(307, "/x", headers=headers, private_headers=frozenset({"x-shop-key"})).headers


@pytest.mark.parametrize("location", OTHER_ORIGINS)
@pytest.mark.parametrize(("status", "method"), [(307, "POST"), (308, "POST"), (302, "PUT")])
def test_a_body_with_a_secret_is_not_sent_to_another_origin(status: int, method: str, location: str) -> None:
    with pytest.raises(ExchangeError) as caught:
        follow(status, location, method=method, body=b"s3cr3t", private_body=True)
    assert caught.value.kind is FailureKind.BLOCKED
    assert "redirects to another origin" in caught.value.message
    assert "use that origin in the URL" in caught.value.message
    assert "s3cr3t" not in caught.value.message


def test_a_body_with_a_secret_that_is_not_sent_again_blocks_nothing() -> None:
    for status, location in ((303, "https://other.example/"), (302, "https://other.example/"), (307, "/same")):
        following = follow(status, location, method="POST", body=b"s3cr3t", private_body=True)
        assert (following.body is None) is (status != 307)


def test_a_user_in_a_location_is_not_taken() -> None:
    following = follow(302, "https://root:pass@api.example.com/")
    assert "Authorization" not in dict(following.headers)
    assert "pass" not in following.target.url


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://h/", "gopher://h/", "javascript:alert(1)", "data:,x"]
)
def test_other_schemes_are_blocked(location: str) -> None:
    with pytest.raises(ExchangeError) as caught:
        follow(302, location)
    assert caught.value.kind is FailureKind.BLOCKED


@pytest.mark.parametrize("location", ["http://", "http://[::1", "http://h:99999/", "https://a b/"])
def test_a_location_that_is_no_url_breaks_the_protocol(location: str) -> None:
    with pytest.raises(ExchangeError) as caught:
        follow(302, location)
    assert caught.value.kind is FailureKind.PROTOCOL
    assert location not in caught.value.message


def test_an_odd_notation_of_a_blocked_address_is_blocked() -> None:
    with pytest.raises(ExchangeError) as caught:
        follow(302, "http://2852039166/")
    assert caught.value.kind is FailureKind.BLOCKED


def test_two_locations_break_the_protocol() -> None:
    first = prepare(TransportRequest(method="GET", url="http://h/"), "")
    with pytest.raises(ExchangeError) as caught:
        next_hop(first, answer(302, "/a", "/b"), TransportRequest(method="GET", url="http://h/"), "")
    assert caught.value.kind is FailureKind.PROTOCOL


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 404])
def test_other_statuses_are_no_redirect(status: int) -> None:
    assert not is_redirect(answer(status, "/x"))


def test_a_redirect_needs_a_location() -> None:
    assert not is_redirect(answer(302))
    assert not is_redirect(answer(302, ""))
    assert is_redirect(answer(302, "/x"))
