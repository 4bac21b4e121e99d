"""Runs an example workspace, whole, in the simulated world: compiled, checked and staged by the product itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from example_workspace import EXAMPLES
from simulated_run import RUN_ID, SimulatedRun
from simulation import Bomb, SimulatedDemo, SimulatedStorage

from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.runner.prepare.preparation import prepare
from reqflo_ray._internal.runner.prepare.record import make_record
from reqflo_ray._internal.runner.prepare.request import Dataset, Execution, Journey
from reqflo_ray._internal.runner.prepare.staging import staging
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

JOURNEYS = [
    (path.parent.name, journey)
    for path in sorted(EXAMPLES.glob("*/reqflo.yaml"))
    for journey in sorted(definition.name for definition in load_workspace(path.parent).journeys)
]


_MOST_ROWS = 30


@dataclass
class SimulatedExample(SimulatedRun):
    """One journey of an example over the first rows of the example's data, in one shard."""

    example: str = ""
    journey: str = ""

    def __post_init__(self) -> None:
        with TemporaryDirectory() as folder:
            self._stage(EXAMPLES / self.example, Path(folder) / "data.csv")

    def _stage(self, workspace: Path, shortened: Path) -> None:
        data: tuple[str, ...] = ()
        for path in sorted(workspace.glob("data/*.csv"))[:1]:
            with path.open() as whole:
                shortened.write_text("".join(islice(whole, 1 + _MOST_ROWS)))
            data = (str(shortened),)
        cases = [definition.name for definition in load_workspace(workspace).cases]
        journey = Journey(self.journey, workspace=workspace, case=cases[0] if cases and not data else None)
        prepared = prepare(journey, Dataset(data), joins_cluster=True)
        self.artifact = prepared.artifact
        record = make_record(journey, Dataset(data), Execution(), prepared, run_id=RUN_ID)
        options = msgspec.structs.replace(record.options, concurrency=1, rows_per_shard=1000)
        self.record = msgspec.structs.replace(
            record, options=options, nonce="00ff" * 8, created_at="2026-01-01T00:00:00.000Z"
        )
        self.shop = SimulatedDemo()
        folder = RunFolder(SimulatedStorage(self.disk, Bomb()), RUN_ID)
        folder.create_run(self.record)
        staging(folder, lambda rows: Room(1, 1))(self.record, self.artifact)
