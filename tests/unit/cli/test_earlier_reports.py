"""A command that was asked for a report and ends without it: what lay there says so, and nothing else is touched."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from screens import CommandLine, MakeOutcome

import reqflo_ray
from reqflo_ray._internal.api import reports
from reqflo_ray._internal.errors import (
    ClusterError,
    DatasetError,
    IntegrityError,
    NothingSelectedError,
    ReqfloError,
    StoreError,
    UsageError,
)
from reqflo_ray._internal.outputs.place import find_place

GREEN = "<testsuites tests='1' failures='0' errors='0'><testsuite><testcase name='a'/></testsuite></testsuites>"


@pytest.fixture
def green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report of an earlier run that passed, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REQFLO_STORE", raising=False)
    path = tmp_path / "junit.xml"
    path.write_text(GREEN)
    return path


def errors_in(path: Path) -> list[str]:
    [suites] = ElementTree.fromstring(path.read_bytes())
    assert suites.get("errors") == "1" and suites.get("tests") == "1"
    return [str(each.get("type")) for each in suites.iter("error")]


@pytest.mark.parametrize("name", ["run", "resume", "rerun", "submit"])
@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (UsageError("there is no run `x`", code="unknown_run"), 2),
        (DatasetError("the header row is separated by semicolons", code="wrong_delimiter"), 2),
        (NothingSelectedError("there is no row to run"), 5),
        (StoreError("the store cannot be written"), 3),
        (ClusterError("the cluster cannot be reached"), 3),
        (KeyboardInterrupt(), 130),
        (ValueError("hunter22"), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_a_refused_run_leaves_no_report_of_an_earlier_one(
    command_line: CommandLine, api: FakeApi, green: Path, name: str, problem: BaseException, code: int
) -> None:
    api.answer = problem
    answer = command_line(name, "place-order", "--report", f"junit={green}", "--address", "http://127.0.0.1:1")
    assert answer.code == code
    [kind] = errors_in(green)
    assert kind == (problem.code if isinstance(problem, ReqfloError) else kind)
    assert "hunter22" not in green.read_text()
    assert f"written: {green}: it states that there is no result" in answer.err


def test_what_terminates_a_command_is_told_in_the_report(command_line: CommandLine, api: FakeApi, green: Path) -> None:
    api.answer = SystemExit(143)
    with pytest.raises(SystemExit):
        command_line("run", "place-order", "--report", f"junit={green}")
    assert errors_in(green) == ["interrupted"]
    assert '<property name="exit_code" value="143"/>' in green.read_text()


def test_an_interruption_while_the_program_is_loaded_is_told_too(
    command_line: CommandLine, api: FakeApi, green: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[Path]()

    def interrupted_once(path: Path) -> Any:
        looked.append(path)
        if len(looked) == 1:
            raise KeyboardInterrupt
        return find_place(path)

    monkeypatch.setattr(reports, "find_place", interrupted_once)
    assert command_line("run", "place-order", "--report", f"junit={green}").code == 130
    assert errors_in(green) == ["interrupted"]
    assert api.calls == []


@pytest.mark.parametrize(
    "words",
    [
        ("run", "place-order", "--concurrency", "many"),
        ("run", "place-order", "--no-such-option"),
        ("run", "place-order", "--no-such-option=3"),
        ("run", "place-order", "one too many"),
        ("run", "--key", "x"),
        ("run", "place-order", "--rate", "0"),
        ("run", "place-order", "--set", "total"),
        ("run", "place-order", "--workers", "8:2"),
        ("run", "place-order", "--report", "html=."),
        ("run", "place-order", "--report", "nothing"),
        ("resume",),
        ("resume", "latest", "--backend", "spark"),
        ("rerun", "latest", "--include-inconclusive"),
        ("submit", "place-order", "--no-wait"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("first", [True, False])
def test_a_wrong_command_line_leaves_no_report_of_an_earlier_run(
    command_line: CommandLine, api: FakeApi, green: Path, words: tuple[str, ...], first: bool
) -> None:
    option = ("--report=junit=junit.xml",)
    command, *rest = words
    answer = command_line(command, *option, *rest) if first else command_line(*words, *option)
    assert answer.code == 2
    assert len(errors_in(green)) == 1
    assert api.calls == []


def test_an_option_without_its_value_leaves_no_report_of_an_earlier_run(
    command_line: CommandLine, api: FakeApi, green: Path
) -> None:
    assert command_line("run", "place-order", "--report", "junit=junit.xml", "--data").code == 2
    assert len(errors_in(green)) == 1


def test_a_report_in_the_home_folder_is_found(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, green: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(green.parent))
    api.answer = UsageError("refused", code="refused")
    assert command_line("run", "place-order", "--report", "junit=~/junit.xml").code == 2
    assert errors_in(green) == ["refused"]
    green.write_text(GREEN)
    api.answer = outcome(rows=1, passed=1)
    api.unwritten = IntegrityError("the results are not those that were counted", code="results_differ")
    assert command_line("run", "place-order", "--report", "junit=~/junit.xml").code == 3
    assert errors_in(green) == ["results_differ"]


def test_trouble_with_earlier_reports_hides_no_error(
    command_line: CommandLine, api: FakeApi, green: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise RecursionError

    monkeypatch.setattr(reports, "files_of_request", breaks)
    api.answer = UsageError("refused", code="refused")
    answer = command_line("run", "place-order", "--report", "junit=junit.xml")
    assert answer.code == 2
    assert "error[refused]" in answer.err and "unchanged, because of an internal error: RecursionError" in answer.err
    assert green.read_text() == GREEN


def test_every_format_is_told_in_its_own_way(
    command_line: CommandLine, api: FakeApi, green: Path, tmp_path: Path
) -> None:
    names = {"html": "page.html", "markdown": "page.md", "json": "run.json", "ctrf": "ctrf.json"}
    for name in names.values():
        (tmp_path / name).write_text("earlier")
    api.answer = DatasetError("no such file", code="no_such_file")
    options = [word for format_, name in names.items() for word in ("--report", f"{format_}={name}")]
    assert command_line("run", "place-order", *options).code == 2
    for name in names.values():
        text = (tmp_path / name).read_text()
        assert "no result" in text and "earlier" not in text.replace("an earlier run", "")


def test_the_file_of_output_is_a_report_too(
    command_line: CommandLine, api: FakeApi, green: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.json").write_text('{"verdict": {"status": "passed"}}')
    api.answer = NothingSelectedError("there is no row to run")
    assert command_line("run", "place-order", "--output", "r.json").code == 5
    assert '"status":"error","exit_code":5' in (tmp_path / "r.json").read_text()


def test_where_there_was_no_report_there_is_none(
    command_line: CommandLine, api: FakeApi, green: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    api.answer = NothingSelectedError("there is no row to run")
    for path in ("new.xml", "missing/new.xml"):
        assert command_line("run", "place-order", "--report", f"junit={path}").code == 5
    assert sorted(tmp_path.iterdir()) == before


def test_a_fifo_of_a_refused_run_is_not_waited_for(
    command_line: CommandLine, api: FakeApi, green: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    api.answer = NothingSelectedError("there is no row to run")
    assert command_line("run", "place-order", "--report", "junit=fifo").code == 5


def test_a_report_that_could_not_have_been_written_stays(
    command_line: CommandLine, api: FakeApi, green: Path, tmp_path: Path
) -> None:
    answer = command_line("run", "place-order", "--report", "junit=junit.xml", "--report", "html=junit.xml/x")
    assert answer.code == 2
    assert errors_in(green) == ["output_not_writable"]
    assert green.is_file()


def test_two_reports_in_one_file_leave_one_of_them(command_line: CommandLine, api: FakeApi, green: Path) -> None:
    answer = command_line("run", "place-order", "--report", "junit=junit.xml", "--report", "html=./junit.xml")
    assert answer.code == 2
    assert errors_in(green) == ["repeated_path"]


def test_a_file_that_standard_output_goes_to_is_none_of_an_earlier_run(
    command_line: CommandLine, api: FakeApi, green: Path, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as log:
        log.write("what else was printed\n")
        log.flush()
        os.set_inheritable(log.fileno(), True)
        api.answer = UsageError("refused", code="refused")
        assert command_line("run", "place-order", "--report", f"junit=/dev/fd/{log.fileno()}").code == 2
    assert (tmp_path / "log").read_text() == "what else was printed\n"


def test_the_summary_of_a_step_keeps_what_it_holds(
    command_line: CommandLine, api: FakeApi, green: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("## built 1.2.3\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    api.answer = NothingSelectedError("there is no row to run")
    assert command_line("run", "place-order", "--report", "markdown=summary.md").code == 5
    lines = summary.read_text().splitlines()
    assert lines[:2] == ["## built 1.2.3", "## ❌ <code>place&#45;order</code>: no result"]


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: ("rows.csv", ("--data", "rows.csv")),
        lambda folder: ("rows.csv", ("--data", "*.csv")),
        lambda folder: ("link.csv", ("--data", "rows.csv")),
        lambda folder: ("hard.csv", ("--data", "rows.csv")),
        lambda folder: ("reqflo.yaml", ()),
        lambda folder: ("journeys/a.yaml", ()),
        lambda folder: ("body.bin", ()),
        lambda folder: ("keys/TOKEN", ()),
        lambda folder: ("given.json", ("--artifact", "given.json")),
        lambda folder: (".reqflo/runs/r1/run.json", ()),
    ],
)
@pytest.mark.parametrize("wrong", [(), ("--no-such-option",)])
def test_what_a_refused_run_reads_is_not_taken_for_a_report(
    command_line: CommandLine,
    api: FakeApi,
    green: Path,
    tmp_path: Path,
    make: Callable[[Path], Any],
    wrong: tuple[str, ...],
) -> None:
    settings = "workspace: {name: t, secrets: {source: file, folder: keys}}\n"
    files = {
        "reqflo.yaml": settings,
        "rows.csv": "id\n1\n",
        "body.bin": "body",
        "keys/TOKEN": "made up",
        "journeys/a.yaml": "journey: {name: a, steps: [{request: {body: {file: body.bin}}}]}\n",
        "given.json": "{}",
        ".reqflo/runs/r1/run.json": "{}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "link.csv").symlink_to("rows.csv")
    os.link(tmp_path / "rows.csv", tmp_path / "hard.csv")
    target, options = make(tmp_path)
    api.answer = UsageError("refused")
    journey = () if "--artifact" in options else ("a",)
    answer = command_line("run", *journey, *options, *wrong, "--report", f"html={target}", "--report", f"junit={green}")
    assert answer.code == 2
    assert {name: (tmp_path / name).read_text() for name in files} == files
    assert len(errors_in(green)) == 1  # the other one, which nobody reads


def test_a_report_that_has_been_written_stays(
    command_line: CommandLine,
    api: FakeApi,
    outcome: MakeOutcome,
    green: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "page.html").write_text("earlier")
    api.answer = outcome(rows=1, passed=1)

    def write_one(*_: Any, **__: Any) -> None:
        (tmp_path / "page.html").write_text("of this run")
        raise KeyboardInterrupt

    monkeypatch.setattr(reqflo_ray, "write_reports", write_one)
    answer = command_line("run", "place-order", "--report", "html=page.html", "--report", "junit=junit.xml")
    assert answer.code == 130
    assert (tmp_path / "page.html").read_text() == "of this run"
    assert errors_in(green) == ["interrupted"]


def test_results_that_refuse_a_report_are_told_in_its_place(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, green: Path
) -> None:
    api.answer = outcome(rows=1, passed=1)
    api.unwritten = IntegrityError("the results are not those that were counted", code="results_differ")
    assert command_line("run", "place-order", "--report", f"junit={green}").code == 3
    assert errors_in(green) == ["results_differ"]


def test_a_report_for_which_there_was_no_room_keeps_what_it_holds(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, green: Path
) -> None:
    api.answer = outcome(rows=1, passed=1)
    api.unwritten = ReqfloError("no room", code="output_not_written")
    assert command_line("run", "place-order", "--report", f"junit={green}").code == 3
    assert green.read_text() == GREEN


def test_help_and_completion_touch_nothing(
    command_line: CommandLine, api: FakeApi, green: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line("run", "--report", "junit=junit.xml", "--help").code == 0
    facts = {
        "_REQFLO_RAY_COMPLETE": "complete_bash",
        "_TYPER_COMPLETE_ARGS": "reqflo-ray run --report junit=junit.xml ",
    }
    command_line("run", environment=facts)
    assert green.read_text() == GREEN


def test_report_and_sql_leave_what_is_there_when_they_are_refused(
    command_line: CommandLine, api: FakeApi, green: Path
) -> None:
    api.unwritten = UsageError("there is no run `x`")
    assert command_line("report", "x", "junit=junit.xml").code == 2
    assert green.read_text() == GREEN
