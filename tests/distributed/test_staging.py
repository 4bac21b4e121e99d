"""Large datasets are staged by the workers of a cluster: the same shards, also when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_process import CommandProcess
from disturbed_run import eventually

from reqflo_ray._internal.model.artifact import Artifact, Input, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource, RunRecord
from reqflo_ray._internal.model.values import ValueType
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import make_sealer
from reqflo_ray._internal.runs.staging.rows import RowSink, read_plan, stage
from reqflo_ray._internal.runs.staging.sizes import ShardSizes
from reqflo_ray._internal.storage.local import LocalStorage

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).parent.parent / "apps" / "stage_on_cluster.py"
ARTIFACT = Artifact(
    journey=JourneyIdentity(name="j"),
    inputs=(Input(name="id"), Input(name="n", type=ValueType.INTEGER), Input(name="pin", sensitive=True)),
)


def _dispatched(storage: LocalStorage, files: tuple[str, ...]) -> RunFolder:
    folder = RunFolder(storage, "together")
    folder.create_run(
        RunRecord(
            run_id=folder.run_id,
            nonce="00",
            created_at="2026-01-01T00:00:00Z",
            artifact=save_artifact(storage, ARTIFACT),
            journey="j",
            dataset=DatasetSource(files=files, key_column="id"),
            row_required=("id",),
        )
    )
    # Also for the run that is staged alone: the same key seals the same bytes.
    make_sealer(folder, ARTIFACT, folder.load_run())
    key = storage.read(folder.path(layout.SEALING_KEY))[:64]
    storage.create(f"{layout.run('alone')}/{layout.SEALING_KEY}", key)
    return folder


def _start(folder: RunFolder, cluster: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), folder.storage.uri, folder.run_id, cluster, "200000"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def _finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(printed)
    return found


def _kill_a_worker_that_stages(token: str) -> int:
    """SIGKILL a process of the cluster of that token which reads rows just now; 0 if there is none."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                b"_carry_out" in (process / "cmdline").read_bytes()
                and token.encode() in (process / "environ").read_bytes()
            ):
                os.kill(int(process.name), signal.SIGKILL)
                return int(process.name)
    return 0


def _mixed_dataset(folder: Path) -> tuple[str, ...]:
    rows = iter(range(10**9))
    for name in ("a.csv", "c.csv"):
        lines = (f"id-{row},{row},pin {row}\n" for row, _ in zip(rows, range(20_000), strict=False))
        (folder / name).write_text("id,n,pin\n" + "".join(lines))
    numbers = [row for row, _ in zip(rows, range(30_000), strict=False)]
    columns = {"id": [f"id-{row}" for row in numbers], "n": numbers, "pin": [f"pin {row}" for row in numbers]}
    pq.write_table(pa.table(columns), folder / "b.parquet", row_group_size=4_000)
    lines = (json.dumps({"id": f"id-{row}", "n": row}) + "\n" for row, _ in zip(rows, range(9_999), strict=False))
    (folder / "d.jsonl").write_text("".join(lines))
    return tuple(str(folder / name) for name in ("a.csv", "b.parquet", "c.csv", "d.jsonl"))


def test_a_dataset_is_staged_by_workers_like_by_the_driver_though_one_of_them_dies(
    cluster: str, cluster_environment: dict[str, str], tmp_path: Path
) -> None:
    storage = LocalStorage(tmp_path / "store")
    folder = _dispatched(storage, _mixed_dataset(tmp_path))
    process = _start(folder, cluster, cluster_environment)
    eventually(lambda: storage.list(folder.path(layout.ROWS)), "a shard")
    eventually(lambda: _kill_a_worker_that_stages(cluster_environment["RAY_AUTH_TOKEN"]), "a worker that reads rows")
    assert read_plan(storage, folder.run_id) is None, "it was killed too late"
    found = _finished(process)
    assert (found["heard"], found["problems"]) == (["ray"], [])
    record = folder.load_run()
    assert record.dataset is not None
    sealer = make_sealer(RunFolder(storage, "alone"), ARTIFACT, record)
    plan = read_plan(storage, folder.run_id)
    assert plan is not None
    sizes = ShardSizes.even(plan.rows, len(plan))
    alone = stage(record.dataset, ARTIFACT, sink=RowSink(storage, "alone", sealer), sizes=sizes)
    assert alone.rows == 79_999
    assert plan == alone.shards
    assert storage.list(folder.path(layout.ROWS)) == storage.list(f"{layout.run('alone')}/{layout.ROWS}")
    for shard in plan:
        name = layout.rows(shard.shard)
        assert storage.read(folder.path(name)) == storage.read(f"{layout.run('alone')}/{name}")
    assert storage.list(folder.path(layout.STAGING)) == []


WORKSPACE = """
workspace: {name: large}
---
journey:
  name: quiet
  inputs: [{name: id, required: true}]
  steps: [{id: said, type: note, text: "row {{ inputs.id }}"}]
"""


def test_a_run_on_a_cluster_that_it_joins_lets_its_workers_stage_a_large_dataset(
    cluster: str, cluster_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE)
    # Large to read, small on the disk: every row has a long text that packs well.
    for part in range(4):
        columns = {"id": [f"{part}-{row}" for row in range(30)], "filling": ["filling " * 300_000] * 30}
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet", row_group_size=10, use_dictionary=False)
    with CommandProcess({**os.environ, **cluster_environment}) as commands:
        arguments = ("--data", "*.parquet", "--key", "id", "--run-id", "r1", "--address", cluster, "--workers", "1")
        ended = commands.run("run", "quiet", *arguments, "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert ended.json["counts"]["passed"] == 120
    assert "run r1: reading the dataset, backend ray (the dataset has 288 MB in 4 pieces)" in ended.err.splitlines()
    plan = read_plan(LocalStorage(tmp_path / ".reqflo"), "r1")
    assert plan is not None and sum(shard.rows for shard in plan) == 120
