"""Returns the current facts that Ray reports about the nodes of the cluster. For connected processes."""

from __future__ import annotations

from typing import Any

from reqflo_ray._internal.ray_cluster.pool import Offer
from reqflo_ray._internal.ray_cluster.ray_internals import free_memory
from reqflo_ray._internal.runs.folder.owner import Owner


def alive_nodes() -> list[dict[str, Any]]:
    """Return the living nodes, as Ray describes them."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()
    return [node for node in nodes if node["Alive"]]


def node_lives(owner: Owner) -> bool:
    """Return whether the node of a worker lives. If it does, a shard was lost by the worker and not by its node."""
    return any(node["NodeManagerHostname"] == owner.host for node in alive_nodes())


def cores() -> int:
    """Return how many cores the nodes have together."""
    return int(sum(node["Resources"].get("CPU", 0) for node in alive_nodes()))


def room_of_nodes(memory: int) -> tuple[int, int]:
    """Return how many workers with `memory` bytes fit beside what runs now, and how many if nothing else ran."""
    nodes = alive_nodes()
    free = free_memory(node["NodeID"] for node in nodes)
    return sum(each // memory for each in free), sum(_memory(node) // memory for node in nodes)


def offer() -> Offer:
    """Return what the cluster offers workers."""
    nodes = alive_nodes()
    largest = max(map(_memory, nodes), default=0)
    return Offer(
        nodes=len(nodes),
        largest=largest,
        free=min(largest, max(free_memory(node["NodeID"] for node in nodes), default=0)),
    )


def _memory(node: dict[str, Any]) -> int:
    return int(node["Resources"].get("memory", 0))
