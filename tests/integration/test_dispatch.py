"""What is settled once for a run: the versions of its secrets, and the sealing of its sensitive values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from canaries import CANARIES, CLOUD_KEY, files_with_canaries, found_in, write_workspace
from leaky_api import LeakyApi
from run_arguments import run_arguments
from secret_manager import Manager, serving

import reqflo_ray
from reqflo_ray import Target
from reqflo_ray._internal.errors import RunConflictError, SecretError, UsageError
from reqflo_ray._internal.model.results import ShardReport
from reqflo_ray._internal.runner.execute import shard
from reqflo_ray._internal.runner.execute.row.row import RowRunner
from reqflo_ray._internal.runner.progress.run import RunProgress


@pytest.fixture(scope="module")
def shared_leaky() -> Iterator[LeakyApi]:
    with LeakyApi(CANARIES["output"]) as server:
        yield server


@pytest.fixture
def leaky(shared_leaky: LeakyApi) -> LeakyApi:
    shared_leaky.release()
    shared_leaky.arrived = 0
    return shared_leaky


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager()
    manager.versions = {CLOUD_KEY: {1: b"an-old-value", 7: CANARIES["cloud"].encode()}}
    with serving(manager) as address:
        monkeypatch.setenv("REQFLO_SECRET_MANAGER_EMULATOR", address)
        yield manager


@pytest.fixture
def request_for(tmp_path: Path, leaky: LeakyApi, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    monkeypatch.setenv("TOKEN", CANARIES["secret"])

    def make(*, cloud: bool = False, **options: Any) -> dict[str, Any]:
        folder = tmp_path / "workspace"
        if not folder.exists():
            write_workspace(folder, leaky.url, cloud=cloud)
        return run_arguments(
            name="leak",
            workspace=folder,
            source=folder / "rows.jsonl",
            key="ref",
            overrides={"pin": CANARIES["set"], **options.pop("overrides", {})},
            store=str(tmp_path / "store"),
            backend="local",
            **options,
        )

    return make


def run_json(tmp_path: Path, run_id: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((tmp_path / "store" / "runs" / run_id / "run.json").read_text())
    return document


def test_latest_becomes_a_number_once_and_workers_read_that_number(
    request_for: Callable[..., dict[str, Any]], manager: Manager, tmp_path: Path
) -> None:
    outcome = reqflo_ray.run(**request_for(cloud=True))
    assert outcome.exit_code == 0
    assert run_json(tmp_path, outcome.run_id)["secrets"]["TOKEN"]["version"] == "7"
    assert manager.calls == [("get", f"{CLOUD_KEY}/versions/latest"), ("access", f"{CLOUD_KEY}/versions/7")]


def test_a_dispatched_run_goes_on_with_the_version_it_began_with(
    request_for: Callable[..., dict[str, Any]], manager: Manager
) -> None:
    request = request_for(cloud=True, run_id="nightly")
    first = reqflo_ray.run(**request)
    manager.versions[CLOUD_KEY][8] = b"rotated-meanwhile"
    manager.calls.clear()
    again = reqflo_ray.run(**request)
    assert (first.exit_code, again.exit_code, again.resumed) == (0, 0, True)
    assert manager.calls == []


def test_an_account_that_may_not_look_is_told_before_anything_is_sent(
    request_for: Callable[..., dict[str, Any]], manager: Manager, leaky: LeakyApi, tmp_path: Path
) -> None:
    manager.refuse_get = True
    with pytest.raises(SecretError) as caught:
        reqflo_ray.run(**request_for(cloud=True))
    assert (caught.value.code, caught.value.exit_code) == ("secret_permission_denied", 2)
    assert "`version`" in caught.value.hint
    assert leaky.arrived == 0
    assert [method for method, _ in manager.calls] == ["get"]
    assert list((tmp_path / "store" / "runs").glob("*/run.json")) == []


def test_a_secret_that_does_not_exist_is_told_before_anything_is_sent(
    request_for: Callable[..., dict[str, Any]], manager: Manager, leaky: LeakyApi
) -> None:
    manager.versions.clear()
    with pytest.raises(SecretError) as caught:
        reqflo_ray.run(**request_for(cloud=True))
    assert (caught.value.code, caught.value.exit_code, leaky.arrived) == ("secret_not_found", 2, 0)


def test_a_finished_run_keeps_no_key_and_no_sensitive_value(
    request_for: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    outcome = reqflo_ray.run(**request_for())
    assert outcome.complete
    assert list(tmp_path.rglob("sealing.key")) == []
    assert files_with_canaries(tmp_path / "store") == []
    assert run_json(tmp_path, outcome.run_id)["given"]["pin"]["node"]["value"] == "[sensitive:given.pin]"
    assert reqflo_ray.open_store(str(tmp_path / "store")).verify(outcome.run_id).ok


def test_all_that_was_sealed_reached_the_api(request_for: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    outcome = reqflo_ray.run(**request_for())
    store = reqflo_ray.open_store(str(tmp_path / "store"))
    bodies = store.query("select http_request_body from steps where step_id = 'tell'", runs=[outcome.run_id]).rows()
    for (body,) in bodies:
        shown = json.loads(body)
        assert shown["card"] == "[sensitive:inputs.card]"
        assert shown["pin"] == ["[sensitive:inputs.pin]", "before [sensitive:variables.badge] after"]


def test_the_same_run_with_another_sensitive_value_is_told_while_that_can_be_known(
    request_for: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    request = request_for(run_id="one")
    reqflo_ray.run(**request)
    run = tmp_path / "store" / "runs" / "one"
    again = reqflo_ray.run(**request_for(run_id="one", overrides={"pin": "another-pin"}))
    assert (again.exit_code, again.resumed) == (0, True)  # it is finished: nothing is sent, nothing can be compared
    with pytest.raises(RunConflictError) as caught:
        reqflo_ray.run(**request_for(run_id="one", case=None, concurrency=1, strict=True))
    assert "pin" not in caught.value.message
    assert not (run / "sealing.key").exists()


def test_sensitive_rows_cannot_be_run_again_once_they_are_gone(
    request_for: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    outcome = reqflo_ray.run(**request_for())
    with pytest.raises(UsageError) as caught:
        reqflo_ray.rerun(outcome.run_id, target=Target(store=tmp_path / "store"))
    assert caught.value.code == "sealed_values_gone"
    assert "--data" in caught.value.hint
    assert found_in(str(caught.value.__dict__)) == []
    assert len(list((tmp_path / "store" / "runs").iterdir())) == 1


def test_an_error_that_nobody_foresaw_does_not_quote_what_it_met(
    request_for: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"met {CANARIES['secret']}")

    monkeypatch.setattr(RowRunner, "run", fail)
    outcome = reqflo_ray.run(**request_for())
    assert (outcome.exit_code, outcome.complete) == (3, True)
    assert {failure.code for failure in outcome.verdict.failures} == {"internal_error"}
    assert "RuntimeError in _run_row (shard.py:" in outcome.verdict.failures[0].message
    assert files_with_canaries(tmp_path / "store") == []


def test_an_error_beside_the_rows_does_not_quote_what_it_met(
    request_for: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"met {CANARIES['secret']}")

    reports: list[ShardReport] = []
    monkeypatch.setattr(shard, "read_rows", fail)
    monkeypatch.setattr(RunProgress, "report", lambda _, report: reports.append(report))
    reqflo_ray.run(**request_for())
    assert {report.error_code for report in reports} == {"internal_error"}
    assert "RuntimeError in _read_staged (shard.py:" in reports[0].message
    assert found_in(str(reports)) == []
