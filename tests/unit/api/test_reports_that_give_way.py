"""Reports that a program asks for: refused before there is a run, and those of earlier runs, which are no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from reqflo_ray import Dataset, EarlierReports, Journey, ReqfloError, UsageError, check_reports

REFUSED = UsageError("there is no run `x`", code="unknown_run")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REQFLO_STORE", raising=False)
    for name in ("j.xml", "p.html", "rows.csv"):
        (tmp_path / name).write_text("earlier")
    return tmp_path


def paths(given: list[tuple[Path, ReqfloError | None]]) -> list[str]:
    assert all(problem is None for _, problem in given)
    return [str(path) for path, _ in given]


def test_reports_that_can_be_written_are_no_error(here: Path) -> None:
    check_reports([("junit", "new.xml"), ("html", here / "p.html"), ("json", "missing/r.json")])
    check_reports([])
    assert not (here / "missing").exists()


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([("jnuit", "j.xml")], "unknown_format"),
        ([("junit", ".")], "output_not_writable"),
        ([("junit", "s3://bucket/j.xml")], "output_not_writable"),
        ([("junit", "j.xml"), ("html", "./j.xml")], "repeated_path"),
    ],
)
def test_reports_that_could_not_be_written_are_refused(here: Path, reports: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_reports(reports)
    assert refused.value.code == code


def test_what_lies_there_says_that_there_is_no_result(here: Path) -> None:
    earlier = EarlierReports([("junit", "j.xml"), ("html", "p.html"), ("json", "new.json")])
    assert paths(earlier.give_way(REFUSED, "nightly")) == ["j.xml", "p.html"]
    assert 'type="unknown_run"' in (here / "j.xml").read_text()
    assert "nightly" in (here / "p.html").read_text()
    assert not (here / "new.json").exists()


def test_what_was_written_meanwhile_stays(here: Path) -> None:
    earlier = EarlierReports([("junit", "j.xml")])
    (here / "j.xml").write_text("of this run")
    assert earlier.give_way(REFUSED) == []
    assert (here / "j.xml").read_text() == "of this run"


def test_a_file_that_could_not_be_written_keeps_what_it_holds(here: Path) -> None:
    earlier = EarlierReports([("junit", "j.xml")])
    assert earlier.give_way(ReqfloError("no room", code="output_not_written")) == []
    assert (here / "j.xml").read_text() == "earlier"


@pytest.mark.parametrize(
    "reports", [[("pdf", "j.xml")], [("junit", ".")], [("junit", "\0")], [("", "j.xml")], [("junit", "gone/x")]]
)
def test_what_makes_no_sense_is_passed_over(here: Path, reports: list[tuple[str, str]]) -> None:
    assert EarlierReports(reports).give_way(REFUSED) == []


def test_no_data_is_taken_for_a_report(here: Path) -> None:
    earlier = EarlierReports([("html", "rows.csv"), ("junit", "j.xml")])
    given = earlier.give_way(REFUSED, journey=Journey("nothing"), data=Dataset("rows.csv"), run="latest")
    assert paths(given) == ["j.xml"]
    assert (here / "rows.csv").read_text() == "earlier"
