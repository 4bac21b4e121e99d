"""The reports of a run: which are written, which are refused before anything is sent, and how `report` ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_api import FakeApi
from screens import CommandLine, MakeOutcome

from reqflo_ray._internal.errors import (
    ReqfloError,
)
from reqflo_ray._internal.model.results import Status


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
        (("=x.xml",), "invalid_report", "formats: junit,"),
        (("junit=",), "invalid_report", "FORMAT=PATH"),
        (("jnuit=j.xml",), "unknown_format", "did you mean `junit`?"),
        (("allure=a",), "unknown_format", "use one of: junit, html, markdown, json, ctrf"),
        (("html=file/x.html",), "output_not_writable", "is not a folder"),
        (("html=pages/",), "output_not_writable", "it is a folder"),
        (("html=s3://bucket/x.html",), "output_not_writable", "it is a URI"),
        (("html=x", "junit=./x"), "repeated_path", "a different file for each"),
        (("json=r.json",), "repeated_path", "a different file for each"),
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


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_sent(
    command_line: CommandLine, api: FakeApi, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    answer = command_line("run", "place-order", "--output", str(tmp_path / "file" / "r.json"))
    assert answer.code == 2
    assert "error[output_not_writable]" in answer.err
    assert "is not a folder" in answer.err
    assert api.calls == []


def test_report_leaves_out_what_is_damaged_only_when_it_is_told_to(
    command_line: CommandLine, api: FakeApi, tmp_path: Path
) -> None:
    for told, skipped in (((), False), (("--damaged", "skip"), True)):
        command_line("report", "r1", f"junit={tmp_path / 'j.xml'}", *told)
        assert api.skipped_damaged is skipped
    answer = command_line("report", "r1", f"junit={tmp_path / 'j.xml'}", "--damaged", "ignore")
    assert answer.code == 2 and "'refuse', 'skip'" in answer.err
