"""`reqflo_ray.testing`: journeys without a socket, the demo API in a thread, the pytest plugin of the examples."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from example_workspace import EXAMPLES

import reqflo_ray
from reqflo_ray import testing
from reqflo_ray.testing import Answer, FakeApi, demo_api, temporary_store

SECRET = "made-up-shop-secret"
WORKSPACE = """\
workspace:
  name: shop
  defaults: {environment: local}
  runner: {address: "127.0.0.1:1"}
  secrets: {source: env, names: {SHOP_SECRET: {env: SHOP_SECRET, hosts: [api.shop.example]}}}
---
environment: {name: local, services: {shop: {base_url: "https://api.shop.example/v1"}}}
---
journey:
  name: place-order
  inputs: [{name: ref, required: true}, {name: total, required: true, type: number}]
  steps:
    - id: create
      request:
        method: POST
        service: shop
        url: /orders
        headers: {X-Api-Key: "{{ secrets.SHOP_SECRET }}"}
        body: {json: {ref: "{{ inputs.ref }}", total: "{{ inputs.total }}"}}
      idempotency: true
      retry: {count: 2, delay: 1ms, causes: [error, failed]}
      outputs: {order_id: "$.body.id"}
      assertions: [{type: status_code, expected: 201}]
    - id: read
      request: {method: GET, service: shop, url: "/orders/{{ steps.create.outputs.order_id }}"}
      assertions: [{type: json_path, path: "$.total", operator: equals, expected: "{{ inputs.total }}"}]
