"""JUnit XML: what readers rely on holds whatever the rows are, and how rows ended is told in its words."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import junit_rules
import junit_schemas
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.reports import junit
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.visible_text import visible

Written = Callable[[str, str], bytes]
GOOD = """<testsuites><testsuite name="s" package="" id="0" hostname="h" tests="1" failures="1" errors="0" skipped="0"
time="1.0" timestamp="2026-11-22T10:45:00"><properties><property name="p" value=""/></properties>
<testcase classname="s" name="a" time="0.1"><failure type="t" message="m">text</failure></testcase>
<system-out>o</system-out><system-err/></testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("", ""),
        ('tests="1"', 'tests="2"'),
        ('failures="1"', 'failures="0"'),
        ('classname="s" ', ""),
        ('message="m"', ""),
        ('time="0.1"', 'time="fast"'),
        ("<failure", '<skipped message="m"/><failure'),
        ("<testcase", "<testcase><p/></testcase><testcase"),
        ('name="a"', f'name="{"a" * 201}"'),
        ('<testcase classname="s" name="a" time="0.1">', '<testcase classname="s" name="a" time="0.1"/>' * 2),
        ("</testcase>", '<flakyFailure type="t"/></testcase>'),
    ],
)
def test_the_rules_find_what_is_wrong(right: str, wrong: str) -> None:
    text = GOOD.replace(right, wrong) if right else GOOD
    try:
        found = junit_rules.problems(ET.fromstring(text))
    except ET.ParseError:
        found = ["no XML"]
    assert bool(found) is bool(right)


@pytest.mark.parametrize(
    ("right", "wrong", "of_xunit", "of_ant"),
    [
        ("", "", False, False),
        ('classname="s" ', 'classname="s" file="a.yaml" ', True, True),
        ('classname="s" ', 'classname="s" line="7" ', True, True),
        ("<testsuites>", '<testsuites name="s" tests="1">', False, True),
        ("<testsuites>", '<testsuites skipped="0">', True, True),
        ("<testsuites>", '<testsuites timestamp="2026-11-22T10:45:00">', True, True),
        ('<testcase classname="s" name="a"', '<testcase classname="s"', True, True),
        ('hostname="h"', "", False, True),
        ('hostname="h"', 'hostname=" "', False, True),
        ('package="" ', "", False, True),
        ('id="0"', 'id="first"', False, True),
        ('errors="0"', "", True, True),
        ('time="1.0"', 'time="1.0 s"', True, True),
        ("T10:45:00", "T10:45:00Z", False, True),
        ("<system-out>o</system-out>", "", False, True),
        ("<system-err/>", "", False, True),
        ("<system-out>o</system-out><system-err/>", "<system-err/><system-out>o</system-out>", False, True),
        ("</testcase>", "</testcase>text", True, True),
        ("</failure>", "</failure><system-out>o</system-out>", False, True),
        ("</failure>", "</failure><properties/>", True, True),
        ('<property name="p" value=""/>', '<property name="p"/>', True, True),
        ('type="t" ', "", False, True),
        ("</failure>", '</failure><flakyFailure type="t"/>', False, True),
        ("</failure>", '</failure><flakyFailure message="m"/>', True, True),
    ],
)
def test_the_schemas_find_what_is_wrong(right: str, wrong: str, of_xunit: bool, of_ant: bool) -> None:
    assert right in GOOD
    root = ET.fromstring(GOOD.replace(right, wrong) if right else GOOD)
    assert bool(junit_schemas.problems(root, junit_schemas.XUNIT)) is of_xunit
    assert bool(junit_schemas.problems(root, junit_schemas.ANT)) is of_ant


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\ufffe", "&#27;", "&#x1b;", "&#0;"])
def test_the_rules_find_forbidden_characters(bad: str) -> None:
    with pytest.raises((AssertionError, ET.ParseError)):
        junit_rules.read(GOOD.replace("text", bad).encode())


def test_a_report_of_hostile_rows_keeps_the_rules(hostile: RunFolder, written: Written) -> None:
    root = junit_rules.read(written("junit", hostile.run_id))
    assert junit_rules.problems(root) == []
    told = [root.find(f".//testsuite/testcase[{number}]/*") for number in range(1, 6)]
    assert [None if element is None else element.tag for element in told] == [
        "failure",
        "error",
        "error",
        "skipped",
        "skipped",
    ]
    assert "row \\x00" not in ET.tostring(root, encoding="unicode")
    text = "".join(root.itertext())
    assert "<script>alert(1)</script>" in text and "\\x1b[31mred" in text and "\\u202egnp.exe" in text


