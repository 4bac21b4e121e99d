"""Files of a run that was really killed are cut, flipped, emptied, swapped or lost: nothing damaged is trusted."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from disturbed_fixtures import MakeRun
from disturbed_run import RUN_ID, DisturbedRun
from example_workspace import CLIENT_SECRET, child_environment, copy_example
from simulated_run import SimulatedRun, artifact_that_must_not_repeat
from simulation import Bomb, Disk, OneStepBomb
from small_shards import begin_in_shards

import reqflo_ray
from reqflo_ray import Dataset, Execution, Journey, RunOutcome, Target
from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.journal.records import FILE_HEADER_SIZE, FORMAT, magic
from reqflo_ray._internal.model.journal import Completion, Intent

pytestmark = pytest.mark.timeout(300)

_ROWS = 60


@dataclass
class Killed:
    """A run that was killed, with what the API had received by then. `must_not_repeat`: orders have no key."""

    run: DisturbedRun
    sent: list[dict[str, object]]

    def journals(self) -> list[Path]:
        """The journals of shards that are not committed, the longest first."""
        committed = {path.stem for path in self.run.root.glob("commits/*.json")}
        # The kill may have fallen between a shard's last claim, which holds its commit, and the commit's own file.
        claims = self.run.root.glob("attempts/*/*")
        committed |= {path.parent.name for path in claims if '"commit":{' in path.read_text()}
        found = [path for path in self.run.root.glob("journal/*/*.log") if path.parent.name not in committed]
        return sorted(found, key=lambda path: -path.stat().st_size)

    def resume(self) -> RunOutcome:
        return reqflo_ray.resume(RUN_ID, target=Target(store=self.run.store, backend="local"))

    def orders_of_customers(self) -> Counter[str]:
        """How many orders were sent for each body, before and after the kill."""
        return Counter(
            str(entry["body_sha256"])
            for entry in [*self.sent, *self.run.shop.ledger()["requests"]]
            if entry["path"] == "/orders"
        )


@pytest.fixture(scope="module")
def originals(unhurried_shop: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Killed]:
    """Two runs killed half way: one may send everything again, the other must not send an order again."""
    killed = {}
    for must_not_repeat in (False, True):
        unhurried_shop.reset()
        folder = tmp_path_factory.mktemp("killed")
        workspace = copy_example("orders", folder / "workspace", unhurried_shop.url)
        if must_not_repeat:
            journey = workspace / "journeys" / "place-order.yaml"
            journey.write_text(journey.read_text().replace("idempotency: true", "on_interrupt: fail"))
        run = DisturbedRun(unhurried_shop, workspace, folder, child_environment(), rows=_ROWS)
        begin_in_shards(
            _ROWS // 20,
            run.store,
            journey=Journey("place-order", workspace=workspace),
            data=Dataset(str(run.data), key="order_ref"),
            execution=Execution(concurrency=run.in_flight),
            run_id=RUN_ID,
        )
        run.interrupt(share=0.5)
        killed[must_not_repeat] = Killed(run, unhurried_shop.ledger()["requests"])
    return killed


@pytest.fixture
def copy(originals: dict[bool, Killed], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Killed]:
    """A copy of a killed run, to be damaged."""
    monkeypatch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)

    def make(must_not_repeat: bool) -> Killed:
        original, run = originals[must_not_repeat], make_run(rows=_ROWS)
        shutil.copytree(original.run.store, run.store)
        return Killed(run, original.sent)

    return make


def test_verify_finds_a_damaged_journal_and_takes_a_torn_one_for_whole(copy: Callable[[bool], Killed]) -> None:
    killed = copy(False)
    path = killed.journals()[0]
    whole = path.read_bytes()

    def found() -> list[tuple[str, str]]:
        report = reqflo_ray.open_store(killed.run.store).verify(RUN_ID)
        return [(finding.path, finding.kind) for finding in report.findings]

    path.write_bytes(whole[:-1])
    assert found() == []
    name = path.relative_to(killed.run.root).as_posix()
    place = FILE_HEADER_SIZE + (len(whole) - FILE_HEADER_SIZE) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert found() == [(name, "damaged")]
    path.unlink()
    assert found() == [(name, "damaged")]


def _in_doubt(journals: list[Path], step: str) -> set[int]:
    rows: set[int] = set()
    for path in journals:
        records = read_journal(path.read_bytes()).records
        begun = {record.row for record in records if isinstance(record, Intent) and record.step == step}
        rows |= begun - {record.row for record in records if isinstance(record, Completion) and record.step == step}
    return rows


def test_an_unharmed_journal_leaves_only_the_orders_in_flight_inconclusive(copy: Callable[[bool], Killed]) -> None:
    killed = copy(True)
    unknown = _in_doubt(killed.journals(), "create")
    outcome = killed.resume()
    results = killed.run.oracle.contents().results
    assert {row["row_index"] for row in results if row["status"] == "inconclusive"} == unknown
    assert {row["error_code"] for row in results if row["row_index"] in unknown} <= {"outcome_unknown"}
    assert all(row["status"] == "passed" for row in results if row["row_index"] not in unknown)
    assert outcome.exit_code == (3 if unknown else 0)
    assert max(killed.orders_of_customers().values()) == 1


@pytest.mark.parametrize("last", [False, True], ids=["before the last record", "in the last record"])
@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_reported_and_no_order_is_placed_twice_for_it(
    copy: Callable[[bool], Killed], seed: int, last: bool
) -> None:
    killed = copy(True)
    path, chance = killed.journals()[0], random.Random(seed)
    data = bytearray(path.read_bytes())
    start_of_last = data.rindex(magic(FORMAT))
    place = chance.randrange(start_of_last, len(data)) if last else chance.randrange(FILE_HEADER_SIZE, start_of_last)
    data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    rows_of_shard = set(range(_ROWS)) - _rows_elsewhere(killed, path)

    outcome = killed.resume()

    results = killed.run.oracle.contents().results
    inconclusive = {row["row_index"]: row for row in results if row["status"] == "inconclusive"}
    assert outcome.verdict.counts.quarantined >= 1
    assert len(results) == _ROWS and outcome.exit_code == (3 if inconclusive else 0)
    assert {row["error_code"] for row in inconclusive.values()} <= {"journal_damaged", "outcome_unknown"}
    doubted = {index for index, row in inconclusive.items() if row["error_code"] == "journal_damaged"}
    assert doubted <= rows_of_shard, "a row of another shard is in doubt"
    assert all(row["status"] == "passed" for row in results if row["row_index"] not in inconclusive)
    assert max(killed.orders_of_customers().values()) == 1


def _rows_elsewhere(killed: Killed, path: Path) -> set[int]:
    from reqflo_ray._internal.runs.staging.rows import read_plan

    plan = read_plan(killed.run.oracle.folder.storage, RUN_ID) or ()
    return {
        row
        for entry in plan
        if entry.shard != int(path.parent.name)
        for row in range(entry.first_row, entry.first_row + entry.rows)
    }


@pytest.mark.parametrize("share", [0.0, 0.3, 0.71, 0.99])
def test_a_journal_that_ends_early_costs_only_resends_under_the_same_key(
    copy: Callable[[bool], Killed], share: float
) -> None:
    killed = copy(False)
    for path in killed.journals():
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
    _goes_on_with_the_same_keys(killed)


def test_a_journal_that_is_missing_costs_only_resends_under_the_same_key(
    copy: Callable[[bool], Killed],
) -> None:
    killed = copy(False)
    for path in killed.journals():
        path.unlink()
    _goes_on_with_the_same_keys(killed)


def test_journals_whose_claims_are_all_lost_are_read_and_their_shard_is_finished(
    copy: Callable[[bool], Killed],
) -> None:
    killed = copy(False)
    shutil.rmtree(killed.run.root / "attempts" / killed.journals()[0].parent.name)
    _goes_on_with_the_same_keys(killed)


def _goes_on_with_the_same_keys(killed: Killed) -> None:
    outcome = killed.resume()
    assert (outcome.exit_code, outcome.verdict.counts.passed) == (0, _ROWS)
    before = {entry["idempotency_key"] for entry in killed.sent}
    keys = {entry["idempotency_key"] for entry in killed.run.shop.ledger()["requests"]} | before
    assert len(keys - {""}) == _ROWS


@pytest.mark.parametrize(
    "harm",
    [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(path.read_bytes()[:5])],
    ids=["lose", "empty", "cut in its header"],
)
def test_a_journal_that_was_begun_and_lost_is_not_taken_for_one_never_begun(
    copy: Callable[[bool], Killed], harm: Callable[[Path], object]
) -> None:
    killed = copy(True)
    for path in killed.journals():
        harm(path)
    outcome = killed.resume()
    results = killed.run.oracle.contents().results
    assert outcome.exit_code == 3 and outcome.verdict.counts.quarantined >= 1
    assert "journal_damaged" in {row["error_code"] for row in results}
    assert max(killed.orders_of_customers().values()) == 1


def test_journals_that_were_swapped_are_not_taken_for_each_others(copy: Callable[[bool], Killed]) -> None:
    killed = copy(True)
    first, second, *_ = killed.journals()
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    outcome = killed.resume()
    assert outcome.exit_code == 3
    assert max(killed.orders_of_customers().values()) == 1


@pytest.mark.parametrize("is_far", [False, True], ids=["near", "in a bucket"])
def test_the_journal_of_another_run_with_the_same_rows_is_not_believed(is_far: bool) -> None:
    ours, theirs = (SimulatedRun(artifact=artifact_that_must_not_repeat(), disk=Disk(is_far=is_far)) for _ in range(2))
    theirs.record = msgspec.structs.replace(theirs.record, nonce="ab" * 16)
    ours.process(OneStepBomb(finished=ours.attempts_finished))
    theirs.process(Bomb(at=50))
    ordered = {row for row, step in theirs.journaled()[0] if step == "create"}
    assert ordered and not ours.shop.orders and ours.disk.logs.keys() == theirs.disk.logs.keys()
    ours.disk.logs, ours.disk.synced = theirs.disk.logs, theirs.disk.synced

    report = ours.process()

    assert report is not None and report.summary is not None and report.summary.counts.quarantined > 0
    results = ours.results()
    assert {result["error_code"] for result in results if result["row_index"] in ordered} == {"journal_damaged"}
    assert len(ours.shop.orders) == sum(result["status"] == "passed" for result in results)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def _rows_of_an_unfinished_shard(killed: Killed) -> Path:
    return killed.run.root / "rows" / f"shard-{killed.journals()[0].parent.name}.parquet"


def _artifact(killed: Killed) -> Path:
    [path] = killed.run.store.glob("artifacts/*.json")
    return path


@pytest.mark.parametrize(
    "harm", [_flip, Path.unlink, lambda path: path.write_bytes(b"")], ids=["flip", "lose", "empty"]
)
def test_staged_rows_that_are_damaged_are_not_run(
    copy: Callable[[bool], Killed], harm: Callable[[Path], object]
) -> None:
    killed = copy(False)
    path = _rows_of_an_unfinished_shard(killed)
    shard = int(killed.journals()[0].parent.name)
    harm(path)
    outcome = killed.resume()
    assert outcome.exit_code == 3 and not outcome.complete
    assert killed.run.oracle.folder.read_commit(shard) is None
    # All others are finished: what is damaged is not guessed, and what is not damaged is not given up.
    assert outcome.verdict.counts.rows < _ROWS
    assert all(row["status"] == "passed" for row in killed.run.oracle.contents().results)


@pytest.mark.parametrize("name", ["run.json", "plan.parquet", "artifact", "commit"])
def test_a_run_whose_definition_is_damaged_sends_nothing(copy: Callable[[bool], Killed], name: str) -> None:
    killed = copy(False)
    known = {"artifact": _artifact(killed), "commit": killed.run.root / "commits" / "00000.json"}
    path = known.get(name, killed.run.root / name)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    if name == "commit":  # and the claim that has its copy is lost
        shutil.rmtree(killed.run.root / "attempts" / "00000")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(IntegrityError) as refused:
        killed.resume()
    assert refused.value.exit_code == 3
    assert path.stem in refused.value.message and refused.value.hint
    assert killed.run.oracle.arrived() == 0


def _committed_shard(killed: Killed) -> Path:
    """The commit of a shard, which there is when about half of the rows have ended."""
    return min(killed.run.root.glob("commits/*.json"))


def test_a_damaged_commit_is_restored_from_the_claim_that_closed_its_shard(copy: Callable[[bool], Killed]) -> None:
    killed = copy(False)
    path = _committed_shard(killed)
    written = path.read_bytes()
    path.write_bytes(written.replace(b'"passed":', b'"failed":', 1))
    ended = killed.run.complete(killed.run.resume_command())
    assert ended.code == 0, ended
    assert "warning[commit_restored]" in ended.stderr and f"commits/{path.name}" in ended.stderr
    assert path.read_bytes() == written and reqflo_ray.open_store(killed.run.store).verify(RUN_ID).ok


def test_a_damaged_claim_of_the_driver_is_named_before_anything_is_waited_for(copy: Callable[[bool], Killed]) -> None:
    killed = copy(False)
    (path,) = killed.run.root.glob("epochs/*.json")
    path.write_bytes(path.read_bytes()[:10])
    ended = killed.run.complete([*killed.run.resume_command(), "--take-over"])
    assert ended.code == 0, ended
    assert f"warning[claim_damaged]: `epochs/{path.name}`" in ended.stderr


def test_a_record_that_is_not_the_one_of_the_first_driver_sends_nothing(copy: Callable[[bool], Killed]) -> None:
    killed = copy(False)
    folder = killed.run.oracle.folder
    record = folder.load_run()
    environment = msgspec.structs.replace(record.environment, name="another")
    other = msgspec.structs.replace(record, environment=environment)
    folder.write_file("run.json", folder.encode("run.json", other))
    ended = killed.run.complete(killed.run.resume_command())
    assert ended.code == 3 and "`run.json`" in ended.stderr, ended
    assert killed.run.oracle.arrived() == 0


def test_a_run_that_lost_its_plan_is_not_staged_again(copy: Callable[[bool], Killed]) -> None:
    killed = copy(False)
    (killed.run.root / "plan.parquet").unlink()
    ended = killed.run.complete(killed.run.resume_command())
    assert ended.code == 3 and "plan.parquet" in ended.stderr, ended
    assert killed.run.oracle.arrived() == 0


def test_a_rerun_that_is_refused_leaves_no_run_behind(copy: Callable[[bool], Killed]) -> None:
    killed = copy(False)
    killed.resume()
    (killed.run.root / "plan.parquet").unlink()
    with pytest.raises(IntegrityError):
        reqflo_ray.rerun(RUN_ID, target=Target(store=killed.run.store, backend="local"))
    assert [path.name for path in (killed.run.store / "runs").iterdir()] == [RUN_ID]


@pytest.mark.parametrize("table", ["results", "steps", "rows"])
def test_tables_that_are_damaged_after_the_run_are_found_by_verify(copy: Callable[[bool], Killed], table: str) -> None:
    killed = copy(False)
    killed.resume()
    assert reqflo_ray.open_store(killed.run.store).verify(RUN_ID).ok
    _flip(sorted((killed.run.root / table).iterdir())[0])
    report = reqflo_ray.open_store(killed.run.store).verify(RUN_ID)
    assert not report.ok and table in report.findings[0].path


def test_the_commands_say_what_is_damaged_and_exit_with_3(copy: Callable[[bool], Killed]) -> None:
    killed = copy(False)
    artifact = _artifact(killed)
    document = json.loads(artifact.read_bytes())
    kept = artifact.read_bytes()
    artifact.write_text(json.dumps({**document, "changed": True}))
    refused = killed.run.complete(killed.run.resume_command())
    assert refused.code == 3 and "error[" in refused.stderr and "Traceback" not in refused.stderr, refused
    artifact.write_bytes(kept)
    killed.resume()
    _flip(sorted((killed.run.root / "results").iterdir())[0])
    verified = killed.run.complete(
        [*killed.run.resume_command()[:1], "verify", RUN_ID, "--store", str(killed.run.store)]
    )
    assert verified.code == 3 and "results/" in verified.stderr, verified
