"""From the URL that a person writes to the one that is sent, and what is kept of it: journeys against a fake API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import reqflo_ray
from reqflo_ray.testing import Answer, FakeApi, Request

SECRET = "made-up/key+1"
WORKSPACE = """\
workspace:
  name: w
  defaults: {environment: local}
  secrets: {source: env, names: {KEY: {hosts: ["*.example"]}}}
---
environment:
  name: local
  services: {api: {base_url: "https://api.example/v1"}}
  values: {base: "https://api.example/v1/", host: api.example}
---
template:
  key: item
  service: api
  url: "/shops/:shop/items?sort={{ values.sort }}&flag&page={{ values.page }}"
  values: [{name: shop, in: path, required: true}, {name: sort}, {name: page}]
---
journey:
  name: inner
  inputs: [{name: base, required: true}, {name: id}]
  steps: [{id: call, request: {url: "{{ inputs.base }}/inner/{{ inputs.id }}"}}]
---
journey:
  name: j
  inputs: [{name: id}, {name: path}, {name: port}, {name: card, sensitive: true}]
  variables: [{name: next}]
  steps:
"""


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs steps for rows, one after another; gives the URLs that were asked for, and the steps as they are kept."""
    monkeypatch.setenv("KEY", SECRET)

    def run(steps: Sequence[str], *rows: dict[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
        (tmp_path / "reqflo.yaml").write_text(WORKSPACE + "".join(f"    - {step}\n" for step in steps))
        api = FakeApi()

        def answer(request: Request) -> Answer:
            return Answer(201, json={"next": "/orders/2?x=%2f"}, headers={"Location": "/v1/orders/1"})

        for path in _PATHS:
            for method in ("GET", "POST"):
                api.answer(method, path, by=answer)
        reqflo_ray.run(
            reqflo_ray.Journey("j", workspace=tmp_path),
            list(rows),
            execution=reqflo_ray.Execution(concurrency=1),
            target=reqflo_ray.Target(store=tmp_path / "store", transport=api, backend="local"),
        )
        store = reqflo_ray.open_store(tmp_path / "store")
        kept = store.query("select * from steps order by row_index, started_at", runs=["latest"]).to_arrow().to_pylist()
        return [request.url for request in api.requests], kept

    return run


_PATHS = ["/v1/orders", "/v1/orders/:id", "/v1/shops/:shop/items", "/v1/inner/:id", "/", "/health", "/v1/health"]


def step(url: str, name: str = "a", **more: str) -> str:
    fields = ", ".join([f"{key}: {value}" for key, value in more.items()] + [f"url: '{url}'"])
    return f"{{id: {name}, request: {{{fields}}}}}"


def test_a_value_means_the_same_in_every_spelling_of_a_url(sent: Any) -> None:
    values = ["a/b", "a?b=c&d#e", "50%", "%2F", "ä ö", "a+b;c", "{{x}}", 7, True]
    behind = "/orders/{{ inputs.id }}?q={{ inputs.id }}&z=%2f+"
    bases = ["{{ env.base }}", "https://api.example/v1", "https://{{ env.host }}/v1"]
    steps = [step(behind, service="api"), *(step(base + behind, f"s{len(base)}") for base in bases)]
    urls, _ = sent(steps, *({"id": value} for value in values))
    assert [len(set(urls[4 * row : 4 * row + 4])) for row in range(len(values))] == [1] * len(values)
    assert len(urls) == 4 * len(values) and len(set(urls)) == len(values)
    assert all(url.endswith("&z=%2f+") for url in urls)


@pytest.mark.parametrize("url", ["/orders/{{ inputs.id }}", "{{ env.base }}/orders/{{ inputs.id }}"])
def test_a_value_that_would_address_something_else_is_never_sent(sent: Any, url: str) -> None:
    urls, kept = sent([step(url, service="api")], *({"id": value} for value in ("", None)))
    assert urls == []
    assert [entry["status"] for entry in kept] == ["error"] * 2
    assert all("`inputs.id`" in entry["error_message"] for entry in kept)


def test_paths_come_from_rows_answers_variables_and_sub_journeys(sent: Any) -> None:
    steps = [
        step("{{ inputs.path }}", service="api"),
        step("/orders", "create", service="api", method="POST"),
        step("{{ steps.create.headers.location }}", "read", service="api"),
        step("{{ steps.create.body.next }}", "page", service="api"),
        '{id: keep, type: set_variable, values: {next: "{{ steps.create.body.next }}"}}',
        step("{{ variables.next }}", "again", service="api"),
        step("https://api.example:{{ inputs.port }}{{ inputs.path }}", "port"),
        '{id: sub, type: sub_journey, journey: inner, inputs: {base: "{{ env.base }}", id: "{{ inputs.path }}"}}',
        '{id: listed, template: item, values: {shop: "{{ inputs.path }}", page: [1, 2]}}',
    ]
    urls, kept = sent(steps, {"path": "/health", "port": 8443})
    assert [entry["error_message"] for entry in kept if entry["error_message"]] == []
    assert urls == [
        "https://api.example/v1/health",
        "https://api.example/v1/orders",
        "https://api.example/v1/orders/1",
        "https://api.example/v1/orders/2?x=%2f",
        "https://api.example/v1/orders/2?x=%2f",
        "https://api.example:8443/health",
        "https://api.example/v1/inner/%2Fhealth",
        "https://api.example/v1/shops/%2Fhealth/items?flag&page=1&page=2",
    ]


def test_what_is_kept_of_a_url_is_what_was_sent_but_for_what_is_hidden(sent: Any) -> None:
    steps = [
        step("/orders/{{ inputs.card }}?key={{ secrets.KEY }}&ok=a+b", service="api"),
        step("{{ env.base }}orders/{{ secrets.KEY }}?card={{ inputs.card }}", "b"),
    ]
    urls, kept = sent(steps, {"card": "4111 1111/1111"})
    assert urls == [
        "https://api.example/v1/orders/4111%201111%2F1111?key=made-up%2Fkey%2B1&ok=a+b",
        "https://api.example/v1/orders/made-up%2Fkey%2B1?card=4111%201111%2F1111",
    ]
    shown = {entry["step_id"]: entry["url_full"] for entry in kept}
    assert shown["a"] == "https://api.example/v1/orders/[sensitive:inputs.card]?key=[secret:KEY]&ok=a+b"
    assert shown["b"] == "https://api.example/v1/orders/[secret:KEY]?card=[sensitive:inputs.card]"


def test_a_secret_goes_to_no_host_that_a_row_chose(sent: Any) -> None:
    key = '{X-Key: "{{ secrets.KEY }}"}'
    whole = step("{{ inputs.path }}", service="api", headers=key)
    urls, kept = sent([whole], {"path": "https://evil.test/x"}, {"path": "//evil.test/x"})
    assert urls == ["https://api.example/v1//evil.test/x"]  # a path of the service, slashes and all
    assert [entry["error_code"] for entry in kept] == ["secret_host_refused", "unexpected_request"]
    for url in ("https://{{ inputs.path }}/x", "https://api.example{{ inputs.path }}"):
        urls, kept = sent([step(url, headers=key)], {"path": ".evil.test"})
        assert (urls, [entry["error_code"] for entry in kept]) == ([], ["secret_host_refused"])
