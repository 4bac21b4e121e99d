"""Every command: what it asks of the API, what it shows, how it exits. As many wrong command lines as right ones."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_api import FakeApi
from screens import ClosedStream, CommandLine, MakeOutcome

from reqflo_ray import Dataset, Execution, Journey, Target
from reqflo_ray._internal.cli.main import COMMANDS, Entry
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.errors import (
    ClusterError,
    DatasetError,
    DefinitionError,
    InterruptedRunError,
    NothingSelectedError,
    Problem,
    QueryError,
    ReqfloError,
    RunConflictError,
    SecretError,
    Severity,
    StoreError,
)
from reqflo_ray._internal.model.plan import Durability, Evidence
from reqflo_ray._internal.model.results import Counts, Status
from reqflo_ray._internal.reports.formats import FORMATS
from reqflo_ray._internal.runs.upkeep.history import RunState, RunSummary
from reqflo_ray._internal.runs.upkeep.pruning import Kept, Pruned
from reqflo_ray._internal.runs.upkeep.verify import Finding, FindingKind, VerifyReport


def table(columns: str, *rows: tuple[Any, ...]) -> SimpleNamespace:
    return SimpleNamespace(columns=tuple(columns.split()), rows=lambda: iter(rows), problems=())


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The formats that answers are exported to; what comes out is always the same."""
    asked: list[tuple[str, bool]] = []

    def export(kind: str) -> Callable[..., bytes]:
        def written(result: Any, *, raw: bool = False) -> bytes:
            asked.append((kind, raw))
            return b"a\n\x1b[2J\n"

        return written

    for kind in ("csv", "json", "parquet"):
        monkeypatch.setattr(f"reqflo_ray._internal.analysis.export.to_{kind}", export(kind))
    return asked


def summary(run_id: str, *, verdict: Status | None = Status.PASSED, **facts: Any) -> RunSummary:
    common: dict[str, Any] = {"journey": "place-order", "state": RunState.FINISHED, "environment": "local", "rows": 10}
    common |= {"created_at": "2026-01-02T03:04:05Z", "counts": Counts(rows=10, passed=10)}
    ended = None if verdict is None else SimpleNamespace(status=verdict)
    return RunSummary(**{"run_id": run_id, "verdict": ended, **common, **facts})


# --- run


def test_run_passes_every_option_on(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, tmp_path: Path
) -> None:
    api.answer = outcome(rows=1, passed=1)
    answer = command_line(
        *("run", "place-order", "--workspace", str(tmp_path), "--overlay", "a", "--overlay", "b"),
        *("--data", "x.csv", "--data", "gs://b/*.parquet", "--key", "k", "--encoding", "latin-1"),
        *(
            "--env",
            "local",
            "--case",
            "Gift order",
            "--preset",
            "p1",
            "--preset",
            "p2",
            "--set",
            "a=1",
            "--set",
            "b=x=y",
        ),
        *(
            "--backend",
            "ray",
            "--address",
            "auto",
            "--workers",
            "4",
            "--take-over",
            "--concurrency",
            "8",
            "--rate",
            "0.5",
        ),
        *("--evidence", "failures", "--durability", "process", "--strict", "--max-failures", "3"),
        *("--store", "/s", "--run-id", "nightly", "--report", f"junit={tmp_path / 'j.xml'}"),
    )
    assert answer.code == 0
    asked = api.request()
    assert asked.journey == Journey(
        "place-order",
        workspace=str(tmp_path),
        overlays=("a", "b"),
        environment="local",
        case="Gift order",
        presets=("p1", "p2"),
        overrides={"a": "1", "b": "x=y"},
    )
    assert asked.data == Dataset(["x.csv", "gs://b/*.parquet"], key="k", encoding="latin-1", strict=True)
    assert asked.execution == Execution(
        concurrency=8, rate=0.5, evidence=Evidence.FAILURES, durability=Durability.PROCESS, max_failures=3
    )
    assert asked.target == Target(store="/s", backend="ray", address="auto", workers=4)
    assert (asked.run_id, asked.take_over, asked.outputs) == ("nightly", True, [tmp_path / "j.xml"])


