"""No more requests at a time to one host than the workspace allows, with both engines and whatever happens to rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from echo_api import EchoApi

import reqflo_ray

WORKSPACE = """
workspace:
  name: polite
  defaults: {environment: local}
  http: {engine: ENGINE, max_in_flight_per_host: LIMIT}
---
environment: {name: local, services: {one: {base_url: "ONE"}, other: {base_url: "OTHER"}}}
---
journey:
  name: visit
  inputs: [{name: ms, required: true}]
  steps:
    - {id: first, request: {service: one, url: /slow, query: {ms: "{{ inputs.ms }}"}}}
    - {id: second, request: {service: other, url: /slow, query: {ms: "{{ inputs.ms }}"}}}
---
journey:
  name: hurry
  inputs: [{name: ms, required: true}]
  steps:
    - {id: first, request: {service: one, url: /slow, query: {ms: "{{ inputs.ms }}"}}}
    - {id: second, request: {service: one, url: /echo}, timeout: {total: 100ms}}
"""


def _run(
    folder: Path, journey: str, one: EchoApi, other: EchoApi, *, rows: int, ms: int, **settings: str
) -> reqflo_ray.RunOutcome:
    text = WORKSPACE.replace("ONE", one.url).replace("OTHER", other.url)
    for name, value in settings.items():
        text = text.replace(name.upper(), value)
    (folder / "reqflo.yaml").write_text(text)
    (folder / "rows.csv").write_text("ms\n" + f"{ms}\n" * rows)
    return reqflo_ray.run(
        reqflo_ray.Journey(journey, workspace=folder),
        folder / "rows.csv",
        execution=reqflo_ray.Execution(concurrency=30),
        target=reqflo_ray.Target(store=folder / "store", backend="local"),
    )


@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_each_host_has_so_many_requests_at_a_time_and_all_get_through(tmp_path: Path, engine: str) -> None:
    with EchoApi() as one, EchoApi() as other:
        outcome = _run(tmp_path, "visit", one, other, rows=60, ms=10, engine=engine, limit="3")
        assert outcome.verdict.counts.passed == 60
        assert (len(one.seen), len(other.seen)) == (60, 60)
        assert one.most_in_flight == 3
        assert 1 <= other.most_in_flight <= 3


@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_who_waits_longer_than_its_step_may_take_is_an_error_and_was_never_sent(tmp_path: Path, engine: str) -> None:
    with EchoApi() as one, EchoApi() as other:
        # Each row's first request takes longer than the next row's second one may wait.
        outcome = _run(tmp_path, "hurry", one, other, rows=4, ms=400, engine=engine, limit="1")
        counts = outcome.verdict.counts
        assert outcome.exit_code == 1 and (counts.error, counts.passed, counts.inconclusive) == (3, 1, 0)
        assert one.most_in_flight == 1
        assert [seen.path for seen in one.seen] == ["/slow"] * 4 + ["/echo"]
    store = reqflo_ray.open_store(str(tmp_path / "store"))
    query = "select step_id, error_code, count(*) from steps where status = 'error' group by all"
    assert list(store.query(query, runs=[outcome.run_id]).rows()) == [("second", "no_room_at_host", 3)]
