"""Runs a shard of the reference journey in the simulated world, process after process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import parquet
from simulation import (
    Bomb,
    Crash,
    Disk,
    JudgedHere,
    MaskedHere,
    OneStepBomb,
    SimulatedClock,
    SimulatedShop,
    SimulatedStorage,
)

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.engine.program import prepare
from reqflo_ray._internal.http.host_limits import HostLimits
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.model.artifact import Artifact, HttpStep, OnInterrupt, digest
from reqflo_ray._internal.model.journal import Completion, Intent
from reqflo_ray._internal.model.plan import (
    Durability,
    Environment,
    Evidence,
    Plan,
    Row,
    RunOptions,
    RunRecord,
    SecretReference,
    SecretSource,
    Service,
    ShardPlan,
)
from reqflo_ray._internal.model.results import Commit, ShardReport
from reqflo_ray._internal.model.values import Literal
from reqflo_ray._internal.runner.execute.response.evidence import EvidenceBuilder
from reqflo_ray._internal.runner.execute.shard import run_shard
from reqflo_ray._internal.runner.execute.worker.pacing import Unpaced
from reqflo_ray._internal.runner.execute.worker.row_places import RowPlaces
from reqflo_ray._internal.runner.execute.worker.worker import Worker
from reqflo_ray._internal.runs.folder.layout import SEALING_KEY
from reqflo_ray._internal.runs.folder.owner import Owner, this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import find_sealer, make_sealer
from reqflo_ray._internal.runs.staging.rows import RowSink, read_plan, write_plan
from reqflo_ray._internal.secrets.redactor import Redactor
from reqflo_ray._internal.secrets.sources import EnvironmentSource
from reqflo_ray._internal.secrets.store import SecretStore

RUN_ID = "simulated"
_EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "orders"
_NO_BOMB = Bomb()
_NO_PROCESS = 2**22 + 1  # above the highest process id that Linux gives


@cache
def reference_artifact() -> Artifact:
    """The reference journey: `token` (sensitive output), `create` (idempotency key), `read`."""
    return compile_journey(load_workspace(_EXAMPLE), "place-order").artifact


@cache
def artifact_that_must_not_repeat(*ids: str) -> Artifact:
    """The same, but steps `ids` (unless given: the order) must not be sent again when their outcome is unknown."""
    steps = []
    for step in reference_artifact().steps:
        assert isinstance(step, HttpStep)
        if step.id in (ids or ("create",)):
            step = msgspec.structs.replace(step, idempotency=None, on_interrupt=OnInterrupt.FAIL)
        steps.append(step)
    return msgspec.structs.replace(reference_artifact(), steps=tuple(steps))


class FolderOfTheDead(RunFolder):
    """The run as a process sees it that nobody will find alive later: the next attempt knows that it died."""

    def claim_attempt(self, shard: int, epoch: int, owner: Owner | None = None) -> int | Commit:
        nobody = msgspec.structs.replace(this_process(), pid=_NO_PROCESS)
        return super().claim_attempt(shard, epoch, nobody)


@dataclass
class SimulatedRun:
    """One run whose processes may die, of one shard with `rows` rows, or of several such. `concurrency` and the rest as
    the run's options. `deaths_known`: later processes know that earlier ones have died. `seals`: it has a sealing
    key."""

    artifact: Artifact = field(default_factory=reference_artifact)
    rows: int = 3
    shards: int = 1
    concurrency: int = 2
    durability: Durability = Durability.HOST
    disk: Disk = field(default_factory=Disk)
    shop: SimulatedShop = field(default_factory=SimulatedShop)
    deaths_known: bool = False
    seals: bool = True

    def __post_init__(self) -> None:
        storage = SimulatedStorage(self.disk, _NO_BOMB)
        self.record = RunRecord(
            run_id=RUN_ID,
            nonce="00ff" * 8,
            created_at="2026-01-01T00:00:00Z",
            artifact=digest(self.artifact),
            journey="place-order",
            environment=Environment(
                name="local",
                services={"shop-api": Service(base_url=Literal("http://shop.example"))},
                values={"region": Literal("local")},
            ),
            secrets={
                "SHOP_CLIENT_SECRET": SecretReference(
                    name="SHOP_CLIENT_SECRET", source=SecretSource.ENV, key="SHOP_CLIENT_SECRET"
                )
            },
            options=RunOptions(evidence=Evidence.FULL, durability=self.durability, concurrency=self.concurrency),
        )
        folder = RunFolder(storage, RUN_ID)
        folder.create_run(self.record)
        if self.seals:
            assert make_sealer(folder, self.artifact, self.record) is not None
        sink = RowSink(storage, RUN_ID)
        rows = [
            Row(
                index=index,
                key=f"k{index}",
                values={"order_ref": f"k{index}", "customer_id": f"c{index}", "total": 1.5},
            )
            for index in range(self.rows * self.shards)
        ]
        write_plan(
            storage, RUN_ID, Plan([sink.add(rows[at : at + self.rows]) for at in range(0, len(rows), self.rows)])
        )

    @property
    def plans(self) -> tuple[ShardPlan, ...]:
        plans = read_plan(SimulatedStorage(self.disk, _NO_BOMB), RUN_ID)
        assert plans
        return tuple(plans)

    @property
    def plan(self) -> ShardPlan:
        """The first shard, which `process` runs."""
        return self.plans[0]

    def process(self, bomb: Bomb | None = None, epoch: int = 1) -> ShardReport | None:
        """One worker process that runs the shard: its report, or None if it died."""
        bomb = bomb or Bomb()

        async def main() -> ShardReport | None:
            try:
                report = await run_shard(self.worker(bomb), self.plan, epoch)
            except Crash:
                return None
            # The crash may have struck a thread: what the code made of that, nobody has heard any more.
            return None if bomb.gone else report

        return asyncio.run(main())

    def worker(self, bomb: Bomb) -> Worker:
        """The adapters of one process."""
        redactor, clock = Redactor(), SimulatedClock()
        source = EnvironmentSource({"SHOP_CLIENT_SECRET": "made-up-secret"})
        folder = FolderOfTheDead if self.deaths_known else RunFolder
        return Worker(
            folder=folder(SimulatedStorage(self.disk, bomb), RUN_ID),
            run=self.record,
            program=prepare(self.artifact, self.record),
            transport=self.shop.connect(bomb),
            secrets=SecretStore(self.record.secrets, redactor, {SecretSource.ENV: source}),
            redactor=redactor,
            evidence=EvidenceBuilder(self.record.options.evidence, 65_536),
            clock=clock,
            pacer=Unpaced(),
            hosts=HostLimits(0),
            rows=RowPlaces(self.record.options.concurrency),
            judging=JudgedHere(),
            masking=MaskedHere(),
            sealer=find_sealer(RunFolder(SimulatedStorage(self.disk, _NO_BOMB), RUN_ID)),
        )

    def lose_key(self) -> None:
        """Somebody removes the sealing key."""
        RunFolder(SimulatedStorage(self.disk, _NO_BOMB), RUN_ID).storage.remove(f"runs/{RUN_ID}/{SEALING_KEY}")

    def process_that_dies_after_a_step(self) -> ShardReport | None:
        """One process that dies when it has finished an attempt of a step: its report if there was none to finish."""
        return self.process(OneStepBomb(finished=self.attempts_finished))

    def attempts_finished(self) -> int:
        """How many attempts of steps are finished on the disk, each counted once however often it was repeated."""
        return len(frozenset[tuple[int, str, int]]().union(*map(_completed, self.disk.readable_logs())))

    def journaled(self) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
        """What the journals on the disk say now: finished steps, and steps with an intent, as (row, step)."""
        finished, intended = set(), set()
        for data in self.disk.readable_logs():
            for record in read_journal(data).records:
                if isinstance(record, Completion) and record.final:
                    finished.add((record.row, record.step))
                if isinstance(record, Intent):
                    intended.add((record.row, record.step))
        return finished, intended

    def results(self) -> list[dict[str, Any]]:
        """The committed results without what a second attempt may change: times and what was sent again."""
        return [
            {name: row[name] for name in ("row_index", "row_key", "status", "error_code", "failed_step", "inputs")}
            for row in self._committed("results")
        ]

    def steps(self) -> list[dict[str, Any]]:
        """The committed steps likewise."""
        names = (
            *("row_index", "step_id", "attempt", "status", "error_code", "http_request_method", "url_full"),
            *("http_request_body", "http_response_status_code", "http_response_body", "outputs", "idempotency_key"),
        )
        return [{name: row[name] for name in names} for row in self._committed("steps")]

    def _committed(self, table: str) -> list[dict[str, Any]]:
        folder = RunFolder(SimulatedStorage(self.disk, _NO_BOMB), RUN_ID)
        commit = folder.read_commit(0)
        assert commit is not None, "the shard is not committed"
        [file] = [file for file in commit.files if file.path.startswith(table)]
        rows: list[dict[str, Any]] = parquet.read_table(pa.BufferReader(folder.read_file(file.path))).to_pylist()
        return rows


@lru_cache(maxsize=4096)  # hundreds of processes count the same journals again and again
def _completed(journal: bytes) -> frozenset[tuple[int, str, int]]:
    records = read_journal(journal).records
    return frozenset((done.row, done.step, done.attempt) for done in records if isinstance(done, Completion))
