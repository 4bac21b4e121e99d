"""Which rows run again, whoever stages them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from sample_runs import RunMaker
from staging_executors import UnorderedExecutor

from reqflo_ray._internal.errors import NothingSelectedError, StoreError
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity
from reqflo_ray._internal.model.plan import Plan, Row
from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.runner.prepare.rerun import staging_again, statuses_to_rerun
from reqflo_ray._internal.runner.progress.listener import SilentListener
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.completion import complete
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.jobs import Job, Report
from reqflo_ray._internal.runs.staging.parallel import BYTES_OF_ROW, StagingExecutor
from reqflo_ray._internal.runs.staging.rows import RowSink, read_plan, read_rows, write_plan

ARTIFACT = Artifact(journey=JourneyIdentity(name="place-order"))
SHARDS, ROWS, FAIL_EVERY = 5, 6, 4


class Ear(SilentListener):
    """Remembers what is said about staging."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def staging(self, run_id: str, backend: str, reason: str) -> None:
        self.heard.append((backend, reason))


@pytest.fixture
def earlier(runs: RunMaker) -> RunFolder:
    """A finished run of which every fourth row failed."""
    folder = runs.begin("earlier")
    sink = RowSink(folder.storage, folder.run_id)
    plan = Plan(sink.add([_row(shard * ROWS + row) for row in range(ROWS)]) for shard in range(SHARDS))
    write_plan(folder.storage, folder.run_id, plan)
    for shard in range(SHARDS):
        runs.commit(folder, shard, ROWS, fail_every=FAIL_EVERY)
    complete(folder, lambda *_: runs.verdict(folder), SHARDS)
    return folder


def _row(number: int) -> Row:
    return Row(index=number, key=f"ref-{number:06d}", values={"n": str(number)}, location=f"data.csv:{number + 2}")


def _staged(
    runs: RunMaker, earlier: RunFolder, run_id: str, *, failed: bool, executor: StagingExecutor | None = None
) -> tuple[list[Row], list[bytes], list[tuple[str, str]]]:
    """The rows of a rerun, the bytes of their files, and what was said."""
    folder, ear = RunFolder(runs.storage, run_id), Ear()
    statuses = statuses_to_rerun(failed=failed, include_inconclusive=False)
    stage = staging_again(folder, earlier, statuses, lambda rows: Room(1, 1), executor=executor, listener=ear)
    folder.create_run(msgspec.structs.replace(earlier.load_run(), run_id=run_id, rerun_of=earlier.run_id))
    stage(folder.load_run(), ARTIFACT)
    plan = read_plan(folder.storage, run_id) or Plan()
    paths = [folder.path(layout.rows(line.shard)) for line in plan]
    rows = [read_rows(runs.storage, path, sha256=line.sha256) for path, line in zip(paths, plan, strict=True)]
    assert [line.first_row for line in plan] == [shard[0].index for shard in rows]
    return [row for shard in rows for row in shard], [runs.storage.read(path) for path in paths], ear.heard


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("job_bytes", [1, 5 * BYTES_OF_ROW, 10**9])
def test_rows_are_numbered_anew_and_are_the_same_to_the_byte_whoever_stages_them(
    runs: RunMaker, earlier: RunFolder, failed: bool, job_bytes: int
) -> None:
    alone, files, heard = _staged(runs, earlier, "alone", failed=failed)
    chosen = range(0, SHARDS * ROWS, FAIL_EVERY if failed else 1)
    assert alone == [msgspec.structs.replace(_row(number), index=index) for index, number in enumerate(chosen)]
    assert heard == []
    executor = UnorderedExecutor(job_bytes)
    assert _staged(runs, earlier, "together", failed=failed, executor=executor)[1] == files
    assert executor.done


def test_many_rows_are_staged_by_the_crew_and_that_is_said(runs: RunMaker, earlier: RunFolder) -> None:
    executor = UnorderedExecutor()
    assert _staged(runs, earlier, "many", failed=True, executor=executor)[2] == [("ray", "8 rows of run `earlier`")]
    executor = UnorderedExecutor()
    executor.least_bytes = 9 * BYTES_OF_ROW
    assert _staged(runs, earlier, "few", failed=True, executor=executor)[2] == []
    assert not executor.done


def test_workers_that_do_not_see_the_store_leave_it_to_the_driver_and_say_so(
    runs: RunMaker, earlier: RunFolder
) -> None:
    class Elsewhere(UnorderedExecutor):
        def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
            yield from list(super().carry_out(folder, jobs))[:1]
            yield Report(number=1, unseen="/elsewhere")

    rows, _, heard = _staged(runs, earlier, "again", failed=False, executor=Elsewhere())
    assert len(rows) == SHARDS * ROWS
    assert [backend for backend, _ in heard] == ["ray", "local"] and "/elsewhere" in heard[1][1]


def test_without_a_row_that_ended_so_there_is_nothing_to_do(runs: RunMaker) -> None:
    folder = runs.begin("fine")
    sink = RowSink(folder.storage, folder.run_id)
    write_plan(folder.storage, folder.run_id, Plan([sink.add([_row(row) for row in range(ROWS)])]))
    runs.commit(folder, 0, ROWS)
    complete(folder, lambda *_: runs.verdict(folder), 1)
    with pytest.raises(NothingSelectedError, match="run `fine` has no rows"):
        _staged(runs, folder, "again", failed=True)


@pytest.mark.parametrize("name", [layout.results(4, 1), layout.commit(4)])
def test_results_and_commits_that_are_not_what_was_written_are_not_believed(
    runs: RunMaker, earlier: RunFolder, name: str
) -> None:
    """Either could hide a row that failed."""
    data = earlier.read_file(name).replace(b'"failed":2', b'"failed":0')
    earlier.write_file(name, data if name == layout.commit(4) else earlier.read_file(layout.results(3, 1)))
    with pytest.raises(StoreError, match=f"`{name}` of run `earlier` is damaged, missing, or unreadable"):
        _staged(runs, earlier, "again", failed=True)
    assert read_plan(runs.storage, "again") is None
