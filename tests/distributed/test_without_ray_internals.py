"""A run with a Ray in which nothing private is found: slower, and with a word about it, but it ends as any other."""

from __future__ import annotations

import sys

import pytest
from disturbed_fixtures import MakeRun

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

# The command, in a process that finds none of the parts, and cannot look into Ray Data.
_BARE_RAY = """
import sys
from reqflo_ray._internal.ray_cluster.ray_internals import ActorPool, Part
Part.find = lambda part: None
ActorPool.all_of = lambda executor: None
from reqflo_ray._internal.cli.main import main
sys.exit(main())
"""


def test_a_run_goes_on_without_the_private_parts_of_ray(make_run: MakeRun, cluster: str) -> None:
    run = make_run(rows=20, workers=2, where=("--address", cluster, "--workers", "auto"))
    ended = run.complete([sys.executable, "-c", _BARE_RAY, *run.command()[1:]])
    assert ended.code == 0, ended
    assert len(run.shop.ledger()["requests"]) == 60
    assert ended.stderr.count("warning[ray_part_missing]") == 6
    assert "RangeDatasource`: the run waits for a core before each shard" in " ".join(ended.stderr.split())
