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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workspace: [", "reqflo.yaml:1:"),
        ("workspace: {http: {engine: curl}}", "reqflo.yaml:1:28: `engine` cannot be `curl`"),
        ("workspace: {secrts: {}}", "reqflo.yaml:1:13: `secrts` is not a valid key here"),
        (
            "workspace: {secrets: {source: file}, name: w}\n---\njourney: {name: j, steps: []}",
            "the journey `j` does not",
        ),
    ],
)
def test_a_workspace_that_cannot_be_read_is_a_finding(here: Path, text: str, message: str) -> None:
    (here / "reqflo.yaml").write_text(text)
    found = [one for one in reqflo_ray.doctor(store=here / "store") if one.subject == "workspace"]
    assert [one.level.value for one in found] == ["warn" if "journey" in message else "fail"]
    assert found[0].message.startswith(message)


def test_a_secret_that_is_too_short_is_a_finding(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "12345")
    (here / "reqflo.yaml").write_text("workspace: {secrets: {names: {TOKEN: {}}}}")
    (found,) = [one for one in reqflo_ray.doctor(store=here / "store") if one.subject == "secret TOKEN"]
    assert (found.level.value, found.message) == ("fail", "the value of `TOKEN` is too short to be masked")