def test_a_bare_run_leaves_the_defaults_to_the_api(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    command_line("run", "place-order")
    asked = api.request()
    assert (asked.journey, asked.execution, asked.target) == (Journey("place-order"), Execution(), Target())
    assert (asked.data.files, asked.data.is_in_memory, asked.run_id, asked.outputs) == ((), False, None, [])


def test_fail_fast_is_a_limit_of_one_failure(command_line: CommandLine, api: FakeApi, outcome: MakeOutcome) -> None:
    api.answer = outcome(rows=1, passed=1)
    command_line("run", "place-order", "--fail-fast")
    assert api.request().execution == Execution(max_failures=1)


def test_the_store_may_be_named_by_the_environment(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answer = outcome(rows=1, passed=1)
    monkeypatch.setenv("REQFLO_STORE", "/from-env")
    answer = command_line("run", "place-order", environment={"REQFLO_STORE": "/from-env"})
    assert api.request().target.store == "/from-env"
    assert "--store" not in answer.err  # later commands find it the same way


def test_a_store_given_by_option_is_named_in_the_query_line(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    assert "--run r1 --store /s" in command_line("run", "place-order", "--store", "/s").err


@pytest.mark.parametrize("code", [0, 1, 3, 4, 5, 130, 143])
def test_run_exits_as_the_run_did(command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, code: int) -> None:
    api.answer = outcome(exit_code=code)
    assert command_line("run", "place-order").code == code


def test_without_json_nothing_is_written_to_standard_output(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    answer = command_line("run", "place-order")
    assert answer.out == ""
    assert answer.err.startswith("verdict: passed  rows 1 ")


def test_json_puts_the_verdict_on_standard_output(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED, rows=2, passed=1, failed=1)
    answer = command_line("run", "place-order", "--json", "--quiet")
    assert answer.json["status"] == "failed"
    assert answer.json["counts"]["rows"] == 2
    assert answer.json["format"] == 1


def test_the_exit_code_is_not_lost_when_nobody_reads_the_verdict(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED)
    assert command_line("run", "place-order", "--json", out=ClosedStream()).code == 1


def test_a_closed_standard_error_does_not_stop_a_run(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    api.during_run = lambda listener: listener.started("r1", "local", "because", 1)
    assert command_line("run", "place-order", err=ClosedStream()).code == 0


def test_the_file_of_output_is_a_report_of_json(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, tmp_path: Path
) -> None:
    api.answer = outcome(rows=2, passed=2)
    path, page = tmp_path / "result.json", tmp_path / "a b.html"
    answer = command_line("run", "place-order", "--output", str(path), "--report", f"html={page}")
    assert answer.code == 0
    assert api.reports == [("r1", [("json", path), ("html", page)], "./.reqflo")]
    assert answer.err.endswith(f"written: {path}\nwritten: {page}\n")


@pytest.mark.parametrize("name", ["run", "resume", "rerun"])
def test_whatever_runs_something_writes_reports(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, tmp_path: Path, name: str
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED, rows=1, failed=1)
    path = tmp_path / "j=unit.xml"
    assert command_line(name, "place-order", "--report", f"junit={path}", "--quiet").code == 1
    assert api.reports == [("r1", [("junit", path)], "./.reqflo")]


@pytest.mark.parametrize(("run_code", "code"), [(0, 3), (1, 1), (3, 3), (4, 4), (143, 143)])
def test_a_report_that_is_not_written_never_hides_how_the_run_ended(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, tmp_path: Path, run_code: int, code: int
) -> None:
    api.answer = outcome(exit_code=run_code, rows=1)
    api.unwritten = ReqfloError("no room", code="output_not_written")
    answer = command_line("run", "place-order", "--report", f"junit={tmp_path / 'j.xml'}", "--json")
    assert answer.code == code
    assert "error[output_not_written]: no room" in answer.err
    assert "written: " not in answer.err
    assert answer.json["exit_code"] == run_code


@pytest.mark.parametrize(
    ("reports", "code", "said"),
    [
        (("junit",), "invalid_report", "FORMAT=PATH"),
        (("=x.xml",), "invalid_report", "formats are junit, html,"),
        (("junit=",), "invalid_report", "FORMAT=PATH"),
        (("jnuit=j.xml",), "unknown_format", "did you mean `junit`?"),
        (("allure=a",), "unknown_format", "there are: junit, html, markdown, json, ctrf"),
        (("html=file/x.html",), "output_not_writable", "is no folder"),
        (("html=pages/",), "output_not_writable", "it is a folder"),
        (("html=s3://bucket/x.html",), "output_not_writable", "it is an address"),
        (("html=x", "junit=./x"), "repeated_path", "a name of its own"),
        (("json=r.json",), "repeated_path", "a name of its own"),
    ],
)
def test_reports_that_cannot_be_written_are_refused_before_anything_is_sent(
    command_line: CommandLine,
    api: FakeApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reports: tuple[str, ...],
    code: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    options = [word for report in reports for word in ("--report", report)]
    answer = command_line("run", "place-order", "--output", "r.json", *options)
    assert answer.code == 2
    assert f"error[{code}]" in answer.err
    assert said in answer.err
    assert api.calls == []


def test_report_writes_reports_of_a_run_and_ends_with_0(
    command_line: CommandLine, api: FakeApi, tmp_path: Path
) -> None:
    answer = command_line("report", "latest", f"junit={tmp_path / 'j.xml'}", f"html={tmp_path / 'p'}", "--store", "/s")
    assert (answer.code, answer.out) == (0, "")
    assert api.reports == [("latest", [("junit", tmp_path / "j.xml"), ("html", tmp_path / "p")], "/s")]
    assert answer.err == f"written: {tmp_path / 'j.xml'}\nwritten: {tmp_path / 'p'}\n"


@pytest.mark.parametrize("words", [("latest",), ("latest", "pdf=x"), ("latest", "junit")])
def test_report_refuses_what_it_does_not_know(command_line: CommandLine, api: FakeApi, words: tuple[str, ...]) -> None:
    assert command_line("report", *words).code == 2
    assert api.reports == []


def test_the_help_names_every_format(command_line: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    command_line("report", "--help")
    assert capsys.readouterr().out.startswith("Usage: reqflo-ray report [OPTIONS] RUN FORMAT=PATH...\n")
    assert ", ".join(FORMATS) == options.REPORT_FORMATS


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_sent(
    command_line: CommandLine, api: FakeApi, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    answer = command_line("run", "place-order", "--output", str(tmp_path / "file" / "r.json"))
    assert answer.code == 2
    assert "error[output_not_writable]" in answer.err
    assert "is no folder" in answer.err
    assert api.calls == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "missing_journey"),
        (("a", "--artifact", "b.json"), "journey_and_artifact"),
        (("a", "--key", "k"), "key_without_data"),
        (("a", "--fail-fast", "--max-failures", "2"), "two_limits"),
        (("a", "--set", "total"), "invalid_set"),
        (("a", "--set", "=3"), "invalid_set"),
        (("a", "--set", "t=1", "--set", "t=2"), "repeated_set"),
        (("a", "--rate", "0"), "invalid_rate"),
        (("a", "--rate", "-3"), "invalid_rate"),
        (("a", "--rate", "nan"), "invalid_rate"),
        (("a", "--rate", "inf"), "invalid_rate"),
        (("a", "--rate", "fast"), "usage"),
        (("a", "--workers", "0"), "invalid_workers"),
        (("a", "--workers", "-2"), "invalid_workers"),
        (("a", "--workers", "many"), "invalid_workers"),
        (("a", "--workers", "8:2"), "invalid_workers"),
        (("a", "--workers", ""), "invalid_workers"),
        (("a", "--concurrency", "many"), "usage"),
        (("a", "--backend", "spark"), "usage"),
        (("a", "--evidence", "some"), "usage"),
        (("a", "--no-such-option"), "usage"),
        (("a", "b"), "usage"),
        (("a", "--data"), "usage"),
    ],
)
def test_a_wrong_command_line_is_refused_with_a_hint(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...], code: str
) -> None:
    answer = command_line("run", *arguments)
    assert answer.code == 2
    assert answer.err.startswith(f"error[{code}]: ")
    assert "\nhint: " in answer.err
    assert answer.out == ""
    assert api.calls == []


def test_the_value_of_a_broken_set_is_not_repeated(command_line: CommandLine, api: FakeApi) -> None:
    assert "hunter22" not in command_line("run", "a", "--set", "=hunter22").err
    assert "hunter22" not in command_line("run", "a", "--set", "p=hunter22", "--set", "p=hunter22").err


# --- errors and exit codes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DefinitionError, 2),
        (DatasetError, 2),
        (RunConflictError, 2),
        (QueryError, 2),
        (NothingSelectedError, 5),
        (StoreError, 3),
        (SecretError, 3),
        (ClusterError, 3),
        (InterruptedRunError, 130),
    ],
)
def test_an_error_of_the_api_becomes_words_and_its_exit_code(
    command_line: CommandLine, api: FakeApi, error: type[ReqfloError], code: int
) -> None:
    api.answer = error("what went wrong", hint="what to do")
    answer = command_line("run", "place-order")
    assert answer.code == code
    assert answer.err == f"error[{error.default_code}]: what went wrong\nhint: what to do\n"


def test_a_stop_by_sigterm_exits_143(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = InterruptedRunError("stopped", exit_code=143)
    assert command_line("run", "place-order").code == 143


def test_an_unforeseen_error_is_named_without_its_text(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = ValueError("token=hunter22")
    answer = command_line("run", "place-order")
    assert answer.code == 3
    assert answer.err.startswith("error[internal_error]: internal error: ValueError in ")
    assert "hunter22" not in answer.err
    assert "Traceback" not in answer.err


def test_the_traceback_of_an_unforeseen_error_is_shown_when_asked_for(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = ValueError("\x1b[2J")
    answer = command_line("run", "place-order", environment={"REQFLO_DEBUG": "1"})
    assert answer.code == 3
    assert "Traceback (most recent call last)" in answer.err
    assert "\x1b" not in answer.err


def test_ctrl_c_exits_130_without_a_traceback(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = KeyboardInterrupt()
    answer = command_line("run", "place-order")
    assert answer.code == 130
    assert "Traceback" not in answer.err


def test_a_reader_that_leaves_is_no_error(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1")]
    answer = command_line("runs", out=ClosedStream())
    assert (answer.code, answer.err) == (0, "")


def test_a_pipe_that_closes_early_leaves_no_trace_of_an_error() -> None:
    program = (
        "import sys, reqflo_ray; from reqflo_ray._internal.cli.main import main\n"
        "reqflo_ray.schema = lambda: ['x' * 100] * 50_000\n"
        "sys.argv = ['reqflo-ray', 'schema']; sys.exit(main())"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stderr is not None
    with writer, writer.stdout, writer.stderr:
        writer.stdout.read(10)
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 0


def test_an_unknown_command_is_answered_with_a_similar_one(command_line: CommandLine) -> None:
    answer = command_line("chek")
    assert answer.code == 2
    assert "Did you mean 'check'" in answer.err


# --- check, compile, resume, rerun


def test_check_says_ok_on_standard_output(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = ()
    answer = command_line("check", "place-order", "--env", "local", "--set", "a=1", "--strict")
    assert (answer.code, answer.out, answer.err) == (0, "ok: place-order can run\n", "")
    assert api.request().journey == Journey("place-order", environment="local", overrides={"a": "1"})
    assert api.request().data == Dataset((), strict=True)


def test_check_with_warnings_only_is_ok(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = (Problem(code="undeclared_column", message="column `x`").as_warning(),)
    answer = command_line("check", "place-order")
    assert (answer.code, answer.out) == (0, "ok: place-order can run (1 warning)\n")
    assert answer.err == "warning[undeclared_column]: column `x`\n"


def test_check_with_errors_exits_2_and_shows_all(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = (Problem(code="a", message="one"), Problem(code="b", message="two"))
    answer = command_line("check", "place-order")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error[a]: one\n\nerror[b]: two\n\n2 errors\n"


def test_check_as_json_lists_the_problems(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = (Problem(code="a", message="one"),)
    answer = command_line("check", "place-order", "--json")
    assert answer.code == 2
    assert answer.json["ok"] is False
    assert answer.json["problems"][0]["code"] == "a"


def test_compile_prints_the_digest_and_writes_canonical_bytes(
    command_line: CommandLine, api: FakeApi, tmp_path: Path
) -> None:
    from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity, canonical_bytes, digest

    artifact = Artifact(journey=JourneyIdentity(name="place-order"))
    api.answer = SimpleNamespace(artifact=artifact, digest=digest(artifact), problems=())
    path = tmp_path / "artifact.json"
    answer = command_line("compile", "place-order", "--overlay", "x", "-o", str(path))
    assert answer.out == digest(artifact) + "\n"
    assert path.read_bytes() == canonical_bytes(artifact)
    assert api.calls == [("compile", (Journey("place-order", overlays=("x",)),), {})]


def test_compile_needs_a_journey(command_line: CommandLine, api: FakeApi) -> None:
    answer = command_line("compile")
    assert answer.code == 2
    assert "JOURNEY" in answer.err


def test_resume_passes_its_options_on(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, tmp_path: Path
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED)
    options = ("--backend", "local", "--workers", "2", "--take-over", "--output", str(tmp_path / "r.json"))
    answer = command_line("resume", "latest", "--store", "/s", *options)
    assert answer.code == 1
    [(name, arguments, facts)] = api.calls
    facts.pop("listener")
    assert (name, arguments) == ("resume", ("latest",))
    assert facts.pop("outputs") == [tmp_path / "r.json"]
    assert facts == {"target": Target(store="/s", backend="local", workers=2), "take_over": True}


def test_rerun_passes_its_options_on(command_line: CommandLine, api: FakeApi, outcome: MakeOutcome) -> None:
    api.answer = outcome()
    command_line("rerun", "nightly", "--failed", "--include-inconclusive")
    [(name, arguments, facts)] = api.calls
    assert (name, arguments) == ("rerun", ("nightly",))
    assert (facts["failed"], facts["include_inconclusive"]) == (True, True)


def test_rerun_of_inconclusive_rows_alone_is_refused(command_line: CommandLine, api: FakeApi) -> None:
    answer = command_line("rerun", "nightly", "--include-inconclusive")
    assert answer.code == 2
    assert api.calls == []


# --- runs, show, sql, verify, prune


def test_runs_are_listed_with_state_and_verdict(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [
        summary("new", state=RunState.RUNNING, verdict=None, environment="", created_at="2026-01-03T00:00:00Z"),
        summary("old", created_at="2026-01-01T00:00:00Z"),
    ]
    answer = command_line("runs")
    assert answer.out.splitlines() == [
        "run_id  journey      environment  state     verdict  rows  created_at",
        "new     place-order               running              10  2026-01-03T00:00:00Z",
        "old     place-order  local        finished  passed     10  2026-01-01T00:00:00Z",
    ]


def test_runs_as_json(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r2", verdict=None), summary("r1")]
    answer = command_line("runs", "--json", "--store", "/s")
    assert [(run["run_id"], run["verdict"]) for run in answer.json] == [("r2", None), ("r1", "passed")]
    assert api.calls == [("open_store", ("/s",), {})]


def test_a_damaged_run_says_what_is_wrong_with_it(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1", state=RunState.DAMAGED, verdict=None, problem="`run.json` is no run record")]
    answer = command_line("runs")
    assert "damaged" in answer.out
    assert answer.err == "r1: `run.json` is no run record\n"


def test_an_empty_store_is_said_to_be_empty_on_standard_error(command_line: CommandLine, api: FakeApi) -> None:
    answer = command_line("runs")
    assert (answer.code, answer.out) == (0, "")
    assert "no runs in ./.reqflo" in answer.err
    assert command_line("runs", "--json").json == []


def test_show_tells_a_run_at_a_glance(command_line: CommandLine, api: FakeApi) -> None:
    counts = Counts(rows=3, passed=2, failed=1, requests=9, resumed=2, resent=1, resent_sensitive=3, quarantined=4)
    api.store.summaries = [summary("r1", verdict=Status.FAILED, rows=3, counts=counts)]
    columns = "row_index row_key status failed_step error_code error_message"
    api.store.answers = [
        ("failed_step", table(columns, (2, "k\x1b2", "failed", "create", "assertion_failed", "expected 201"))),
    ]
    answer = command_line("show", "r")
    assert answer.out.splitlines() == [
        "run_id       r1",
        "journey      place-order",
        "environment  local",
        "state        finished",
        "verdict      failed",
        "rows         3",
        "created_at   2026-01-02T03:04:05Z",
        "counts       passed 2  failed 1  requests 9  resumed 2  resent 1  resent_sensitive 3  quarantined 4",
        "",
        "row_index  row_key  status  failed_step  error_code        error_message",
        "        2  k\\x1b2   failed  create       assertion_failed  expected 201",
    ]
    assert [arguments[1] for name, arguments, _ in api.store.asked if name == "query"] == [("r1",)]


def test_show_tells_that_a_run_verified_no_certificate(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1", insecure=True)]
    api.store.answers = [("failed_step", table("row_index"))]
    assert "insecure     True" in command_line("show", "r").out.splitlines()


def test_the_hint_of_show_can_be_pasted_into_a_shell(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1", verdict=Status.FAILED)]
    columns = "row_index row_key status failed_step error_code error_message"
    api.store.answers = [("failed_step", table(columns, (2, "it's; rm", "failed", "a", "b", "c")))]
    answer = command_line("show", "r1", "--store", "/my runs")
    assert answer.err == "all of one row: reqflo-ray show r1 --row 'it'\"'\"'s; rm' --store '/my runs'\n"


def test_show_of_a_row_as_json_holds_result_and_steps(command_line: CommandLine, api: FakeApi) -> None:
    api.store.rows = {
        "k1": SimpleNamespace(
            result={"row_index": 0, "started_at": datetime(2026, 1, 2, 3, 4, 5)},
            steps=[{"step_id": "token", "http_response_body_binary": b"\x00\xff"}],
            problems=(),
        )
    }
    answer = command_line("show", "r1", "--row", "k1", "--step", "token", "--json")
    assert answer.json == {
        "result": {"row_index": 0, "started_at": "2026-01-02T03:04:05Z"},
        "steps": [{"step_id": "token", "http_response_body_binary": "AP8="}],
    }
    assert api.store.asked == [("row", ("r1", "k1"), {"step": "token"})]


@pytest.mark.parametrize("option", [("--step", "x"), ("--full",)])
def test_a_step_without_its_row_is_refused(command_line: CommandLine, api: FakeApi, option: tuple[str, ...]) -> None:
    answer = command_line("show", "r1", *option)
    assert answer.code == 2
    assert "error[step_without_row]" in answer.err


LEFT_OUT = Problem(code="damaged_file", message="run `r1`: 1 file\x1b is left out", severity=Severity.WARNING)


@pytest.mark.parametrize("arguments", [("sql", "select 1"), ("show", "r1"), ("show", "r1", "--row", "k1")])
def test_what_an_answer_leaves_out_stands_in_it(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...]
) -> None:
    answer = table("row_index row_key", (1, "k1"))
    answer.problems = (LEFT_OUT,)
    api.store.summaries, api.store.answers = [summary("r1")], [("select", answer)]
    result = {"row_index": 0, "status": "passed"}
    api.store.rows = {"k1": SimpleNamespace(result=result, steps=[], problems=(LEFT_OUT,))}
    shown = command_line(*arguments, "--damaged=skip")
    assert "left out     run `r1`: 1 file\\x1b is left out" in shown.out.splitlines()
    assert api.store.asked[-1][2]["damaged"] == "skip"
    if arguments[0] == "show":
        assert command_line(*arguments, "--damaged=skip", "--json").json["left_out"] == [LEFT_OUT.message]


def test_report_leaves_out_what_is_damaged_only_when_it_is_told_to(
    command_line: CommandLine, api: FakeApi, tmp_path: Path
) -> None:
    for told, skipped in (((), False), (("--damaged", "skip"), True)):
        command_line("report", "r1", f"junit={tmp_path / 'j.xml'}", *told)
        assert api.skipped_damaged is skipped
    answer = command_line("report", "r1", f"junit={tmp_path / 'j.xml'}", "--damaged", "ignore")
    assert answer.code == 2 and "'refuse', 'skip'" in answer.err


def test_sql_prints_a_table_and_does_not_cut_it_when_piped(command_line: CommandLine, api: FakeApi) -> None:
    api.store.answers = [("select", table("key value", ("a" * 300, 1), ("b", None)))]
    answer = command_line("sql", "select 1", "--run", "r1", "--run", "r2")
    assert answer.out.splitlines() == [
        "key" + " " * 299 + "value",
        "a" * 300 + "  " + "    1",
        "b" + " " * 299 + "  " + " NULL",
    ]
    assert api.store.asked == [("query", ("select 1", ("r1", "r2")), {})]


def test_sql_reads_a_long_question_from_standard_input(
    command_line: CommandLine, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1\nfrom results"))
    api.store.answers = [("from results", table("n", (1,)))]
    assert command_line("sql", "-").out == "n\n1\n"


def test_sql_cuts_cells_on_a_terminal_to_its_width(command_line: CommandLine, api: FakeApi) -> None:
    api.store.answers = [("select", table("key value", ("a" * 300, 1)))]
    answer = command_line("sql", "select 1", is_terminal=True, columns=40, environment={"NO_COLOR": "1"})
    assert all(len(line) <= 40 for line in answer.out.splitlines())
    assert "…" in answer.out
    assert answer.err == "(1 row)\n"


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("--format", "csv"), ("csv", False)),
        (("--format", "csv", "--raw"), ("csv", True)),
        (("--format", "json"), ("json", False)),
        (("--format", "parquet"), ("parquet", False)),
    ],
)
def test_sql_in_another_format_is_written_as_it_is(
    command_line: CommandLine,
    api: FakeApi,
    exported: list[tuple[str, bool]],
    arguments: tuple[str, ...],
    asked: tuple[str, bool],
) -> None:
    api.store.answers = [("select", table("a"))]
    answer = command_line("sql", "select 1", *arguments)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == ("a\n\\u001b[2J\n" if asked[0] == "json" else "a\n\x1b[2J\n")
    assert exported == [asked]


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_sql_knows_the_format_by_the_ending_of_the_file(
    command_line: CommandLine, api: FakeApi, exported: list[tuple[str, bool]], tmp_path: Path, ending: str
) -> None:
    api.store.answers = [("select", table("a"))]
    path = tmp_path / f"x.{ending}"
    answer = command_line("sql", "select 1", "-o", str(path))
    assert (answer.code, answer.out) == (0, "")
    assert path.read_bytes() == b"a\n\x1b[2J\n"
    assert exported == [(ending, False)]


@pytest.mark.parametrize(
    ("arguments", "is_terminal", "code"),
    [
        (("--format", "parquet"), True, "binary_to_terminal"),
        (("-o", "answer.txt"), False, "missing_format"),
        (("--format", "table", "-o", "answer.csv"), False, "missing_format"),
        (("--raw",), False, "raw_without_csv"),
        (("--format", "xml"), False, "usage"),
    ],
)
def test_sql_refuses_what_cannot_be_written(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...], is_terminal: bool, code: str
) -> None:
    answer = command_line("sql", "select 1", *arguments, environment={"NO_COLOR": "1"}, is_terminal=is_terminal)
    assert answer.code == 2
    assert f"error[{code}]" in answer.err
    assert api.calls == []


def test_csv_is_escaped_where_a_person_reads_it(
    command_line: CommandLine, api: FakeApi, exported: list[tuple[str, bool]]
) -> None:
    api.store.answers = [("select", table("a"))]
    assert command_line("sql", "select 1", "--format", "csv", is_terminal=True).out == "a\n\\x1b[2J\n"
    assert command_line("sql", "select 1", "--format", "csv").out == "a\n\x1b[2J\n"


def test_verify_says_ok_or_exits_3_with_all_findings(command_line: CommandLine, api: FakeApi) -> None:
    intact = VerifyReport(run_id="r1", complete=True, files=4, bytes=999, rows=10, rows_lost=0, findings=())
    api.store.report = intact
    assert command_line("verify", "r1").out == "ok: r1: 4 files and 10 rows\n"
    findings = tuple(Finding(path=f"results/{name}", kind=FindingKind.DAMAGED, message="flipped") for name in "ab")
    api.store.report = replace(intact, rows=6, rows_lost=4, findings=findings)
    answer = command_line("verify", "r1")
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.splitlines() == [
        "error[damaged]: `results/a`: flipped",
        "",
        "error[damaged]: `results/b`: flipped",
        "",
        "2 errors",
        "lost: 4 rows of 10",
    ]
    assert command_line("verify", "r1", "--json").json["ok"] is False


def test_verify_of_an_unfinished_run_says_that_it_saw_a_part_and_proves_nothing(
    command_line: CommandLine, api: FakeApi
) -> None:
    api.store.report = VerifyReport(run_id="r1", complete=False, files=1, bytes=9, rows=1, rows_lost=0, findings=())
    answer = command_line("verify", "r1")
    assert (answer.code, answer.out) == (3, "ok so far: r1: 1 file and 1 row\n")
    assert "not finished" in answer.err
    assert command_line("verify", "r1", "--json").json["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        (("--keep", "3"), {"keep": 3, "older_than_s": None, "unfinished": False}),
        (("--keep", "0"), {"keep": 0, "older_than_s": None, "unfinished": False}),
        (("--older-than", "30d"), {"keep": None, "older_than_s": 2_592_000.0, "unfinished": False}),
        (("--older-than", "1.5h"), {"keep": None, "older_than_s": 5400.0, "unfinished": False}),
        (("--keep", "3", "--older-than", "1w"), {"keep": 3, "older_than_s": 604_800.0, "unfinished": False}),
        (("--keep", "3", "--unfinished"), {"keep": 3, "older_than_s": None, "unfinished": True}),
    ],
)
def test_prune_deletes_and_names_what_it_deleted(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...], limits: dict[str, object]
) -> None:
    api.store.deleted = Pruned(runs=("r1", "r2"), artifacts=("d",))
    answer = command_line("prune", *arguments)
    assert (answer.code, answer.out, answer.err) == (0, "r1\nr2\n", "deleted: 2 runs, 1 artifact\n")
    assert api.store.asked == [("prune", (), limits)]


def test_prune_says_which_runs_it_kept_and_how_they_would_go(command_line: CommandLine, api: FakeApi) -> None:
    kept = (
        Kept(run_id="r2", reason="it is unfinished and can be resumed", spared=True),
        Kept(run_id="r3", reason="it may be running"),
    )
    api.store.deleted = Pruned(runs=("r1",), kept=kept)
    answer = command_line("prune", "--keep", "0")
    assert (answer.code, answer.out) == (0, "r1\n")
    assert answer.err.splitlines() == [
        "kept: r2: it is unfinished and can be resumed",
        "kept: r3: it may be running",
        "deleted: 1 run, 0 artifacts; kept all the same: 2 runs",
        "hint: `--unfinished` also deletes runs that could be resumed, and damaged ones",
    ]
    api.store.deleted = Pruned(runs=("r1",), kept=kept[1:])
    assert "hint" not in command_line("prune", "--keep", "0").err


def test_prune_ends_with_3_if_a_run_could_not_be_deleted(command_line: CommandLine, api: FakeApi) -> None:
    api.store.deleted = Pruned(kept=(Kept(run_id="r2", reason="cannot remove it (Permission denied)", failed=True),))
    answer = command_line("prune", "--keep", "0")
    assert answer.code == 3
    assert "kept: r2: cannot remove it (Permission denied)" in answer.err
    assert "hint" not in answer.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("--keep", "-1"), ("--older-than", "soon"), ("--older-than", "3"), ("--older-than", "-1d")],
)
def test_prune_deletes_nothing_unless_it_is_told_what(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...]
) -> None:
    assert command_line("prune", *arguments).code == 2
    assert api.calls == []


# --- schema, init


def test_schema_is_json(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    assert command_line("schema").json == api.answer


def test_init_makes_a_workspace_and_says_what_to_do_next(command_line: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "my shop"
    answer = command_line("init", str(folder))
    assert answer.code == 0
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "data/orders.csv",
        "environments/environments.yaml",
        "journeys/place-order.yaml",
        "reqflo.yaml",
        "templates/shop-api.yaml",
    ]
    assert len(answer.out.splitlines()) == 5
    assert f"cd '{folder}'" in answer.err
    assert "reqflo-ray run place-order --data data/orders.csv --key order_ref" in answer.err


def test_the_workspace_of_init_compiles_without_a_warning(command_line: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("reqflo_ray._internal.compiler.compile", reason="the compiler is not there")
    from reqflo_ray._internal.compiler.compile import compile_journey
    from reqflo_ray._internal.compiler.workspace.load import load_workspace

    command_line("init", str(tmp_path))
    compilation = compile_journey(load_workspace(tmp_path), "place-order")
    assert compilation.problems == ()
    assert [step.id for step in compilation.artifact.steps] == ["token", "create", "read"]


def test_init_overwrites_nothing(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "reqflo.yaml").write_text("mine")
    answer = command_line("init", str(tmp_path))
    assert answer.code == 2
    assert "error[workspace_exists]" in answer.err
    assert (tmp_path / "reqflo.yaml").read_text() == "mine"
    assert os.listdir(tmp_path) == ["reqflo.yaml"]


def test_init_into_a_place_that_is_a_file_is_refused(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = command_line("init", str(tmp_path / "file"))
    assert answer.code == 2
    assert "error[output_not_writable]" in answer.err


# --- help and start-up


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_each_command_explains_itself_in_one_sentence_with_examples(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert command_line(name, "--help").code == 0
    shown = capsys.readouterr().out
    usage, _, rest = shown.partition("\n\n")
    sentence = " ".join(rest.partition("\n\n")[0].split())
    assert usage.startswith(f"Usage: reqflo-ray {name}")
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
    assert "\nExamples:\n  reqflo-ray " in shown
    assert all(len(line) <= 100 for line in shown.splitlines())


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_example_is_a_command_line_that_exists(entry: Entry) -> None:
    import shlex
    from importlib import import_module

    from typer.main import get_command

    from reqflo_ray._internal.cli.main import build_application

    examples = import_module(entry.module).EXAMPLES.strip().splitlines()
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example.partition(" > ")[0])
        assert program == "reqflo-ray"
        group: Any = get_command(build_application(set(arguments)))
        with group.make_context("reqflo-ray", list(arguments)) as context:
            _, command, rest = group.resolve_command(context, arguments)
            command.make_context(arguments[0], rest, parent=context)


def test_help_lists_every_command_and_the_exit_codes(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line("--help").code == 0
    shown = capsys.readouterr().out
    for entry in COMMANDS:
        assert f"\n  {entry.name} " in shown
    assert "Exit codes:" in shown


def test_no_command_at_all_shows_the_help_and_is_a_usage_error(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line().code == 2
    assert capsys.readouterr().out.startswith("Usage: reqflo-ray")


def test_version_is_told(command_line: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert command_line("--version").code == 0
    assert capsys.readouterr().out == f"reqflo-ray {version('reqflo-ray')}\n"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from reqflo_ray._internal.cli.main import run_command_line\n"
        "from reqflo_ray._internal.cli.display.terminal import Terminal\n"
        "run_command_line(['run', '--help'], Terminal.of_process())\n"
        "heavy = {'ray', 'duckdb', 'pyarrow', 'google', 'aiohttp', 'httpx', 'jinja2', 'rich', 'ruamel'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_shown_and_completions_answered(shell: str) -> None:
    command = [sys.executable, "-c", "import sys; from reqflo_ray._internal.cli.main import main; sys.exit(main())"]
    words = {"COMP_WORDS": "reqflo-ray ru", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "reqflo-ray ru"}
    words |= {"_REQFLO_RAY_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    completed = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **words})
    assert completed.returncode == 0, completed.stderr
    assert "runs" in completed.stdout
    source = {"_REQFLO_RAY_COMPLETE": f"source_{shell}"}
    script = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **source})
    assert "_REQFLO_RAY_COMPLETE" in script.stdout
