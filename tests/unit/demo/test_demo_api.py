"""The demo API answers as the reference workspace says, for good requests and for bad ones."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from reqflo_ray._internal.demo.api import DemoApi
from reqflo_ray._internal.demo.ledger import Ledger
from reqflo_ray._internal.demo.messages import Answer, Request
from reqflo_ray._internal.demo.server import ServerOptions
from reqflo_ray._internal.demo.shop import Shop
from reqflo_ray._internal.errors import UsageError

ORDER = {"customer_id": "cus-1", "total": 12.5, "sku": "SKU-4", "qty": 2}


class Client:
    """Calls an API in memory, with a token of its own."""

    def __init__(self, api: DemoApi | None = None) -> None:
        self.api = api or DemoApi(Shop(), Ledger(100))
        self.token = ""

    def send(self, method: str, target: str, body: Any = b"", **headers: str) -> Answer:
        path, _, query = target.partition("?")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token and "authorization" not in sent:
            sent["authorization"] = f"Bearer {self.token}"
        answer = self.api(Request(method, path, query, sent, data))
        assert isinstance(answer, Answer)
        return answer

    def log_in(self) -> Client:
        answer = self.send("POST", "/auth/token", {"client_id": "reqflo", "client_secret": "any"})
        self.token = json.loads(answer.body)["access_token"]
        return self


@pytest.fixture
def client() -> Client:
    return Client().log_in()


def test_a_token_is_issued_as_documented() -> None:
    answer = Client().send("POST", "/auth/token", {"client_id": "reqflo", "client_secret": "any"})
    document = json.loads(answer.body)
    assert answer.status == 200
    assert document.pop("access_token").startswith("tok_")
    assert document == {"token_type": "Bearer", "expires_in": 3600}


def test_an_order_is_created_and_read_back(client: Client) -> None:
    created = client.send("POST", "/orders", ORDER)
    assert created.status == 201
    assert json.loads(created.body) == {
        "order": {"id": "ord-00000001", **ORDER, "status": "created"},
    }
    read = client.send("GET", "/orders/ord-00000001")
    assert (read.status, read.body) == (200, created.body)
    assert client.send("GET", "/orders/ord%2D00000001").body == created.body


def test_sku_and_quantity_are_optional(client: Client) -> None:
    order = json.loads(client.send("POST", "/orders", {"customer_id": "c", "total": 1}).body)["order"]
    assert (order["sku"], order["qty"]) == (None, 1)


@pytest.mark.parametrize("total", ["287.00", "0.1", "-0", "1e400", "12345678901234567890.123456789012345678"])
def test_a_total_is_echoed_digit_by_digit(client: Client, total: str) -> None:
    answer = client.send("POST", "/orders", b'{"customer_id": "c", "total": %s }' % total.encode())
    assert answer.status == 201
    assert f'"total":{total},'.encode() in answer.body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"customer_id": "c", "total": 1',
        b'{"customer_id": 7, "total": 1} x',
        b'{"customer_id": 7,',
        b'\xff{"total": 1}',
        b"[" * 100_000,
    ],
)
def test_broken_json_is_400(client: Client, body: bytes) -> None:
    assert client.send("POST", "/orders", body).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        {"customer_id": "c"},
        {"total": 1},
        {"customer_id": None, "total": 1},
        {"customer_id": 7, "total": 1},
        {"customer_id": "c", "total": "1"},
        {"customer_id": "c", "total": None},
        {"customer_id": "c", "total": True},
        {"customer_id": "c", "total": [1]},
        {"customer_id": "c", "total": 1, "qty": "2"},
        {"customer_id": "c", "total": 1, "qty": True},
        {"customer_id": "c", "total": 1, "sku": 4},
    ],
)
def test_a_missing_or_wrong_field_is_422(client: Client, body: Any) -> None:
    answer = client.send("POST", "/orders", body)
    assert answer.status == 422
    assert json.loads(answer.body)["error"]["message"]


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer tok_", "Bearer tok_0000000100", "Basic dXNlcjpwYXNz", "Bearer tok_ä", "tok_1"],
)
def test_without_a_valid_token_nothing_is_done(client: Client, authorization: str) -> None:
    for method, path in (("POST", "/orders"), ("GET", "/orders/ord-00000001")):
        answer = client.send(method, path, ORDER, authorization=authorization)
        assert answer.status == 401
        assert b"www-authenticate" in answer.headers


def test_a_changed_token_is_refused(client: Client) -> None:
    for at in (5, 20, len(client.token) - 1):
        forged = client.token[:at] + ("0" if client.token[at] != "0" else "1") + client.token[at + 1 :]
        assert client.send("POST", "/orders", ORDER, authorization=f"Bearer {forged}").status == 401
    assert client.send("POST", "/orders", ORDER, authorization=f"Bearer {client.token}x").status == 401


def test_the_scheme_may_be_written_in_any_case(client: Client) -> None:
    assert client.send("POST", "/orders", ORDER, authorization=f"bearer {client.token}").status == 201


def test_a_token_outlives_a_restart_with_the_same_seed(client: Client) -> None:
    same, other = DemoApi(Shop(), Ledger(9)), DemoApi(Shop(seed=1), Ledger(9))
    bearer = f"Bearer {client.token}"
    assert Client(same).send("POST", "/orders", ORDER, authorization=bearer).status == 201
    assert Client(other).send("POST", "/orders", ORDER, authorization=bearer).status == 401


@pytest.mark.parametrize(
    ("given", "status"), [("right-secret", 200), ("wrong", 401), ("", 401), ("right-secret ", 401), ("\ud800", 400)]
)
def test_a_client_secret_that_is_set_must_be_given(given: str, status: int) -> None:
    client = Client(DemoApi(Shop(client_secret="right-secret"), Ledger(9)))
    assert client.send("POST", "/auth/token", {"client_id": "anyone", "client_secret": given}).status == status


@pytest.mark.parametrize("body", [{"client_id": "a"}, {"client_id": "a", "client_secret": 1}, {"client_secret": "a"}])
def test_a_token_request_with_a_field_missing_is_422(body: Any) -> None:
    assert Client().send("POST", "/auth/token", body).status == 422


@pytest.mark.parametrize("body", [{"client_id": "", "client_secret": "x"}, {"client_id": "x", "client_secret": ""}])
def test_an_empty_client_is_not_let_in(body: Any) -> None:
    assert Client().send("POST", "/auth/token", body).status == 401


def test_a_repeated_key_returns_the_first_order_again(client: Client) -> None:
    first = client.send("POST", "/orders", ORDER, idempotency_key="k1")
    again = client.send("POST", "/orders", ORDER, idempotency_key="k1")
    assert (again.status, again.body) == (201, first.body)
    assert b"idempotent-replayed: true" in again.headers
    assert client.send("POST", "/orders", ORDER, idempotency_key="k2").body != first.body


def test_a_key_with_another_body_is_422(client: Client) -> None:
    client.send("POST", "/orders", ORDER, idempotency_key="k1")
    assert client.send("POST", "/orders", {**ORDER, "total": 13}, idempotency_key="k1").status == 422


def test_a_refused_order_does_not_use_up_its_key(client: Client) -> None:
    assert client.send("POST", "/orders", b"{", idempotency_key="k1").status == 400
    assert client.send("POST", "/orders", {**ORDER, "total": "x"}, idempotency_key="k1").status == 422
    assert client.send("POST", "/orders", ORDER, idempotency_key="k1").status == 201


def test_a_key_without_a_token_is_401(client: Client) -> None:
    client.send("POST", "/orders", ORDER, idempotency_key="k1")
    assert client.send("POST", "/orders", ORDER, idempotency_key="k1", authorization="").status == 401


def test_the_oldest_orders_are_forgotten_beyond_the_capacity() -> None:
    client = Client(DemoApi(Shop(capacity=2), Ledger(9))).log_in()
    for _ in range(3):
        client.send("POST", "/orders", ORDER)
    assert [client.send("GET", f"/orders/ord-0000000{n}").status for n in (1, 2, 3)] == [404, 200, 200]


@pytest.mark.parametrize("path", ["/", "/order", "/orders/", "/orders/a/b", "/auth", "/flaky", "/Orders", "//orders"])
def test_an_unknown_path_is_404(client: Client, path: str) -> None:
    assert client.send("GET", path).status == 404


def test_an_unknown_order_is_404(client: Client) -> None:
    assert client.send("GET", "/orders/ord-99999999").status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/orders", "POST"),
        ("DELETE", "/orders/ord-1", "GET, HEAD"),
        ("GET", "/auth/token", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/ledger", "GET, HEAD"),
        ("GET", "/ledger/reset", "POST"),
        ("HEAD", "/orders", "POST"),
        ("POST", "/flaky/a", "GET, HEAD"),
    ],
)
def test_another_method_is_405_and_says_which(client: Client, method: str, path: str, allowed: str) -> None:
    answer = client.send(method, path)
    assert answer.status == 405
    assert answer.headers == f"allow: {allowed}\r\n".encode()


def test_a_flaky_key_fails_as_often_as_asked_and_then_works(client: Client) -> None:
    answers = [client.send("GET", "/flaky/a?fail=2") for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 503, 200, 200]
    assert answers[0].headers == b"retry-after: 0\r\n"
    assert json.loads(answers[2].body) == {"key": "a", "calls": 3, "status": "ok"}
    assert client.send("GET", "/flaky/b").status == 503
    assert client.send("GET", "/flaky/c?fail=0").status == 200


@pytest.mark.parametrize("query", ["fail=", "fail=x", "fail=-1", "fail=1.5", "fail=9999999999", "fail=%D9%A3"])
def test_a_count_that_is_none_is_422(client: Client, query: str) -> None:
    assert client.send("GET", f"/flaky/a?{query}").status == 422
    assert client.send("GET", f"/ledger?{query.replace('fail', 'limit')}").status == 422


def test_the_ledger_tells_what_arrived(client: Client) -> None:
    body = json.dumps(ORDER).encode()
    client.send("POST", "/orders", body, idempotency_key="k1")
    client.send("POST", "/orders", body, idempotency_key="k1")
    client.send("GET", "/flaky/a?fail=1")
    ledger = json.loads(client.send("GET", "/ledger").body)
    assert (ledger["total"], ledger["dropped"], ledger["orders_created"], ledger["orders_replayed"]) == (4, 0, 1, 1)
    entry = ledger["requests"][1]
    assert entry.pop("at_us") > 1_600_000_000_000_000
    assert entry == {
        "sequence": 2,
        "method": "POST",
        "path": "/orders",
        "idempotency_key": "k1",
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "status": 201,
    }
    assert (ledger["requests"][3]["path"], ledger["requests"][3]["status"]) == ("/flaky/a?fail=1", 503)
    assert "any" not in json.dumps(ledger)  # the client secret was in a body


def test_the_ledger_is_bounded_and_says_so() -> None:
    client = Client(DemoApi(Shop(), Ledger(3)))
    for number in range(5):
        client.send("GET", f"/orders/{number}")
    ledger = json.loads(client.send("GET", "/ledger").body)
    assert (ledger["total"], ledger["dropped"]) == (5, 2)
    assert [entry["sequence"] for entry in ledger["requests"]] == [3, 4, 5]
    assert len(json.loads(client.send("GET", "/ledger?limit=1").body)["requests"]) == 1
    assert json.loads(client.send("GET", "/ledger?limit=0").body)["requests"] == []


def test_the_ledger_can_be_reset(client: Client) -> None:
    client.send("POST", "/orders", ORDER)
    assert client.send("POST", "/ledger/reset").status == 200
    ledger = json.loads(client.send("GET", "/ledger").body)
    assert (ledger["total"], ledger["orders_created"], ledger["requests"]) == (0, 0, [])
    assert b"ord-00000002" in client.send("POST", "/orders", ORDER).body


def faults(seed: int) -> list[int]:
    client = Client(DemoApi(Shop(), Ledger(9), error_rate=0.3, seed=seed))
    return [client.send("GET", "/orders/x").status for _ in range(300)]


def test_faults_come_at_their_rate_and_repeat_with_the_seed() -> None:
    assert faults(1) == faults(1) != faults(2)
    assert set(faults(1)) == {401, 503}
    assert 60 <= faults(1).count(503) <= 120


def test_a_fault_does_nothing_and_spares_health_and_ledger() -> None:
    client = Client(DemoApi(Shop(), Ledger(9), error_rate=1.0))
    assert client.send("POST", "/orders", ORDER).status == 503
    assert client.send("GET", "/health").status == 200
    assert json.loads(client.send("GET", "/ledger").body)["orders_created"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": -1},
        {"port": 65536},
        {"latency_ms": -1},
        {"latency_ms": float("nan")},
        {"error_rate": 1.1},
        {"error_rate": -0.1},
        {"error_rate": float("nan")},
        {"ledger": -1},
        {"maximum_body": 0},
    ],
)
def test_an_option_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        ServerOptions(**wrong)
    assert caught.value.code == "invalid_option"
    assert caught.value.hint


def test_options_do_not_show_the_client_secret() -> None:
    assert "canary" not in repr(ServerOptions(client_secret="canary"))
