"""A run is what was dispatched: finished ones send nothing, and what is edited later changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed
from disturbed_run import RUN_ID, DisturbedRun
from example_workspace import CLIENT_SECRET
from run_arguments import run_arguments

import reqflo_ray
from reqflo_ray import Target
from reqflo_ray._internal.api import runs
from reqflo_ray._internal.errors import RunConflictError
from reqflo_ray._internal.runner.prepare import record
from reqflo_ray._internal.runs.upkeep.history import RunState

pytestmark = pytest.mark.timeout(300)

_ROWS_THAT_FAIL = {2, 5}


@pytest.fixture
def small(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> DisturbedRun:
    """A run of few rows, for runs in this very process."""
    monkeypatch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)
    return make_run(rows=8)


def _request(run: DisturbedRun, **changes: object) -> dict[str, Any]:
    fields: dict[str, object] = {
        "name": "place-order",
        "workspace": run.workspace,
        "source": run.data,
        "key": "order_ref",
        "store": str(run.store),
        "run_id": RUN_ID,
        "backend": "local",
    }
    return run_arguments(**{**fields, **changes})


def _let_rows_fail(run: DisturbedRun) -> None:
    """The orders of these rows come back for a customer that the journey does not expect."""
    lines = run.data.read_text().splitlines()
    for row in _ROWS_THAT_FAIL:
        reference, _, *rest = lines[row + 1].split(",")
        lines[row + 1] = ",".join([reference, "nobody", *rest])
    run.data.write_text("\n".join(lines) + "\n")
    journey = run.workspace / "journeys" / "place-order.yaml"
    text = journey.read_text()
    journey.write_text(
        text.replace(
            'operator: equals, expected: "{{ inputs.customer_id }}"}', 'operator: starts_with, expected: "cus-"}'
        )
    )
    assert journey.read_text() != text


@pytest.mark.parametrize("code", [0, 1])
def test_resuming_a_finished_run_sends_nothing_and_exits_as_the_run_did(small: DisturbedRun, code: int) -> None:
    if code:
        _let_rows_fail(small)
    first = reqflo_ray.run(**_request(small))
    sent = small.oracle.arrived()
    assert (first.exit_code, first.complete, sent) == (code, True, 3 * small.rows - code * len(_ROWS_THAT_FAIL))
    for again in (reqflo_ray.resume(RUN_ID, target=Target(store=small.store)), reqflo_ray.run(**_request(small))):
        assert again.verdict == first.verdict and again.exit_code == code and again.resumed
    assert small.oracle.arrived() == sent


def test_a_run_id_with_other_inputs_is_refused_with_the_differences(small: DisturbedRun) -> None:
    reqflo_ray.run(**_request(small))
    sent = small.oracle.arrived()
    with pytest.raises(RunConflictError) as refused:
        reqflo_ray.run(**_request(small, overrides={"sku": "SKU-9"}, environment="staging", key=""))
    assert refused.value.exit_code == 2 and refused.value.code == "run_differs"
    for difference in ("given.sku", "environment.name", "dataset.key_column"):
        assert difference in refused.value.message
    assert RUN_ID in refused.value.hint
    assert small.oracle.arrived() == sent


def test_an_edited_journey_is_another_run_but_resume_goes_on_with_the_old_one(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = make_run()
    run.interrupt()
    _edit_all(run)
    refused = run.complete(run.command())
    assert refused.code == 2 and "error[run_differs]" in refused.stderr and "artifact" in refused.stderr, refused
    resumed = run.complete(run.resume_command())
    assert resumed.code == 0, resumed
    note_fault("process killed, then workspace and dataset edited", run.judge(undisturbed(run.rows)))


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_id_with_other_data_is_refused_and_resume_goes_on_with_the_old(
    small: DisturbedRun, finished: bool
) -> None:
    if finished:
        reqflo_ray.run(**_request(small))
    else:
        small.interrupt()
    sent = small.oracle.arrived()
    with small.data.open("a") as file:
        file.write("ref-new,cus-new,1.00\n")
    with pytest.raises(RunConflictError) as refused:
        reqflo_ray.run(**_request(small))
    assert refused.value.exit_code == 2 and refused.value.code == "run_differs"
    assert f"the contents of `{small.data}`" in refused.value.message
    assert small.oracle.arrived() == sent
    outcome = reqflo_ray.resume(RUN_ID, target=Target(store=small.store))
    assert outcome.exit_code == 0 and outcome.verdict.counts.rows == small.rows


def test_a_dataset_that_changed_before_it_was_staged_is_not_run(small: DisturbedRun) -> None:
    def die(_: object, __: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs, "staging", lambda *_, **__: die)
        reqflo_ray.run(**_request(small))
    small.data.write_text("order_ref,customer_id,total\nother,cus-other,1.00\n")
    with pytest.raises(RunConflictError) as refused:
        reqflo_ray.resume(RUN_ID, target=Target(store=small.store))
    assert refused.value.code == "dataset_changed" and str(small.data) in refused.value.message
    assert small.oracle.arrived() == 0


def _edit_all(run: DisturbedRun) -> None:
    run.data.write_text("order_ref,customer_id,total\nother,other,1\n")
    for path in run.workspace.rglob("*.yaml"):
        path.write_text(path.read_text().replace("/auth/token", "/auth/other").replace("max: 2s", "max: 1ms"))


class _Tomorrow(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(days=1)


def test_a_clock_that_is_set_back_while_a_run_goes_on_makes_no_duration_negative(
    small: DisturbedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "datetime", _Tomorrow)
    outcome = reqflo_ray.run(**_request(small))
    assert outcome.exit_code == 0 and outcome.verdict.duration_ms == 0
    assert outcome.verdict.started_at > outcome.verdict.finished_at
    assert reqflo_ray.open_store(small.store).find(RUN_ID).state is RunState.FINISHED


def test_rerun_takes_failed_rows_with_new_keys_and_leaves_the_old_run_alone(small: DisturbedRun) -> None:
    _let_rows_fail(small)
    reqflo_ray.run(**_request(small))
    first = {row["row_key"]: row["status"] for row in small.oracle.contents().results}
    before = _files(small.root)
    small.shop.reset()

    again = reqflo_ray.rerun(RUN_ID, failed=True, target=Target(store=small.store, backend="local"))

    failed = {key for key, status in first.items() if status != "passed"}
    assert len(failed) == len(_ROWS_THAT_FAIL)
    assert (again.exit_code, again.verdict.counts.rows, again.verdict.counts.failed) == (1, len(failed), len(failed))
    assert {failure.row_key for failure in again.verdict.failures} == failed
    ledger = small.shop.ledger()
    assert ledger["orders_created"] == len(failed) and ledger["orders_replayed"] == 0
    assert _files(small.root) == before


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
