"""All formats: what they say of runs that are finished, unfinished, damaged or large, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.model.results import Counts, Failure, Status, Verdict
from reqflo_ray._internal.reports import cases, formats
from reqflo_ray._internal.reports.formats import FORMATS, Report, check_reports, write_reports
from reqflo_ray._internal.reports.source import ReportedRun
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

Written = Callable[[str, str], bytes]


@pytest.mark.parametrize("format_", FORMATS)
def test_no_hostile_text_breaks_a_report(format_: str, hostile: RunFolder, written: Written) -> None:
    text = written(format_, hostile.run_id).decode("utf-8")
    # JSON has escapes of its own, and gives a program the text as it was.
    assert not any(ord(character) < 32 and character not in "\n\t" for character in text)
    if format_ != "json":
        assert not set("\x7f\x85\u202e\u200b\ufeff\ufffe\uffff") & set(text)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_run_gives_the_same_report(format_: str, runs: RunMaker, written: Written) -> None:
    runs.finish("done", fail_every=2)
    assert written(format_, "done") == written(format_, "done")


@pytest.mark.parametrize("format_", FORMATS)
def test_a_report_changes_nothing_in_the_store(format_: str, runs: RunMaker, written: Written, tmp_path: Path) -> None:
    runs.finish("done", fail_every=2)

    def state() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()}

    before = state()
    written(format_, "done")
    assert state() == before


@pytest.mark.parametrize("format_", sorted(set(FORMATS) - {"json"}))
def test_a_report_of_an_unfinished_run_says_so(format_: str, unfinished: RunFolder, written: Written) -> None:
    text = written(format_, unfinished.run_id).decode()
    assert "unfinished" in text
    assert "ref-000004" in text.replace("&#45;", "-")


@pytest.mark.parametrize("format_", ["junit", "ctrf"])
def test_failures_in_shards_that_are_not_committed_are_cases_as_well(
    format_: str, runs: RunMaker, unfinished: RunFolder, tmp_path: Path
) -> None:
    failed = partial(Failure, status=Status.FAILED, step="create", code="assertion_failed", message="got <418>")
    said = Verdict(
        run_id=unfinished.run_id,
        journey="place-order",
        artifact="d" * 64,
        environment="local",
        status=Status.FAILED,
        exit_code=1,
        counts=Counts(rows=9, passed=5, failed=4),
        started_at="2026-01-02T03:04:05Z",
        finished_at="2026-01-02T03:04:17Z",
        duration_ms=12_300.0,
        # The first is committed, and told as any other row.
        failures=tuple(failed(row_index=row, row_key=f"key-{row}") for row in (4, 9)),
    )
    path = tmp_path / "report"
    write_reports(runs.storage, unfinished.run_id, [Report(format_, path)], said)
    text = path.read_text()
    assert "key-9 (not committed)" in text and "key-4 (not committed)" not in text
    assert "create: assertion_failed: got " in text
    assert ("<418>" in text) is (format_ == "ctrf")  # escaped where it could be taken for markup
    assert "2 more rows did not pass" in text
    assert "4 of 12 rows have a result" in text


@pytest.mark.parametrize("format_", FORMATS)
def test_a_run_without_any_result_has_a_report(format_: str, runs: RunMaker, written: Written) -> None:
    runs.begin("begun")
    assert b"begun" in written(format_, "begun")


def test_a_report_that_breaks_is_named_and_keeps_no_other_away(
    runs: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(run: ReportedRun, file: BinaryIO) -> None:
        file.write(b"half")
        raise ValueError("hunter22")

    monkeypatch.setattr(formats, "FORMATS", {**FORMATS, "html": breaks})
    runs.finish("done")
    (tmp_path / "page").write_text("old")
    asked = [Report("html", tmp_path / "page"), Report("junit", tmp_path / "j.xml")]
    with pytest.raises(
        ReqfloError, match="the html report could not be made, because of an internal error: ValueError"
    ) as caught:
        write_reports(runs.storage, "done", asked)
    assert "hunter22" not in str(caught.value)
    assert (tmp_path / "page").read_text() == "old"
    assert (tmp_path / "j.xml").exists()


def test_all_reports_that_could_not_be_written_are_told(
    runs: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(run: ReportedRun, file: BinaryIO) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(formats, "FORMATS", dict.fromkeys(FORMATS, full))
    runs.finish("done")
    with pytest.raises(ReqfloError) as caught:
        write_reports(runs.storage, "done", [Report("html", tmp_path / "a"), Report("junit", tmp_path / "b")])
    assert caught.value.exit_code == 3
    assert [problem.code for problem in caught.value.problems] == ["output_not_written"] * 2
    assert all("No space left" in problem.message for problem in caught.value.problems)


def test_what_could_not_be_written_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.link(tmp_path / "file", tmp_path / "hard")
    for reports, code in (
        ([Report("jnuit", tmp_path / "x")], "unknown_format"),
        ([Report("junit", tmp_path / "file" / "x")], "output_not_writable"),
        ([Report("junit", tmp_path)], "output_not_writable"),
        ([Report("junit", tmp_path / "x"), Report("html", tmp_path / "." / "x")], "repeated_path"),
        ([Report("junit", tmp_path / "file"), Report("html", tmp_path / "hard")], "repeated_path"),
        ([Report("junit", tmp_path / "x"), Report("html", tmp_path / "x" / "y")], "repeated_path"),
    ):
        with pytest.raises(UsageError) as caught:
            check_reports(reports)
        assert caught.value.code == code
    assert check_reports([Report("junit", tmp_path / "x"), Report("junit", tmp_path / "y")])


def test_a_run_is_found_by_the_beginning_of_its_id(runs: RunMaker, tmp_path: Path) -> None:
    runs.finish("nightly-0412")
    write_reports(runs.storage, "night", [Report("junit", tmp_path / "j.xml")])
    assert b"nightly-0412" in (tmp_path / "j.xml").read_bytes()
    with pytest.raises(UsageError, match="there is no run"):
        write_reports(runs.storage, "weekly", [Report("junit", tmp_path / "j.xml")])


def test_of_a_large_run_only_rows_that_did_not_pass_are_cases(
    runs: RunMaker, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.finish("large", shards=4, rows=5, fail_every=4)
    monkeypatch.setattr(cases, "MOST_CASES", 3)
    for format_ in ("junit", "ctrf"):
        text = written(format_, "large").decode()
        assert [f"[ref-{row:06}]" in text for row in (0, 1, 4, 8, 12, 16)] == [True, False, True, True, False, False]
        assert "15 more rows passed" in text
        assert "2 more rows did not pass; reqflo-ray sql" in text
    monkeypatch.setattr(cases, "MOST_CASES", 20)
    assert "not listed" not in written("junit", "large").decode()


def test_of_a_large_run_rows_that_passed_only_after_a_retry_are_cases_too(
    telling: RunFolder, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "MOST_CASES", 5)
    for format_ in ("junit", "ctrf"):
        text = written(format_, telling.run_id).decode()
        assert [f"[ref-{row}]" in text for row in range(6)] == [False, True, True, True, True, True]
        assert "1 more rows passed" in text
    # Those that did not pass come first.
    monkeypatch.setattr(cases, "MOST_CASES", 4)
    assert "[ref-1]" not in written("junit", telling.run_id).decode()


def test_keys_that_look_alike_have_names_of_their_own(hostile: RunFolder) -> None:
    from reqflo_ray._internal.analysis.session import open_session

    with open_session(hostile.storage, [hostile.run_id]) as session:
        found = list(cases.cases(ReportedRun.of(hostile, session)))
    names = [case.name for case in found]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 200
