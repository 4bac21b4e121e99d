"""Reports of runs of which results are damaged: refused by name, or made without them, and then none says it is all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.analysis.session import open_session
from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.model.results import Counts
from reqflo_ray._internal.reports import formats
from reqflo_ray._internal.reports.formats import FORMATS, Report, write_reports
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.completion import complete
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

RESULTS, STEPS = layout.results(1, 1), layout.steps(1, 1)
LEFT_OUT = "1 damaged file is left out, with 5 rows"


def _flip(folder: RunFolder, name: str) -> None:
    path = Path(folder.storage.uri, folder.path(name))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def _report(folder: RunFolder, format_: str, place: Path, damaged: Damaged = Damaged.SKIP) -> str:
    path = place / f"report.{format_}"
    write_reports(folder.storage, folder.run_id, [Report(format_, path)], damaged=damaged)
    text = path.read_text(encoding="utf-8")
    return re.sub("&#([0-9]+);", lambda found: chr(int(found[1])), text) if format_ == "markdown" else text


@pytest.fixture
def done(runs: RunMaker) -> RunFolder:
    """A finished run of ten rows, all passed, in two shards."""
    return runs.finish("done", shards=2, rows=5)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", [RESULTS, STEPS])
def test_a_damaged_file_refuses_the_report_by_its_name(
    done: RunFolder, format_: str, name: str, tmp_path: Path
) -> None:
    _flip(done, name)
    (tmp_path / f"report.{format_}").write_text("old")
    with pytest.raises(IntegrityError, match=f"`{name}` of run `done`") as caught:
        _report(done, format_, tmp_path, Damaged.REFUSE)
    assert (caught.value.code, caught.value.exit_code) == ("damaged_file", 3)
    assert (tmp_path / f"report.{format_}").read_text() == "old"


def test_junit_has_an_error_for_what_is_left_out(done: RunFolder, tmp_path: Path) -> None:
    _flip(done, RESULTS)
    [suites] = ElementTree.fromstring(_report(done, "junit", tmp_path))
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("6", "0", "1")
    [case] = [case for case in suites.iter("testcase") if case.find("error") is not None]
    assert case.get("name") == "(results that are left out)"
    error = case.find("error")
    assert error is not None
    assert LEFT_OUT in str(error.get("message")) and RESULTS in str(error.get("message"))
    properties = {each.get("name"): str(each.get("value")) for each in suites.iter("property")}
    assert LEFT_OUT in properties["left_out"]


def test_ctrf_counts_what_is_left_out_as_failed_and_never_as_passed(done: RunFolder, tmp_path: Path) -> None:
    _flip(done, RESULTS)
    results = json.loads(_report(done, "ctrf", tmp_path))["results"]
    summary = results["summary"]
    assert [summary[name] for name in ("tests", "passed", "failed", "skipped", "other")] == [11, 5, 1, 0, 5]
    assert summary["extra"]["complete"] is False and LEFT_OUT in summary["extra"]["leftOut"][0]
    assert [test["name"] for test in results["tests"] if test["status"] == "failed"] == ["(results that are left out)"]


def test_the_json_document_is_not_complete_and_says_why(done: RunFolder, tmp_path: Path) -> None:
    whole = json.loads(_report(done, "json", tmp_path))
    assert (whole["complete"], whole["left_out"], len(whole["rows"])) == (True, [], 10)
    _flip(done, RESULTS)
    document = json.loads(_report(done, "json", tmp_path))
    assert document["complete"] is False and LEFT_OUT in document["left_out"][0]
    assert [row["row_index"] for row in document["rows"]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("format_", ["html", "markdown"])
def test_what_people_read_begins_with_what_is_missing(done: RunFolder, format_: str, tmp_path: Path) -> None:
    title = "<title>place-order: " if format_ == "html" else "## ✅ <code>place-order</code>: "
    assert f"{title}passed" in _report(done, format_, tmp_path)
    _flip(done, RESULTS)
    text = _report(done, format_, tmp_path)
    assert f"{title.replace('✅', '⚠️')}incomplete: 5 of 10 rows can be read" in text
    assert "This report is incomplete" in text and LEFT_OUT in text and RESULTS in text
    assert "✅" not in text and 'class="passed">passed' not in text
    # Of ten that passed, five can be read: as many as are unreadable.
    assert re.search(r"passed</dt><dd>5<" if format_ == "html" else r"\| 10 \| 5 \| 0 \| 0 \|.* 5 \|", text)
    assert re.search(r"unreadable</dt><dd>5<" if format_ == "html" else r"\| rows .*\| unreadable \|", text)


@pytest.mark.parametrize("format_", FORMATS)
def test_steps_that_are_left_out_are_said_though_every_row_is_there(
    done: RunFolder, format_: str, tmp_path: Path
) -> None:
    _flip(done, STEPS)
    text = _report(done, format_, tmp_path)
    assert STEPS in text and "1 damaged file is left out, with 0 rows" in text
    if format_ in ("html", "markdown"):
        assert "incomplete: steps of some rows cannot be read" in text


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", [RESULTS, layout.commit(1)])
def test_of_an_unfinished_run_what_is_left_out_is_said_as_well(
    unfinished: RunFolder, format_: str, name: str, tmp_path: Path
) -> None:
    _flip(unfinished, name) if name == RESULTS else unfinished.write_file(name, b"{")
    with pytest.raises(IntegrityError, match=name):
        _report(unfinished, format_, tmp_path, Damaged.REFUSE)
    text = _report(unfinished, format_, tmp_path)
    assert "1 damaged file is left out" in text and name in text
    if format_ == "json":
        assert json.loads(text)["complete"] is False


# Results that are whole and yet not those that were counted: nothing damaged, but something is wrong


@pytest.mark.parametrize("format_", FORMATS)
def test_results_that_are_not_those_that_the_verdict_counts_are_never_reported(
    runs: RunMaker, format_: str, tmp_path: Path
) -> None:
    folder = runs.begin("done")
    runs.stage(folder, 2)
    for shard in range(2):
        runs.commit(folder, shard, 5, fail_every=5)
    green = Counts(rows=10, passed=10)
    complete(folder, lambda *_: msgspec.structs.replace(runs.verdict(folder), counts=green), 2)
    for damaged in Damaged:
        with pytest.raises(IntegrityError, match="do not match its counts") as caught:
            _report(folder, format_, tmp_path, damaged)
        assert (caught.value.code, caught.value.exit_code) == ("results_differ", 3)
        assert caught.value.cause == "verdict.json counts 10 rows as passed; the results have 8"
        assert "verify done" in caught.value.hint and not (tmp_path / f"report.{format_}").exists()


def test_a_run_that_is_finished_while_it_is_reported_is_told_as_it_was(
    runs: RunMaker, unfinished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a report would show the verdict of all rows over the rows of a part."""

    def then_finish(*arguments: Any, **facts: Any) -> Any:
        session = open_session(*arguments, **facts)
        for shard in (0, 2):
            runs.commit(unfinished, shard, 4)
        for shard in range(3):
            unfinished.write_file(layout.rows(shard), b"rows")
        complete(unfinished, lambda *_: runs.verdict(unfinished), 3)
        return session

    monkeypatch.setattr(formats, "open_session", then_finish)
    document = json.loads(_report(unfinished, "json", tmp_path))
    assert document["complete"] is False
    assert len(document["rows"]) == document["verdict"]["counts"]["rows"] == 4
    monkeypatch.undo()
    document = json.loads(_report(unfinished, "json", tmp_path))
    assert document["complete"] is True and len(document["rows"]) == 12
