"""What `doctor` finds for a program: everything is a finding, also what cannot even be examined."""

from __future__ import annotations

from pathlib import Path

import pytest

import reqflo_ray


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def levels(findings: list[reqflo_ray.Finding]) -> dict[str, str]:
    return {finding.subject: finding.level.value for finding in findings}


def test_a_store_that_keeps_its_promises_is_ok(here: Path) -> None:
    found = levels(reqflo_ray.doctor(store=here / "store"))
    assert found["store"] == "ok" and "fail" not in found.values()
    assert [path.name for path in (here / "store").rglob("*") if path.name.startswith("doctor-")] == []


def test_a_store_that_is_a_file_is_a_finding(here: Path) -> None:
    (here / "store").write_text("")
    assert levels(reqflo_ray.doctor(store=here / "store"))["store"] == "fail"


def test_the_store_of_the_workspace_is_looked_at_and_its_secrets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    (here / "reqflo.yaml").write_text(
        "workspace: {name: s, runner: {store: kept}, secrets: {source: env, names: {TOKEN: {env: SHOP_TOKEN}}}}\n"
    )
    assert levels(reqflo_ray.doctor())["secret TOKEN"] == "fail"
    assert (here / "kept").is_dir()
    monkeypatch.setenv("SHOP_TOKEN", "made-up")
    findings = reqflo_ray.doctor(workspace=here)
    assert levels(findings)["secret TOKEN"] == "ok" and "made-up" not in str(findings)


def test_a_workspace_that_is_none_is_a_finding_and_the_store_is_examined_all_the_same(here: Path) -> None:
    found = levels(reqflo_ray.doctor(workspace=here / "nowhere", store=here / "store"))
    assert (found["workspace"], found["store"]) == ("fail", "ok")
