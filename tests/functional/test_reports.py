"""Reports as a person or a CI job asks for them: after a run, at any time later, of a run that was stopped."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import junit_rules
import pytest
from command_line import RUN_ORDERS

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.reports.formats import FORMATS

DATA = "data/orders.csv"


def _expect_418(workspace: Path) -> None:
    for path in workspace.rglob("*.yaml"):
        path.write_text(
            path.read_text().replace("type: status_code, expected: 201", "type: status_code, expected: 418")
        )


def _asked(prefix: str) -> list[str]:
    return [f"{name}={prefix}.{name}" for name in FORMATS]


def test_a_run_writes_every_report_and_ends_as_it_would_without(orders: Path, command: Callable[..., Any]) -> None:
    _expect_418(orders)
    options = [word for report in _asked("first") for word in ("--report", report)]
    ended = command(*RUN_ORDERS, "--run-id", "r1", *options, "--output", "result.json")
    assert ended.code == 1, ended.err
    written = ["result.json", *(f"first.{name}" for name in FORMATS)]
    assert ended.err.splitlines()[-len(written) :] == [f"written: {name}" for name in written]
    assert (orders / "result.json").read_bytes() == (orders / "first.json").read_bytes()
    root = junit_rules.read((orders / "first.junit").read_bytes())
    assert junit_rules.problems(root) == []
    assert (root[0].get("tests"), root[0].get("failures")) == ("100", "100")
    assert re.search(r"^at .*\.yaml:\d+$", root.findtext(".//failure") or "", re.MULTILINE)
    page = (orders / "first.html").read_text()
    assert "failed: status is 201, expected 418" in page
    assert "Content-Security-Policy" in page
    assert json.loads((orders / "first.ctrf").read_text())["results"]["summary"]["failed"] == 100
    assert "100 rows did not pass" in (orders / "first.markdown").read_text()

    again = command("report", "r1", *_asked("again"))
    assert (again.code, again.out) == (0, "")
    for name in FORMATS:
        assert (orders / f"again.{name}").read_bytes() == (orders / f"first.{name}").read_bytes(), name


def test_a_run_that_stopped_early_is_reported_as_unfinished(orders: Path, command: Callable[..., Any]) -> None:
    _expect_418(orders)
    ended = command(*RUN_ORDERS, "--fail-fast", "--workers", "1", "--concurrency", "1", "--report", "junit=j.xml")
    assert ended.code == 1, ended.err
    root = ET.parse(orders / "j.xml").getroot()
    assert junit_rules.problems(root) == []
    assert 0 < int(root[0].get("failures", "0")) < 100
    [error] = root.iter("error")
    assert "of 100 rows have a result" in error.get("message", "")


def test_a_refused_run_leaves_no_report_of_the_run_that_passed(orders: Path, command: Callable[..., Any]) -> None:
    options = [word for report in _asked("r") for word in ("--report", report)]
    assert command(*RUN_ORDERS, "--run-id", "r1", *options).code == 0
    passed = {name: (orders / f"r.{name}").read_bytes() for name in FORMATS}
    (orders / "broken.csv").write_text("order_ref;total\n1;2\n")
    (orders / "none.csv").write_text("order_ref,customer_id,total\n")
    for data, code in (("broken.csv", 2), ("none.csv", 5)):
        ended = command("run", "place-order", "--data", data, *options)
        assert ended.code == code, ended.err
        root = junit_rules.read((orders / "r.junit").read_bytes())
        assert junit_rules.problems(root) == []
        assert (root[0].get("tests"), root[0].get("errors")) == ("1", "1")
        assert json.loads((orders / "r.json").read_text())["verdict"]["exit_code"] == code
        assert json.loads((orders / "r.ctrf").read_text())["results"]["summary"]["failed"] == 1
        for name in FORMATS:
            assert b"no result" in (orders / f"r.{name}").read_bytes()
    assert command("report", "r1", *_asked("r")).code == 0
    assert {name: (orders / f"r.{name}").read_bytes() for name in FORMATS} == passed


def test_no_command_writes_over_what_a_run_reads(orders: Path, command: Callable[..., Any]) -> None:
    assert command(*RUN_ORDERS, "--run-id", "r1").code == 0
    (orders / "link.xml").symlink_to(DATA)
    record = orders / ".reqflo" / "runs" / "r1" / "run.json"
    body = next(path for path in orders.rglob("*.yaml") if path.name != "reqflo.yaml")
    held = {path: path.read_bytes() for path in orders.rglob("*") if path.is_file()}
    for words in (
        (*RUN_ORDERS, "--report", f"junit={DATA}"),
        (*RUN_ORDERS, "--report", "junit=link.xml"),
        (*RUN_ORDERS, "--output", "reqflo.yaml"),
        ("resume", "r1", "--report", "html=link.xml"),
        ("rerun", "r1", "--report", f"html=./{DATA}"),
        ("report", "r1", "ctrf=link.xml"),
        ("report", "r1", f"json={record}"),
        ("sql", "select 1", "--output", "link.xml", "--run", "r1", "--format", "csv"),
        ("sql", "select 1", "--output", str(record), "--format", "csv"),
        ("compile", "place-order", "-o", str(body)),
    ):
        ended = command(*words)
        assert ended.code == 2, words
        assert "error[output_is_input]" in ended.err, words
    assert {path: path.read_bytes() for path in orders.rglob("*") if path.is_file()} == held


def test_reports_for_python_are_not_written_over_what_a_run_has_read(orders: Path, command: Callable[..., Any]) -> None:
    import reqflo_ray

    assert command(*RUN_ORDERS, "--run-id", "r1").code == 0
    for refused in (
        lambda: reqflo_ray.write_reports("r1", [("junit", DATA)]),
        lambda: reqflo_ray.run("place-order", DATA, outputs=[DATA]),
        lambda: reqflo_ray.resume("r1", outputs=[Path(DATA)]),
        lambda: reqflo_ray.rerun("r1", outputs=[Path(DATA)]),
    ):
        with pytest.raises(UsageError, match="it is a data file"):
            refused()
    assert [summary.run_id for summary in reqflo_ray.open_store().runs()] == ["r1"]
