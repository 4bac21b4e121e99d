"""A run on a cluster whose store is a bucket: the workers reach it with what their own environment says."""

from __future__ import annotations

from pathlib import Path

import pytest
from bucket_fixtures import Bucket
from command_process import CommandProcess
from disturbed_run import DATASET
from example_workspace import child_environment, copy_example

import reqflo_ray
from reqflo_ray._internal.demo.process import DemoServer

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def test_a_cluster_runs_with_its_store_and_its_data_in_a_bucket(
    cluster: str, cluster_environment: dict[str, str], s3_bucket: Bucket, shop: DemoServer, tmp_path: Path
) -> None:
    workspace = copy_example("orders", tmp_path / "workspace", shop.url)
    data = tmp_path / "orders.csv"
    data.write_text("\n".join(DATASET.read_text().splitlines()[:41]) + "\n")
    with CommandProcess(child_environment(**cluster_environment)) as commands:
        ended = commands.run(
            *("run", "place-order", "--workspace", str(workspace), "--data", str(data), "--key", "order_ref"),
            *("--store", s3_bucket.uri, "--run-id", "on-ray", "--address", cluster, "--workers", "2", "--quiet"),
            folder=tmp_path,
        )
    assert ended.code == 0, ended
    assert shop.ledger()["orders_created"] == 40
    store = reqflo_ray.open_store(s3_bucket.uri)
    assert store.verify("on-ray").ok
    assert list(store.query("select status, count(*) from results group by 1").rows()) == [("passed", 40)]
