"""How many workers: two runs on one cluster, one rate over all workers, pools that grow with their cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from disturbed_fixtures import MakeRun
from disturbed_run import RUN_ID, DisturbedRun, eventually
from example_workspace import child_environment, copy_example
from scaling_cluster import ScalingCluster

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

_APPS = Path(__file__).parent.parent / "apps"


def _arrivals(shop: DemoServer) -> list[float]:
    """When requests arrived, in seconds, in order."""
    ledger = shop.ledger()
    assert not ledger["dropped"]
    return sorted(entry["at_us"] / 1e6 for entry in ledger["requests"])


def _most_in_a_second(arrivals: list[float]) -> int:
    return max(bisect_left(arrivals, begin + 1.0) - index for index, begin in enumerate(arrivals))


def _counts(run: DisturbedRun) -> Any:
    folder = RunFolder(run.oracle.folder.storage, RUN_ID)
    verdict = folder.read_verdict(folder.load_run())
    assert verdict is not None
    return verdict.counts


def test_two_runs_on_one_cluster_go_on_side_by_side(make_run: MakeRun, cluster: str, tmp_path: Path) -> None:
    where = ("--address", cluster, "--workers", "auto")
    first = make_run(rows=200, in_flight=2, workers=2, where=where)
    with DemoServer(ServerOptions(port=0, latency_ms=15)) as other_shop:
        folder = tmp_path / "other"
        folder.mkdir()
        workspace = copy_example("orders", folder / "workspace", other_shop.url)
        second = DisturbedRun(
            other_shop, workspace, folder, child_environment(), rows=200, in_flight=2, workers=2, where=where
        )
        try:
            processes = [run.start(run.command()) for run in (first, second)]
            for run, process in zip((first, second), processes, strict=True):
                ended = run.wait(process)
                assert ended.code == 0, ended
                assert _counts(run).passed == 200
        finally:
            second.close()
        one, other = _arrivals(first.shop), _arrivals(other_shop)
    assert len(one) == len(other) == 600
    # Neither had to wait for the other's end: each is well under way before the other is nearly done.
    for mine, theirs in ((one, other), (other, one)):
        assert mine[len(mine) // 5] < theirs[len(theirs) * 4 // 5]


@pytest.mark.chaos
def test_the_rate_holds_over_all_workers_and_a_dead_one_takes_nothing_along(make_run: MakeRun, cluster: str) -> None:
    rate = 60
    run = make_run(rows=250, in_flight=32, workers=2, where=("--address", cluster, "--workers", "2"))
    process = run.start(run.command("--rate", str(rate)))
    assert run.wait_for_arrivals(process, 250), run.wait(process)
    eventually(lambda: len(run.owners()) == 2, "shards of both workers")
    owners = sorted(run.owners())
    with suppress(ProcessLookupError):
        os.kill(owners[0], signal.SIGKILL)
        run.faults += 1
    ended = run.wait(process)
    assert ended.code == 0 and run.faults == 1, ended
    assert _counts(run).passed == 250
    arrivals = _arrivals(run.shop)
    assert len(arrivals) >= 750
    assert _most_in_a_second(arrivals) <= rate * 1.15 + 2
    # While there is work for all of it, it is used: before the death, and from three seconds after it.
    for some in (arrivals[:250], arrivals[250 + 3 * rate : 700]):
        assert len(some) / (some[-1] - some[0]) >= 0.8 * rate


@contextmanager
def _watched(address: str) -> Iterator[dict[str, Any]]:
    """Sees where workers are while the block runs; the mapping is filled when it ends."""
    seen: dict[str, Any] = {}
    script = [sys.executable, str(_APPS / "ray_placement.py"), address]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        try:
            yield seen
        except BaseException:
            watcher.kill()
            raise
        out, _ = watcher.communicate("\n", timeout=60)
    seen.update(json.loads(out.splitlines()[-1]))


@pytest.mark.chaos
def test_a_cluster_without_workers_grows_with_the_pool_and_the_head_stays_free(
    make_run: MakeRun, cluster_environment: dict[str, str]
) -> None:
    # A node has room for one worker: for the second one there must come another.
    with ScalingCluster(nodes=3, cores=1, mebibytes=600) as scaling:
        run = make_run(rows=600, in_flight=4, workers=2, where=("--address", scaling.address, "--workers", "1:2"))
        # Half a minute of work for one worker: a node takes some ten seconds to come.
        with _watched(scaling.address) as seen:
            ended = run.complete(run.command("--rate", "60"))
    assert ended.code == 0, ended
    assert _counts(run).passed == 600
    assert seen["head"] not in seen["workers"]
    assert len(seen["workers"]) >= 2 and set(seen["workers"].values()) == {1}


# The command, in a process that waits for seconds where others wait for minutes.
_IMPATIENT = """
import sys
from reqflo_ray._internal.cli.main import main
from reqflo_ray._internal.ray_cluster import pool
pool._WARN_SECONDS, pool._GIVE_UP_SECONDS = 2.0, 10.0
sys.exit(main())
"""


@pytest.mark.chaos
def test_a_run_that_no_node_has_room_for_says_so_gives_up_and_can_be_resumed(
    make_run: MakeRun, cluster_environment: dict[str, str]
) -> None:
    with ScalingCluster(nodes=0, cores=1, mebibytes=600) as scaling:
        run = make_run(rows=20, where=("--address", scaling.address))
        ended = run.complete([sys.executable, "-c", _IMPATIENT, *run.command()[1:]])
    assert ended.code == 3, ended
    assert "warning[no_worker_placed]" in ended.stderr and "error[no_worker_placed]" in ended.stderr
    assert "512 MiB" in ended.stderr and "0 MiB" in ended.stderr
    assert not _arrivals(run.shop)
    run.where = ("--backend", "local")
    again = run.complete(run.resume_command())
    assert again.code == 0, again
    assert _counts(run).passed == 20
