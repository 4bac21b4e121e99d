"""JUnit XML: what readers rely on holds whatever the rows are, and how rows ended is told in its words."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import junit_rules
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.reports import junit
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.visible_text import visible

Written = Callable[[str, str], bytes]
GOOD = """<testsuites name="s" tests="1" failures="1" errors="0" skipped="0" time="1.0">
<testsuite name="s" tests="1" failures="1" errors="0" skipped="0" time="1.0">
<testcase classname="s" name="a" time="0.1"><failure message="m">text</failure></testcase></testsuite></testsuites>"""


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
    ],
)
def test_the_rules_find_what_is_wrong(right: str, wrong: str) -> None:
    text = GOOD.replace(right, wrong) if right else GOOD
    try:
        found = junit_rules.problems(ET.fromstring(text))
    except ET.ParseError:
        found = ["no XML"]
    assert bool(found) is bool(right)


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
    assert (root.get("tests"), root.get("failures")) == ("3", "2")
    first, second, _ = root.iter("testcase")
    assert (second.get("name"), list(second)) == ("place-order [ref-000001]", [])
    assert (first.get("file"), first.get("line")) == ("journeys/a.yaml", "9")
    [failure] = first
    assert failure.get("type") == "assertion_failed"
    assert failure.text and "reqflo-ray show done --row ref-000000" in failure.text
    assert "read: failed  500" in failure.text
    assert "failed: expected 200, got 500" in failure.text
    properties = {found.get("name"): found.get("value") for found in root.iter("property")}
    assert (properties["run_id"], properties["failed"]) == ("done", "2")


def test_a_run_that_is_not_finished_is_not_green(unfinished: RunFolder, written: Written) -> None:
    root = junit_rules.read(written("junit", unfinished.run_id))
    assert junit_rules.problems(root) == []
    [message] = [error.get("message") for error in root.iter("error")]
    assert message == "4 of 12 rows have a result; `reqflo-ray resume unfinished` goes on"


def test_a_report_ends_before_it_is_too_large(
    hostile: RunFolder, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(junit, "MOST_BYTES", 20_000)
    data = written("junit", hostile.run_id)
    root = junit_rules.read(data)
    assert junit_rules.problems(root) == []
    assert len(data) < 40_000
    assert "more rows did not pass" in data.decode()
