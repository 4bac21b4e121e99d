"""Nodes that have addresses of their own: whatever is told to others must be an address that those reach."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cluster_head import ClusterHead
from disturbed_run import COMMAND, DATASET, eventually
from example_workspace import copy_example
from network import CannotMakeNetworks, Network, Place, processes_in

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.storage.local import LocalStorage

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(300)]

_ROWS = 40


@pytest.fixture
def places() -> Iterator[tuple[Place, ...]]:
    """A head, a node, and a client, each with its own address."""
    network = Network(3)
    try:
        network.__enter__()
    except CannotMakeNetworks as problem:
        pytest.skip(f"no network namespaces: {problem}")
    with network:
        yield network.places
        left = set(processes_in(network.places)) - {place.holder for place in network.places}
        assert not left


def _owners(folder: RunFolder) -> set[int]:
    """The processes of the workers that have a shard."""
    shards = map(int, folder.storage.list(folder.path(layout.ATTEMPTS)))
    return {claim.owner.pid for shard in shards for _, claim in folder.attempts(shard)}


def _let_secrets_go_to(address: str, workspace: Path) -> None:
    file = workspace / "reqflo.yaml"
    file.write_text(file.read_text().replace('"127.0.0.1"', f'"{address}"'))


def test_a_run_goes_over_nodes_with_addresses_of_their_own_to_an_api_at_a_third(
    places: tuple[Place, ...], tmp_path: Path
) -> None:
    head, node, client = places
    (tmp_path / "orders.csv").write_text("\n".join(DATASET.read_text().splitlines()[: _ROWS + 1]) + "\n")
    folder = RunFolder(LocalStorage(tmp_path / "runs"), "r1")
    with client.inside():
        shop = DemoServer(ServerOptions(host=client.address, port=0)).__enter__()
    try:
        _let_secrets_go_to(client.address, copy_example("orders", tmp_path / "workspace", shop.url))
        with ClusterHead(head, node) as cluster:
            command = [
                *(COMMAND, "submit", "place-order", "--workspace", "workspace", "--data", "orders.csv"),
                *("--key", "order_ref", "--store", folder.storage.uri, "--run-id", "r1", "--workers", "2"),
                *("--rate", "60", "--address", cluster.url),
            ]
            with client.inside():
                process = subprocess.Popen(
                    command, cwd=tmp_path, env=cluster.environment, text=True, stderr=subprocess.PIPE
                )
            used = set[Place]()

            def both_nodes_work() -> bool:
                assert process.poll() is None, process.communicate()
                for pid in _owners(folder):
                    with suppress(FileNotFoundError):  # it has just ended
                        used.update(place for place in places if place.holds(pid))
                return len(used) == 2

            try:
                eventually(both_nodes_work, "a worker on each node", timeout=120)
                _, told = process.communicate(timeout=120)
            finally:
                process.kill()
                process.communicate()
        assert process.returncode == 0, told
        assert used == {head, node}
        assert f"rows {_ROWS}  passed {_ROWS}" in told
        with client.inside():
            assert shop.ledger()["orders_created"] == _ROWS
    finally:
        shop.stop()
