"""The two formats for programs: JSON with every row as it was, and CTRF by its own schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

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
    runs: Any, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_STREAMED_ROWS", 7)
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


def test_what_passed_so_far_is_no_verdict_on_the_rest(runs: Any, written: Written) -> None:
    folder = runs.begin("begun")
    runs.stage(folder, 2)
    runs.commit(folder, 0, 4)
    assert json.loads(written("json", "begun"))["verdict"]["status"] == "cancelled"


@pytest.fixture
def schema() -> Any:
    path = Path(__file__).resolve().parents[4] / "shared" / "data" / "ctrf" / "ctrf.schema.json"
    if not path.exists():
        pytest.skip("the schema of CTRF is not beside this checkout")
    return jsonschema_rs.validator_for(json.loads(path.read_text()))


def test_ctrf_keeps_its_schema(
    schema: Any, runs: Any, hostile: RunFolder, unfinished: RunFolder, written: Written, tmp_path: Path
) -> None:
    runs.finish("done", fail_every=2)
    for run_id in ("done", hostile.run_id, unfinished.run_id):
        document = json.loads(written("ctrf", run_id))
        assert [str(error) for error in schema.iter_errors(document)] == []
    write_refusal(Report("ctrf", tmp_path / "refused"), Refusal.of(UsageError("refused"), "place-order"))
    assert [str(error) for error in schema.iter_errors(json.loads((tmp_path / "refused").read_text()))] == []
    assert list(schema.iter_errors({**document, "results": {}})), "the schema refuses something"


def test_ctrf_counts_rows_in_its_own_words(runs: Any, unfinished: RunFolder, written: Written) -> None:
    results = json.loads(written("ctrf", unfinished.run_id))["results"]
    told = {name: results["summary"][name] for name in ("tests", "passed", "failed", "skipped", "pending", "other")}
    assert told == {"tests": 4, "passed": 3, "failed": 1, "skipped": 0, "pending": 8, "other": 0}
    assert [test["status"] for test in results["tests"]] == ["failed", "passed", "passed", "passed", "failed"]
    assert results["tests"][0]["message"] == "assertion_failed at step read"
    assert results["tests"][-1]["name"] == "(unfinished run)"
