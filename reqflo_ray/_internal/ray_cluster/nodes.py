"""What Ray knows of the cluster's nodes just now. For processes that are connected."""

from __future__ import annotations

from typing import Any

from reqflo_ray._internal.ray_cluster.pool import Offer
from reqflo_ray._internal.runs.folder.owner import Owner


def alive_nodes() -> list[dict[str, Any]]:
    """The nodes that live, as Ray describes them."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's is not annotated
    return [node for node in nodes if node["Alive"]]


def node_lives(owner: Owner) -> bool:
    """Whether the node of a worker lives. Where the worker has lost its shard, it was then not the node that died."""
    return any(node["NodeManagerHostname"] == owner.host for node in alive_nodes())


def cores() -> int:
    """How many cores the nodes have together."""
    return int(sum(node["Resources"].get("CPU", 0) for node in alive_nodes()))


def offer() -> Offer:
    """What the cluster has for workers."""
    import ray

    nodes = alive_nodes()
    free: dict[str, dict[str, float]] = ray._private.state.available_resources_per_node()  # type: ignore[no-untyped-call]
    return Offer(
        nodes=len(nodes),
        largest=int(max((node["Resources"].get("memory", 0) for node in nodes), default=0)),
        free=int(max((free.get(node["NodeID"], {}).get("memory", 0) for node in nodes), default=0)),
    )
