"""A run that goes on, or whose rows run again, is refused where what it needs is no longer here: no row ends for it."""

from __future__ import annotations

from pathlib import Path

import pytest

import reqflo_ray
from reqflo_ray import Execution, Journey, ReqfloError, Target
from reqflo_ray.testing import FakeApi

WORKSPACE = """
workspace: {name: w, defaults: {environment: e}}
---
environment: {name: e, services: {api: {base_url: "http://api.example"}}}
---
journey:
  name: j
  inputs: [{name: n, required: true}]
  steps:
    - id: a
      request: {service: api, url: "/{{ inputs.n }}", headers: {X-Api-Key: "{{ secrets.SHOP_KEY }}"}}
      assertions: [{type: status_code, expected: 200}]
"""


@pytest.fixture
def api() -> FakeApi:
    found = FakeApi()
    found.answer("GET", "/:n", status=500)
    return found


@pytest.fixture
def target(tmp_path: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Where runs are kept; the secret is there."""
    monkeypatch.setenv("SHOP_KEY", "made-up-key")
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE)
    return Target(store=tmp_path / "store", transport=api)


def begin(target: Target, folder: Path, execution: Execution = Execution()) -> None:
    """Run three rows, none of which passes."""
    rows = [{"n": 1}, {"n": 2}, {"n": 3}]
    reqflo_ray.run(Journey("j", workspace=folder), rows, target=target, execution=execution, run_id="r")


@pytest.mark.parametrize(("value", "reason"), [(None, "is not set"), ("short", "is too short to be masked")])
def test_a_run_does_not_go_on_without_its_secret(
    target: Target, tmp_path: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch, value: str | None, reason: str
) -> None:
    # Two requests a second: it stops long before the last row.
    begin(target, tmp_path, Execution(max_failures=1, concurrency=1, rate=2))
    asked = len(api.requests)
    if value is None:
        monkeypatch.delenv("SHOP_KEY")
    else:
        monkeypatch.setenv("SHOP_KEY", value)
    with pytest.raises(ReqfloError) as caught:
        reqflo_ray.resume("r", target=target)
    assert (caught.value.code, caught.value.exit_code, len(api.requests)) == ("missing_secret", 2, asked)
    assert reason in caught.value.problems[0].cause
    monkeypatch.setenv("SHOP_KEY", "made-up-key")
    assert reqflo_ray.resume("r", target=target).resumed and len(api.requests) > asked


def test_rows_do_not_run_again_without_it_and_no_run_is_made(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(target, tmp_path)
    monkeypatch.setenv("SHOP_KEY", "short")
    with pytest.raises(ReqfloError) as caught:
        reqflo_ray.rerun("r", target=target)
    assert caught.value.code == "missing_secret"
    assert target.store is not None
    assert [run.run_id for run in reqflo_ray.open_store(target.store).runs()] == ["r"]


def test_a_finished_run_needs_nothing(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(target, tmp_path)
    monkeypatch.delenv("SHOP_KEY")
    assert reqflo_ray.resume("r", target=target).verdict.counts.rows == 3
