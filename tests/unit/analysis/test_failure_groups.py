"""What failed in how many rows, asked of results: of every version of the tables, finished or with parts left out."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.analysis.failure_groups import MOST_GROUPS, FailureGroups, failure_groups
from reqflo_ray._internal.analysis.session import open_session
from reqflo_ray._internal.model.artifact import AssertionOrigin, AssertionType, Operator
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.model.results import AssertionResult, RowResult, Status, StepRecord
from reqflo_ray._internal.runs.folder.completion import complete
from reqflo_ray._internal.storage.local import LocalStorage

STORE_OF_1 = Path(__file__).parents[2] / "data" / "stores" / "v0.1.0" / "finished"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


def groups_of(storage: LocalStorage, run: str, damaged: Damaged = Damaged.REFUSE) -> FailureGroups:
    with open_session(storage, [run], now=NOW, damaged=damaged) as session:
        return failure_groups(session)


def test_a_run_that_passed_has_no_groups(runs: RunMaker) -> None:
    runs.finish("done")
    assert groups_of(runs.storage, "done") == FailureGroups()


def test_a_run_without_results_has_no_groups(runs: RunMaker) -> None:
    runs.begin("begun")
    assert groups_of(runs.storage, "begun") == FailureGroups()


def test_a_run_of_version_1_is_grouped_by_step_and_error(tmp_path: Path) -> None:
    shutil.copytree(STORE_OF_1, tmp_path / "store")
    found = groups_of(LocalStorage(tmp_path / "store"), "nightly-1")
    assert sum(group.rows for group in found.failures) > 0
    assert len({(group.status, group.step, group.error) for group in found.failures}) == len(found.failures)
    assert all(not group.known_flaky for group in found.failures)


def _asserted(message: str, *, soft: bool) -> AssertionResult:
    return AssertionResult(
        type=AssertionType.STATUS_CODE,
        target="",
        operator=Operator.EQUALS,
        expected="200",
        actual="",
        status=Status.FAILED,
        soft=soft,
        origin=AssertionOrigin.STEP,
        id="",
        message=message,
    )


@pytest.mark.parametrize("soft", [True, False])
def test_what_failed_beside_the_verdict_is_grouped_by_what_it_says(runs: RunMaker, soft: bool) -> None:
    said = ["status is 404, expected 200", "status is 409, expected 200"]
    told = [said[0], said[1], said[0], "gave up after 17 ms", "gave up after 18 ms", said[0]]
    folder = runs.begin("beside")
    runs.stage(folder, 1)
    rows = [
        RowResult(row_index=number, row_key="", status=Status.PASSED, soft_failures=int(soft), flaky=not soft)
        for number in range(len(told))
    ]
    steps = [
        StepRecord(
            row_index=number,
            row_key="",
            step_id="ask",
            step_index=0,
            attempt=1,
            status=Status.PASSED if soft else Status.FAILED,
            error_code="" if soft else "assertion_failed",
            error_message="" if soft else message,
            assertions=(_asserted(message, soft=soft),),
        )
        for number, message in enumerate(told)
    ]
    assert folder.commit(runs.write_records(folder, 0, rows, steps))
    complete(folder, lambda *_: runs.verdict(folder), 1)
    found = groups_of(runs.storage, "beside")
    groups = found.soft if soft else found.retried
    assert [(group.rows, group.row_index) for group in groups] == [(3, 0), (2, 3), (1, 1)]
    assert [group.assertion for group in groups] == ["status_code equals"] * 3
    assert groups[2].message == "status is 409, expected 200"


def test_groups_are_bounded_and_the_largest_come_first(runs: RunMaker) -> None:
    folder = runs.begin("many")
    runs.stage(folder, 1)
    causes = [0, *range(MOST_GROUPS + 7)]
    rows = [
        RowResult(row_index=number, row_key="", status=Status.FAILED, fingerprint=f"{cause}", error_code="timeout")
        for number, cause in enumerate(causes)
    ]
    assert folder.commit(runs.write_records(folder, 0, rows, []))
    complete(folder, lambda *_: runs.verdict(folder), 1)
    found = groups_of(runs.storage, "many")
    assert [group.rows for group in found.failures] == [2] + [1] * (MOST_GROUPS - 1)
    assert found.more_failures == 7
    assert (found.failures[0].row_index, found.failures[0].error, found.failures[0].assertion) == (
        0,
        "timeout",
        "",
    )


def test_rows_whose_steps_are_left_out_are_grouped_without_assertions(runs: RunMaker, tmp_path: Path) -> None:
    runs.finish("done", shards=1, rows=4, fail_every=2)
    steps = next((tmp_path / "store").glob("runs/done/steps/*"))
    steps.write_bytes(steps.read_bytes()[:-1] + b"x")
    [group] = groups_of(runs.storage, "done", Damaged.SKIP).failures
    assert (group.rows, group.step, group.assertion) == (2, "read", "")
