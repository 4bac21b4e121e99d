"""Which nodes live, as Ray tells it: the deaths of workers elsewhere are judged by that."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.ray_cluster import nodes
from reqflo_ray._internal.runs.folder.owner import Owner


@pytest.mark.parametrize(
    ("host", "lives"), [("node-1", True), ("node-2", False), ("node-3", False), ("", False)], ids=str
)
def test_the_node_of_a_worker_lives_if_ray_says_so(host: str, lives: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    known = [{"NodeManagerHostname": "node-1", "Alive": True}, {"NodeManagerHostname": "node-2", "Alive": False}]
    monkeypatch.setattr(ray, "nodes", lambda: known)
    assert nodes.node_lives(Owner(host=host, pid=7)) is lives