def test_a_report_of_naughty_strings_keeps_the_rules(naughty: tuple[RunFolder, list[str]], written: Written) -> None:
    folder, texts = naughty
    root = junit_rules.read(written("junit", folder.run_id))
    assert junit_rules.problems(root) == []
    names = " ".join(case.get("name", "") for case in root.iter("testcase"))
    assert all(visible(text)[:50] in names for text in texts)


def test_rows_that_passed_and_failed_are_told(runs: RunMaker, written: Written) -> None:
    runs.finish(
        "done", shards=1, rows=3, fail_every=2, sources={"token": "journeys/a.yaml:3", "read": "journeys/a.yaml:9"}
    )
    root = junit_rules.read(written("junit", "done"))
    assert junit_rules.problems(root) == []
    assert (root[0].get("tests"), root[0].get("failures")) == ("3", "2")
    first, second, _ = root.iter("testcase")
    assert (second.get("name"), list(second)) == ("place-order [ref-000001]", [])
    [failure] = first
    assert failure.text and "\nat journeys/a.yaml:9\n" in failure.text
    assert failure.get("type") == "assertion_failed"
    assert failure.text and "reqflo-ray show done --row ref-000000" in failure.text
    assert "read: failed  500" in failure.text
    assert "failed: status is 500, expected 200" in failure.text
    properties = {found.get("name"): found.get("value") for found in root.iter("property")}
    assert (properties["run_id"], properties["failed"]) == ("done", "2")


def test_a_run_that_is_not_finished_is_not_green(unfinished: RunFolder, written: Written) -> None:
    root = junit_rules.read(written("junit", unfinished.run_id))
    assert junit_rules.problems(root) == []
    [message] = [error.get("message") for error in root.iter("error")]
    assert message == "4 of 12 rows have a result; resume it with `reqflo-ray resume unfinished`"


def test_a_report_ends_before_it_is_too_large(
    hostile: RunFolder, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(junit, "MOST_BYTES", 20_000)
    data = written("junit", hostile.run_id)
    root = junit_rules.read(data)
    assert junit_rules.problems(root) == []
    assert len(data) < 40_000
    assert "more rows did not pass" in data.decode()


def test_a_row_that_passed_only_after_a_retry_has_a_flaky_failure(telling: RunFolder, written: Written) -> None:
    root = junit_rules.read(written("junit", telling.run_id))
    assert junit_rules.problems(root) == []
    flaky = {case.get("name"): case for case in root.iter("testcase") if case.find("flakyFailure") is not None}
    assert list(flaky) == ["place-order [ref-1]"]
    [attempt] = flaky["place-order [ref-1]"]
    assert (attempt.get("type"), attempt.get("message")) == (
        "assertion_failed",
        "status is 503, expected 200",
    )
    [trace] = attempt
    assert trace.tag == "stackTrace" and (trace.text or "").startswith("read: failed  known flaky  503")
    assert "passed after a retry, 1 row: failed at step read (known flaky): status_code equals" in _output(root)


def test_failed_soft_assertions_stand_in_the_output_of_the_suite(telling: RunFolder, written: Written) -> None:
    root = junit_rules.read(written("junit", telling.run_id))
    assert (
        "soft assertion failed in 2 rows: failed at step create: response_time less_than:"
        " response time is 900.5 ms, expected less than 500 ms (first: row 0)"
    ) in _output(root)
    properties = {found.get("name"): found.get("value") for found in root.iter("property")}
    assert (properties["soft_failures"], properties["flaky"]) == ("2", "1")


def test_a_step_that_no_attempt_is_recorded_of_is_told_as_skipped(telling: RunFolder, written: Written) -> None:
    root = junit_rules.read(written("junit", telling.run_id))
    failures = {case.get("name"): case.findtext("failure") or case.findtext("error") for case in root.iter("testcase")}
    assert "pay: skipped  not reached" in (failures["place-order [ref-5]"] or "")


def test_a_run_without_host_is_told_as_of_localhost(runs: RunMaker, written: Written) -> None:
    runs.finish("done", host=" ")
    suite = junit_rules.read(written("junit", "done"))[0]
    assert suite.get("hostname") == "localhost"
    runs.finish("elsewhere", host="worker-7")
    assert junit_rules.read(written("junit", "elsewhere"))[0].get("hostname") == "worker-7"


def _output(root: ET.Element) -> str:
    return root.findtext("testsuite/system-out") or ""
