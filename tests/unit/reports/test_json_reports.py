"""The two formats for programs: JSON with every row as it was, and CTRF by its own schema."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from data_sets import OWN_SETS, set_of_others
from sample_runs import RunMaker

from reqflo_ray._internal.analysis import session
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.reports.formats import Report, write_refusal
from reqflo_ray._internal.reports.refusal import Refusal
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

Written = Callable[[str, str], bytes]


def test_the_document_holds_every_text_as_it_was(naughty: tuple[RunFolder, list[str]], written: Written) -> None:
    folder, texts = naughty
    rows = json.loads(written("json", folder.run_id))["rows"]
    assert [row["row_key"] for row in rows] == texts
    assert [row["inputs"]["value"] for row in rows] == texts
    assert [row["error_message"] for row in rows] == texts


def test_the_document_holds_verdict_and_rows_in_order(
    runs: RunMaker, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STREAMED_ROWS", 7)
    runs.finish("done", shards=5, rows=20, fail_every=50)
    document = json.loads(written("json", "done"))
    assert document["schema"] == "reqflo-ray/run-result/1"
    assert (document["run_id"], document["complete"]) == ("done", True)
    assert document["verdict"]["counts"]["failed"] == 2
    assert [row["row_index"] for row in document["rows"]] == list(range(100))
    assert document["rows"][0].keys() >= {"row_key", "status", "inputs", "started_at", "duration_ms", "requests"}
    assert document["rows"][0]["started_at"].endswith("Z")


def test_the_document_of_an_unfinished_run_has_a_verdict_so_far(unfinished: RunFolder, written: Written) -> None:
    document = json.loads(written("json", unfinished.run_id))
    assert document["complete"] is False
    assert (document["verdict"]["status"], document["verdict"]["exit_code"]) == ("failed", 3)
    assert [row["row_index"] for row in document["rows"]] == [4, 5, 6, 7]


def test_what_passed_so_far_is_no_verdict_on_the_rest(runs: RunMaker, written: Written) -> None:
    folder = runs.begin("begun")
    runs.stage(folder, 2)
    runs.commit(folder, 0, 4)
    assert json.loads(written("json", "begun"))["verdict"]["status"] == "cancelled"


@pytest.fixture(params=["own", "others"])
def schema(request: pytest.FixtureRequest) -> Any:
    """What CTRF allows: that of it which we write, and the whole as its authors publish it."""
    own = request.param == "own"
    path = OWN_SETS / "ctrf" / "report.schema.json" if own else set_of_others("ctrf/ctrf.schema.json")
    return jsonschema_rs.validator_for(json.loads(path.read_text(encoding="utf-8")))


def test_ctrf_keeps_its_schema(
    schema: Any, runs: RunMaker, hostile: RunFolder, unfinished: RunFolder, written: Written, tmp_path: Path
) -> None:
    runs.finish("done", fail_every=2)
    for run_id in ("done", hostile.run_id, unfinished.run_id):
        document = json.loads(written("ctrf", run_id))
        assert [str(error) for error in schema.iter_errors(document)] == []
    write_refusal(Report("ctrf", tmp_path / "refused"), Refusal.of(UsageError("refused"), "place-order"))
    assert [str(error) for error in schema.iter_errors(json.loads((tmp_path / "refused").read_text()))] == []


_NOT_ALLOWED_IN_CTRF: list[tuple[tuple[str | int, ...], Any]] = [
    (("reportFormat",), "ctrf"),
    (("specVersion",), "1.0"),
    (("specVersion",), 1),
    (("verdict",), "passed"),
    (("results",), {}),
    (("results", "tool"), {}),
    (("results", "tool", "name"), ""),
    (("results", "summary", "errors"), 0),
    (("results", "summary", "passed"), "1"),
    (("results", "summary", "start"), "2026-01-01T00:00:00Z"),
    (("results", "summary", "duration"), 0.5),
    (("results", "environment"), {"name": "local"}),
    (("results", "tests"), {}),
    (("results", "tests", 0), {"name": "a", "status": "passed"}),
    (("results", "tests", 0, "name"), ""),
    (("results", "tests", 0, "status"), "error"),
    (("results", "tests", 0, "duration"), 1.5),
    (("results", "tests", 0, "suite"), "orders"),
    (("results", "tests", 0, "suite"), []),
    (("results", "tests", 0, "line"), "7"),
    (("results", "tests", 0, "reason"), "it failed"),
]


def test_what_ctrf_does_not_allow_is_found(schema: Any, runs: RunMaker, written: Written) -> None:
    runs.finish("done", shards=1, rows=2, fail_every=2)
    text = written("ctrf", "done")
    assert schema.is_valid(json.loads(text))
    for (*parents, last), value in _NOT_ALLOWED_IN_CTRF:
        document = json.loads(text)
        functools.reduce(operator.getitem, parents, document)[last] = value
        assert not schema.is_valid(document), (*parents, last, value)


def test_ctrf_counts_rows_in_its_own_words(runs: RunMaker, unfinished: RunFolder, written: Written) -> None:
    results = json.loads(written("ctrf", unfinished.run_id))["results"]
    told = {name: results["summary"][name] for name in ("tests", "passed", "failed", "skipped", "pending", "other")}
    assert told == {"tests": 4, "passed": 3, "failed": 1, "skipped": 0, "pending": 8, "other": 0}
    assert [test["status"] for test in results["tests"]] == ["failed", "passed", "passed", "passed", "failed"]
    assert results["tests"][0]["message"] == "assertion_failed at step read"
    assert results["tests"][-1]["name"] == "(unfinished run)"


def test_ctrf_tells_retries_soft_failures_and_what_is_known_to_be_flaky(telling: RunFolder, written: Written) -> None:
    results = json.loads(written("ctrf", telling.run_id))["results"]
    tests = results["tests"]
    assert results["summary"]["flaky"] == 1
    assert [test["name"] for test in tests if test.get("flaky")] == ["place-order [ref-1]"]
    assert (tests[1]["retries"], tests[1]["tags"]) == (1, ["known flaky"])
    assert [test["name"] for test in tests if "extra" in test] == ["place-order [ref-0]", "place-order [ref-4]"]
    assert (tests[0]["extra"], results["summary"]["extra"]["softFailures"]) == ({"softFailures": 1}, 2)
    assert not {"flaky", "retries", "tags", "extra"} & tests[2].keys()


def test_the_document_tells_soft_failures_and_flaky_rows(telling: RunFolder, written: Written) -> None:
    document = json.loads(written("json", telling.run_id))
    counts = document["verdict"]["counts"]
    assert (counts["soft_failures"], counts["flaky"]) == (2, 1)
    assert [row["soft_failures"] for row in document["rows"]] == [1, 0, 0, 0, 1, 0]
    assert [(row["flaky"], row["known_flaky"]) for row in document["rows"][:2]] == [(False, False), (True, True)]
