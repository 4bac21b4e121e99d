"""The fake API under the transport of a run: which answer is given to what, what is refused, what is recorded."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections import Counter
from typing import Any

import pytest

from reqflo_ray import UsageError
from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.model.http.exchange import Exchange, TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import HttpSettings
from reqflo_ray.testing import Answer, FakeApi, Request

ORIGIN = "https://api.example"


def exchanges(api: FakeApi, *requests: TransportRequest, **settings: Any) -> list[Exchange]:
    """What comes of requests that are all under way at once."""

    async def send() -> list[Exchange]:
        transport = create_transport(HttpSettings(**settings), limit=4, api=api)
        try:
            return await asyncio.gather(*map(transport.send, requests))
        finally:
            await transport.close()

    return asyncio.run(send())


def request(method: str = "GET", path: str = "/orders", **fields: Any) -> TransportRequest:
    return TransportRequest(method=method, url=path if "://" in path else ORIGIN + path, **fields)


def answered(api: FakeApi, asked: TransportRequest, **settings: Any) -> TransportResponse:
    (exchange,) = exchanges(api, asked, **settings)
    assert exchange.response is not None, exchange.failure
    return exchange.response


def failed(api: FakeApi, asked: TransportRequest, **settings: Any) -> tuple[str, str, bool]:
    """Code and text of the failure, and whether the request may have arrived."""
    (exchange,) = exchanges(api, asked, **settings)
    assert exchange.failure is not None
    return exchange.failure.kind.value, exchange.failure.message, exchange.failure.sent


def test_an_answer_is_given_as_it_was_scripted() -> None:
    api = FakeApi()
    api.answer("POST", "/orders", status=201, json={"id": "ü", "total": 1.5}, headers={"X-Trace": "t"})
    response = answered(api, request("POST"))
    assert (response.status, response.reason) == (201, "Created")
    assert json.loads(response.body) == {"id": "ü", "total": 1.5}
    assert dict(response.headers) == {
        "X-Trace": "t",
        "content-type": "application/json",
        "content-length": str(len(response.body)),
    }


@pytest.mark.parametrize(("body", "sent"), [(b"\x00\xff", b"\x00\xff"), ("größer", "größer".encode()), (b"", b"")])
def test_a_body_goes_out_as_it_is(body: bytes | str, sent: bytes) -> None:
    api = FakeApi()
    api.answer("GET", "/orders", body=body)
    response = answered(api, request())
    assert response.body == sent and "content-type" not in dict(response.headers)


def test_json_null_is_a_body() -> None:
    api = FakeApi()
    api.answer("GET", "/orders", json=None)
    assert answered(api, request()).body == b"null"


def test_what_is_given_as_a_header_is_not_added_again() -> None:
    api = FakeApi()
    api.answer("GET", "/orders", json={}, headers={"Content-Type": "application/hal+json", "Content-Length": "2"})
    assert answered(api, request()).headers == (("Content-Type", "application/hal+json"), ("Content-Length", "2"))


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/orders/:id", "/orders/7", {"id": "7"}),
        ("/orders/:id", "/orders/a%2Fb%20c", {"id": "a/b c"}),
        ("/orders/:id", "/orders/7?expand=lines", {"id": "7"}),
        ("/:kind/:id/lines", "/orders/7/lines", {"kind": "orders", "id": "7"}),
        ("/", "/", {}),
        ("/", "", {}),
        ("/v1/orders:batch", "/v1/orders:batch", {}),
        ("/a.b", "/a.b", {}),
        ("https://api.example/orders/:id", "/orders/7", {"id": "7"}),
        ("https://api.example", "/", {}),
    ],
)
def test_a_path_fits_by_its_segments(pattern: str, path: str, params: dict[str, str]) -> None:
    api = FakeApi()
    api.answer("GET", pattern, json=1)
    assert answered(api, request(path=path)).status == 200
    assert api.requests[0].params == params


@pytest.mark.parametrize(
    ("pattern", "asked"),
    [
        ("/orders/:id", request(path="/orders")),
        ("/orders/:id", request(path="/orders/")),
        ("/orders/:id", request(path="/orders/7/lines")),
        ("/orders", request(path="/orders/")),
        ("/orders", request("POST")),
        ("/a.b", request(path="/axb")),
        ("https://api.example/orders", request(path="http://api.example/orders")),
        ("https://api.example/orders", request(path="https://other.example/orders")),
    ],
)
def test_what_no_answer_fits_fails_and_lists_them(pattern: str, asked: TransportRequest) -> None:
    api = FakeApi()
    api.answer("GET", pattern)
    code, message, sent = failed(api, asked)
    assert code == "unexpected_request" and not sent
    assert message.startswith(f"no answer is scripted for `{asked.method} /")
    assert message.endswith(f"; scripted answers: `GET {pattern}`")
    assert len(api.requests) == 1


def test_a_query_with_a_secret_is_not_told() -> None:
    _, message, _ = failed(FakeApi(), request(path="/orders?token=made-up-secret"))
    assert message == "no answer is scripted for `GET /orders`; no answers are scripted"


def test_a_long_script_is_told_by_its_first_answers() -> None:
    api = FakeApi()
    for number in range(12):
        api.answer("GET", f"/{number}")
    _, message, _ = failed(api, request())
    assert message.endswith("`GET /9` and 2 more")


def test_answers_are_given_in_their_order_as_often_as_they_say() -> None:
    api = FakeApi()
    api.answer("GET", "/orders", status=503, times=2)
    api.answer("GET", "/orders", status=200, times=1)
    assert [answered(api, request()).status for _ in range(3)] == [503, 503, 200]
    _, message, _ = failed(api, request())
    told = "`GET /orders` (2 of 2 used), `GET /orders` (1 of 1 used)"
    assert message == f"all answers to `GET /orders` are used up; scripted answers: {told}"


def test_the_first_answer_that_fits_is_given() -> None:
    api = FakeApi()
    api.answer("GET", "/orders/latest", json="latest")
    api.answer("GET", "/orders/:id", json="any")
    assert [answered(api, request(path=f"/orders/{name}")).body for name in ("latest", "7")] == [b'"latest"', b'"any"']


def test_a_function_answers_by_what_was_asked() -> None:
    api = FakeApi()

    def double(asked: Request) -> Answer:
        return Answer(201, json=[asked.json()["n"] * 2, asked.params["id"], asked.query, asked.headers["x-a"]])

    api.answer("PUT", "/n/:id", by=double)
    asked = request("PUT", "/n/a?b=1&b=2&c=", body=b'{"n": 4}', headers=(("X-A", "1"), ("x-a", "2")))
    assert json.loads(answered(api, asked).body) == [8, "a", {"b": ["1", "2"], "c": [""]}, "1, 2"]


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (lambda asked: asked.json()["total"], "raised KeyError: 'total'"),
        (lambda asked: {"id": 1}, "returned a `dict`, expected an `Answer`"),
        (lambda asked: Answer(99), "raised UsageError: `status` is 99, expected a number from 200 to 599"),
    ],
)
def test_what_a_function_does_wrong_ends_the_request(by: Any, told: str) -> None:
    api = FakeApi()
    api.answer("POST", "/orders", by=by)
    code, message, _ = failed(api, request("POST", body=b"{}"))
    assert (code, message) == ("unexpected_request", f"the function that answers `POST /orders` {told}")


@pytest.mark.parametrize("code", ["connection_refused", "host_unreachable", "dns_failure", "tls_failure"])
def test_a_connection_that_fails_has_sent_nothing(code: str) -> None:
    api = FakeApi()
    api.fail("POST", "/orders", code)
    assert failed(api, request("POST"))[::2] == (code, False)


@pytest.mark.parametrize("code", ["read_timeout", "deadline_exceeded", "connection_closed", "short_body"])
def test_an_answer_that_does_not_come_leaves_the_outcome_open(code: str) -> None:
    api = FakeApi()
    api.fail("POST", "/orders", code)
    got, message, sent = failed(api, request("POST"))
    assert (got, sent) == (code, True)
    assert message.startswith("api.example ") and message.endswith(" (scripted)")


def test_a_failure_gives_way_to_the_next_answer() -> None:
    api = FakeApi()
    api.fail("GET", "/orders", times=1)
    api.answer("GET", "/orders", json=1)
    assert failed(api, request())[0] == "connection_closed"
    assert answered(api, request()).status == 200
    assert [asked.path for asked in api.requests] == ["/orders"] * 2


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_where_no_body_can_come_none_does(method: str, status: int) -> None:
    api = FakeApi()
    api.answer(method, "/orders", status=status, json={"a": 1})
    assert answered(api, request(method)).body == b""


def test_a_coded_body_is_decoded_as_on_the_wire() -> None:
    api = FakeApi()
    coded = gzip.compress(b"[1]")
    api.answer("GET", "/orders", body=coded, headers={"Content-Encoding": "gzip"})
    response = answered(api, request())
    assert (response.body, response.wire_size) == (b"[1]", len(coded))


@pytest.mark.parametrize(
    ("body", "code"),
    [(gzip.compress(bytes(2000), mtime=0), "body_too_large"), (b"x", "protocol_error")],
    ids=["large", "not gzip"],
)
def test_a_body_that_no_engine_takes_is_not_taken(body: bytes, code: str) -> None:
    api = FakeApi()
    api.answer("GET", "/orders", body=body, headers={"Content-Encoding": "gzip"})
    assert failed(api, request(), max_body_bytes=1000)[0] == code


def test_redirects_are_followed_as_on_the_wire() -> None:
    api = FakeApi()
    api.answer("GET", "/old", status=302, headers={"Location": "/new"})
    api.answer("GET", "/new", json="here")
    assert answered(api, request(path="/old")).status == 302
    assert answered(api, request(path="/old"), max_redirects=1).body == b'"here"'


def test_a_host_that_may_not_be_called_is_not() -> None:
    api = FakeApi()
    api.answer("GET", "/orders")
    assert failed(api, request(allowed_hosts=("other.example",)))[0] == "target_blocked"
    assert failed(api, request(path="http://169.254.169.254/orders"))[0] == "target_blocked"
    assert api.requests == ()


def test_a_request_is_recorded_as_it_would_have_gone_out() -> None:
    api = FakeApi()
    api.answer("POST", "/orders")
    exchanges(api, request("POST", "/orders?a=1", body=b"{}", headers=(("Authorization", "Bearer made-up"),)))
    (seen,) = api.requests
    assert (seen.method, seen.url, seen.body) == ("POST", ORIGIN + "/orders?a=1", b"{}")
    assert seen.headers["host"] == "api.example" and seen.headers["content-length"] == "2"
    assert repr(seen) == "<Request POST /orders>"


def test_no_answer_is_given_twice_to_requests_of_many_threads() -> None:
    api = FakeApi()
    for number in range(4):
        api.answer("GET", "/orders", json=number, times=50)
    bodies: list[bytes] = []

    def ask() -> None:
        for exchange in exchanges(api, *[request()] * 50):
            assert exchange.response is not None
            bodies.append(exchange.response.body)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(bodies) == {b"%d" % number: 50 for number in range(4)}
    assert len(api.requests) == 200


@pytest.mark.parametrize(
    ("method", "path", "facts", "told"),
    [
        ("get", "/orders", {}, "`get` is not a known method"),
        ("GET", "orders", {}, "`orders` is not a path"),
        ("GET", "", {}, "`` is not a path"),
        ("GET", "ftp://host/orders", {}, "`ftp://host/orders` is not a path"),
        ("GET", "/orders?a=1", {}, "`/orders?a=1` has a query or a fragment"),
        ("GET", "/:id/:id", {}, "`/:id/:id` names `:id` twice"),
        ("GET", "/orders", {"times": 0}, "`GET /orders` is never answered: `times` is 0"),
        ("GET", "/orders", {"by": Answer, "status": 201}, "cannot have both a function `by` and values"),
    ],
)
def test_a_script_that_could_never_play_is_refused(method: str, path: str, facts: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        FakeApi().answer(method, path, **facts)
    assert refused.value.code == "invalid_script" and refused.value.hint
    assert told in refused.value.message


def test_an_answer_behind_one_that_is_always_given_is_refused() -> None:
    api = FakeApi()
    api.answer("GET", "/orders/:id")
    api.answer("POST", "/orders/:id")
    api.answer("GET", "/orders/7")
    with pytest.raises(UsageError, match=r"an earlier script always answers `GET /orders/:id`"):
        api.fail("GET", "/orders/:id")


@pytest.mark.parametrize(
    "facts",
    [
        {"status": 99},
        {"status": 600},
        {"status": True},
        {"status": "200"},
        {"json": {1, 2}},
        {"json": float("nan")},
        {"json": 1, "body": b"1"},
        {"body": 7},
        {"headers": {"X A": "1"}},
        {"headers": {"X-A": "1\r\nX-B: 2"}},
        {"headers": {"X-A": 1}},
    ],
)
def test_an_answer_that_cannot_be_sent_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        FakeApi().answer("GET", "/orders", **facts)
    assert refused.value.code == "invalid_answer" and refused.value.hint


@pytest.mark.parametrize("code", ["", "refused", "too_many_open_files", "unexpected_request", "body_too_large"])
def test_a_failure_that_cannot_be_scripted_is_refused(code: str) -> None:
    with pytest.raises(UsageError, match="is not a known code of a failure") as refused:
        FakeApi().fail("GET", "/orders", code)
    assert "connection_refused" in refused.value.hint
