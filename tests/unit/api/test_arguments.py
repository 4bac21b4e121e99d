"""What a program may give to the calls of the API, and what is refused before anything is looked at or sent."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from scripted import WORKSPACE

import reqflo_ray
from reqflo_ray import Journey, Problem, Severity, Target, UsageError

JOURNEY = """\
journey:
  name: one
  steps:
    - {id: get, request: {service: api, method: GET, url: /, headers: {X-Key: "{{ secrets.ABSENT_KEY }}"}}}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("REQFLO_STORE", raising=False)
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE)
    (tmp_path / "one.yaml").write_text(JOURNEY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _join_cluster(workspace: Path) -> None:
    text = WORKSPACE.replace("{name: w,", "{name: w, runner: {address: '10.0.0.5:6379'},")
    (workspace / "reqflo.yaml").write_text(text)


def _errors(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.code for problem in problems if problem.severity is Severity.ERROR}


def test_secrets_are_looked_for_here_only_where_rows_run_here(workspace: Path) -> None:
    assert _errors(reqflo_ray.check("one")) == {"missing_secret"}
    assert _errors(reqflo_ray.check("one", target=Target(address="auto"))) == set()
    _join_cluster(workspace)
    assert _errors(reqflo_ray.check("one")) == set()
    assert _errors(reqflo_ray.check("one", target=Target(backend="local"))) == {"missing_secret"}


def test_the_doctor_looks_at_the_store_that_a_run_would_take(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQFLO_STORE", str(workspace / "of-the-environment"))
    [store] = [finding for finding in reqflo_ray.doctor() if finding.subject == "store"][:1]
    assert "of-the-environment" in store.message


def test_a_lone_path_is_one_output_and_not_its_letters(workspace: Path) -> None:
    with pytest.raises(UsageError) as refused:
        reqflo_ray.run(Journey("one"), outputs=str(workspace / "one.yaml"))
    assert refused.value.code in ("output_is_input", "missing_secret")
    with pytest.raises(UsageError, match=r"one\.yaml"):
        reqflo_ray.compile("one", outputs=workspace / "one.yaml")


def test_a_lone_run_is_one_run(workspace: Path) -> None:
    with pytest.raises(UsageError, match=r"no run .nightly."):
        reqflo_ray.open_store().query("select 1", runs="nightly")


@pytest.mark.parametrize("damaged", ["ignore", "", "REFUSE", None])
def test_what_becomes_of_damaged_files_is_one_of_two(workspace: Path, damaged: Any) -> None:
    with pytest.raises(UsageError) as refused:
        reqflo_ray.open_store().query("select 1", damaged=damaged)
    assert refused.value.code == "invalid_option" and "`refuse`, `skip`" in refused.value.hint


@pytest.mark.parametrize("reports", ["junitt", ["html", "junitt"]])
def test_a_report_that_there_is_not_is_refused_before_a_job_is_started(workspace: Path, reports: Any) -> None:
    with pytest.raises(UsageError, match="no report format `junitt`"):
        reqflo_ray.submit("one", reports=reports, target=Target(address="http://127.0.0.1:9"))


def test_a_job_is_no_run_of_this_process(workspace: Path) -> None:
    with pytest.raises(UsageError, match="`local`, which is this process"):
        reqflo_ray.submit("one", target=Target(backend="local"))


def test_an_error_that_nobody_caught_tells_place_cause_and_hint_of_every_finding(workspace: Path) -> None:
    (workspace / "one.yaml").write_text(JOURNEY.replace("method: GET", "methd: GET").replace("id: get", "idd: get"))
    with pytest.raises(reqflo_ray.DefinitionError) as caught:
        reqflo_ray.compile("one")
    told = "".join(traceback.format_exception(caught.value))
    assert "and 1 more" in str(caught.value) or len(caught.value.all_problems()) == 1
    for problem in caught.value.all_problems():
        assert problem.message in told and f"at: {problem.position}" in told and f"hint: {problem.hint}" in told


def test_a_single_finding_is_not_said_twice() -> None:
    error = UsageError("it is wrong", code="wrong", cause="a cause", hint="do it right")
    assert error.__notes__ == ["  cause: a cause", "  hint: do it right"]
    told = "".join(traceback.format_exception(error))
    assert told.count("it is wrong") == 1 and told.endswith("  cause: a cause\n  hint: do it right\n")
    assert UsageError("it is wrong").__notes__ == []