"""


def _rows(count: int) -> reqflo_ray.Dataset:
    return reqflo_ray.Dataset([{"ref": f"r{number}", "total": 1.5} for number in range(count)], key="ref")


def _shop() -> FakeApi:
    api = FakeApi()
    api.answer("POST", "/v1/orders", by=lambda asked: Answer(201, json={"id": asked.json()["ref"]}))
    api.answer("GET", "/v1/orders/:id", json={"total": 1.5})
    return api


@pytest.fixture
def journey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> reqflo_ray.Journey:
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE)
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    return reqflo_ray.Journey("place-order", workspace=tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_what_is_public_is_listed() -> None:
    assert testing.__all__ == ["Answer", "DemoApi", "FakeApi", "Request", "demo_api", "temporary_store"]
    assert all(hasattr(testing, name) for name in testing.__all__)
    with pytest.raises(AttributeError, match="fake_api"):
        testing.fake_api  # noqa: B018 - asking is what is tested


def test_importing_it_loads_nothing_heavy() -> None:
    tell = "import reqflo_ray.testing, sys; reqflo_ray.testing.FakeApi(); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True)
    heavy = {"ray", "pyarrow", "duckdb", "httpx", "httptools", "uvloop", "pydantic", "msgspec", "asyncio", "ssl"}
    assert not heavy & set(ended.stdout.split())


def test_a_whole_journey_runs_without_a_socket(journey: reqflo_ray.Journey, store: Path) -> None:
    api = FakeApi()
    api.answer("POST", "/v1/orders", status=503, times=1)
    api.answer("POST", "/v1/orders", by=lambda asked: Answer(201, json={"id": asked.json()["ref"]}))
    api.answer(
        "GET", "/v1/orders/:id", by=lambda asked: Answer(json={"total": 9 if asked.params["id"] == "r1" else 1.5})
    )
    outcome = reqflo_ray.run(journey, _rows(3), target=reqflo_ray.Target(store=store, transport=api))
    counts = outcome.verdict.counts
    assert (outcome.exit_code, counts.passed, counts.failed, counts.retries) == (1, 2, 1, 1)
    (failure,) = outcome.verdict.failures
    assert (failure.row_key, failure.step, failure.code) == ("r1", "read", "assertion_failed")
    created = [asked for asked in api.requests if asked.method == "POST"]
    assert len(created) == 4 and all(asked.headers["x-api-key"] == SECRET for asked in created)
    assert sorted(Counter(asked.headers["idempotency-key"] for asked in created).values()) == [1, 1, 2]
    found = reqflo_ray.open_store(store)
    (read,) = found.row(outcome.run_id, 0, step="read").steps
    assert read["url_full"] == "https://api.shop.example/v1/orders/r0"
    assert json.loads(read["http_response_body"]) == {"total": 1.5}
    assert SECRET not in str(found.steps().objects())
    assert found.verify(outcome.run_id).ok


def test_an_unexpected_request_ends_its_row_and_is_not_tried_again(journey: reqflo_ray.Journey, store: Path) -> None:
    api = FakeApi()
    api.answer("POST", "/v1/order")
    outcome = reqflo_ray.run(journey, _rows(1), target=reqflo_ray.Target(store=store, transport=api))
    (failure,) = outcome.verdict.failures
    assert (failure.status, failure.step, failure.code) == (reqflo_ray.Status.ERROR, "create", "unexpected_request")
    assert failure.message == "no answer is scripted for `POST /v1/orders`; scripted answers: `POST /v1/order`"
    assert (outcome.exit_code, len(api.requests)) == (1, 1)


def test_a_stopped_run_goes_on_and_repeats_nothing(journey: reqflo_ray.Journey, store: Path) -> None:
    api = _shop()
    target = reqflo_ray.Target(store=store, transport=api)
    slowly = reqflo_ray.Execution(rate=12)
    stopped = reqflo_ray.run(journey, _rows(6), execution=slowly, target=target, is_cancelled=lambda: True)
    assert not stopped.complete and len(api.requests) < 12
    resumed = reqflo_ray.resume(stopped.run_id, target=target)
    assert resumed.complete and resumed.exit_code == 0 and resumed.verdict.counts.passed == 6
    assert set(Counter((asked.method, asked.path, asked.body) for asked in api.requests).values()) == {1}
    assert len(api.requests) == 12


def test_runs_go_on_side_by_side_in_an_event_loop(journey: reqflo_ray.Journey, store: Path) -> None:
    apis = [_shop(), _shop()]

    async def run_both() -> list[reqflo_ray.RunOutcome]:
        targets = [reqflo_ray.Target(store=store, transport=api) for api in apis]
        return await asyncio.gather(*[reqflo_ray.run_async(journey, _rows(2), target=target) for target in targets])

    assert [outcome.exit_code for outcome in asyncio.run(run_both())] == [0, 0]
    assert [len(api.requests) for api in apis] == [4, 4]


def test_a_run_that_blocks_an_event_loop_runs_all_the_same(journey: reqflo_ray.Journey, store: Path) -> None:
    api = _shop()

    async def as_in_a_notebook() -> reqflo_ray.RunOutcome:
        return reqflo_ray.run(journey, _rows(2), target=reqflo_ray.Target(store=store, transport=api))

    assert asyncio.run(as_in_a_notebook()).exit_code == 0
    assert len(api.requests) == 4


@pytest.mark.parametrize("elsewhere", [{"backend": "ray"}, {"address": "auto"}])
def test_a_fake_api_answers_in_this_process_only(elsewhere: dict[str, str]) -> None:
    with pytest.raises(reqflo_ray.UsageError) as refused:
        reqflo_ray.Target(transport=FakeApi(), **elsewhere)
    assert refused.value.code == "transport_is_local"


def test_a_run_with_a_fake_api_cannot_be_submitted(journey: reqflo_ray.Journey) -> None:
    with pytest.raises(reqflo_ray.UsageError) as refused:
        reqflo_ray.submit(journey, _rows(1), target=reqflo_ray.Target(transport=FakeApi()))
    assert refused.value.code == "transport_is_local"


@pytest.mark.parametrize("error", [None, KeyError("in the block")])
def test_a_temporary_store_is_gone_however_the_block_ends(error: Exception | None, journey: reqflo_ray.Journey) -> None:
    try:
        with temporary_store() as store:
            reqflo_ray.run(journey, _rows(1), target=reqflo_ray.Target(store=store, transport=_shop()))
            assert len(reqflo_ray.open_store(store).runs()) == 1
            if error is not None:
                raise error
    except KeyError as raised:
        assert raised is error
    assert not store.exists() and not store.parent.exists()


def _status(url: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code


def test_the_demo_api_tells_what_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with demo_api() as shop:
        assert _status(f"{shop.url}/flaky/a?fail=1") == 503
        assert _status(f"{shop.url}/flaky/a?fail=1") == 200
        assert [(asked["path"], asked["status"]) for asked in shop.ledger()["requests"]] == [
            ("/flaky/a?fail=1", 503),
            ("/flaky/a?fail=1", 200),
        ]
        shop.reset()
        assert shop.ledger()["total"] == 0


def test_the_demo_api_fails_as_often_as_it_is_told() -> None:
    with demo_api(error_rate=1.0) as shop:
        assert {_status(f"{shop.url}/orders/1") for _ in range(3)} == {503}
    with demo_api(error_rate=0.5, seed=1) as shop:
        first = [_status(f"{shop.url}/flaky/{key}?fail=0") for key in range(12)]
    with demo_api(error_rate=0.5, seed=1) as shop:
        assert [_status(f"{shop.url}/flaky/{key}?fail=0") for key in range(12)] == first
    assert set(first) == {200, 503}


def test_the_demo_api_serves_beside_the_event_loop_of_its_caller() -> None:
    async def ask() -> int:
        with demo_api() as shop:
            return await asyncio.to_thread(_status, f"{shop.url}/health")

    assert asyncio.run(ask()) == 200


def test_the_demo_api_leaves_no_thread_and_no_port() -> None:
    before = threading.active_count()
    with demo_api() as shop:
        port = int(shop.url.rpartition(":")[2])
        with pytest.raises(reqflo_ray.UsageError) as taken, demo_api(port=port):
            pass
        assert taken.value.code == "address_in_use"
        with pytest.raises(reqflo_ray.UsageError, match="is already running"), shop:
            pass
    assert threading.active_count() == before
    with demo_api(port=port) as again:
        assert _status(f"{again.url}/health") == 200


@pytest.mark.parametrize("options", [{"port": -1}, {"latency_ms": -1}, {"error_rate": 1.1}])
def test_the_demo_api_refuses_options_that_mean_nothing(options: dict[str, Any]) -> None:
    with pytest.raises(reqflo_ray.UsageError) as refused:
        demo_api(**options)
    assert refused.value.code == "invalid_option"


@pytest.fixture(scope="module")
def plugin_output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of four journeys that the plugin collects: one passes, one fails, two cannot run."""
    folder = tmp_path_factory.mktemp("journeys")
    (folder / "conftest.py").write_text((EXAMPLES / "pytest_journeys.py").read_text())
    step = "{method: GET, service: shop, url: '/flaky/{{ inputs.key }}?fail={{ inputs.fail }}'}"
    text = (
        "journey:\n  name: NAME\n  inputs: [{name: key, required: true}, {name: fail, type: integer, default: 0}]\n"
        f"  steps:\n    - id: ask\n      request: {step}\n      assertions: [{{type: status_code, expected: 200}}]\n"
    )
    for name, rows in {"good": "key\na\nb\n", "bad": "key,fail\nc,0\nd,1\n", "wrong": "key,fail\ne,many\n"}.items():
        (folder / f"{name}.journey.yaml").write_text(text.replace("NAME", name))
        (folder / f"{name}.journey.csv").write_text(rows)
    (folder / "typo.journey.yaml").write_text(text.replace("NAME", "typo").replace("inputs.fail", "inputs.fial"))
    with demo_api() as shop:
        (folder / "reqflo.yaml").write_text(
            "workspace: {name: w}\n---\n"
            f"environment: {{name: here, services: {{shop: {{base_url: '{shop.url}'}}}}}}\n"
        )
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--journey-env", "here"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_the_plugin_of_the_examples_runs_journeys_as_tests(plugin_output: str) -> None:
    assert "1 passed" in plugin_output and "3 failed" in plugin_output
    assert "PASSED good.journey.yaml::good" in plugin_output


def test_the_plugin_tells_which_row_failed_and_where_files_are_wrong(plugin_output: str) -> None:
    assert "1 of 2 rows passed\nrow 1, step ask: status is 503, expected 200" in plugin_output
    assert "wrong.journey.csv:2" in plugin_output and "typo.journey.yaml:6" in plugin_output
    assert "Traceback" not in plugin_output
