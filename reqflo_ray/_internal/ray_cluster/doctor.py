"""Examines a Ray cluster: who may use it, whether it fits this installation, and what its workers can reach.

Nothing secret passes through Ray: workers get names, and return findings.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from ipaddress import ip_address
from typing import Final

from reqflo_ray._internal.model.plan import SecretReference
from reqflo_ray._internal.ray_cluster.connection import disconnect, join
from reqflo_ray._internal.ray_cluster.nodes import alive_nodes
from reqflo_ray._internal.ray_cluster.ray_internals import asks_for_token, session_folder
from reqflo_ray._internal.runner.prepare.doctor import (
    Finding,
    FindingLevel,
    examine_process,
    examine_secrets,
    examine_store,
    make_marker,
    remove_marker,
)

_ANSWER_SECONDS: Final = 120.0
_SEPARATE: Final = "keep the cluster in its own network, one cluster for each group of people who trust each other"


def examine_cluster(address: str, store: str, references: Iterable[SecretReference]) -> list[Finding]:
    """Return findings about the cluster at `address` (`auto` or HOST:PORT) and about each of its nodes.

    Raises:
        ClusterError: it cannot be joined.
    """
    with _joined(address) as dashboard:
        # Log forwarding is not examined: it is a setting of the client, and every run turns it off.
        findings = [_dashboard(dashboard)]
        marker = ""
        try:
            marker = make_marker(store)
            return findings + _examine_nodes(store, marker, tuple(references))
        finally:
            if marker:
                remove_marker(store, marker)


@contextmanager
def _joined(address: str) -> Iterator[str]:
    """Join the cluster during the block; yield the address of its dashboard, "" if it has none."""
    context = join(address)
    try:
        yield context.dashboard_url or ""
    finally:
        disconnect()


def _authentication() -> Finding:
    asks = asks_for_token()
    if asks:
        return Finding(subject="authentication", level=FindingLevel.OK, message="the cluster requires a token")
    if asks is None:
        return Finding(
            subject="authentication",
            level=FindingLevel.WARN,
            message=f"Ray {version('ray')} does not show whether the cluster requires a token",
            hint="check that it was started with `RAY_AUTH_MODE=token`",
        )
    return Finding(
        subject="authentication",
        level=FindingLevel.FAIL,
        message="anyone who reaches the cluster can run any command on it",
        hint="start it with `RAY_AUTH_MODE=token` (KubeRay: `authOptions.mode: token`)",
    )


def _dashboard(address: str) -> Finding:
    host = address.rpartition(":")[0].rpartition("/")[2].strip("[]")
    if not host or host == "localhost" or _is_loopback(host):
        where = f"listens on `{address}`" if address else "is off or unknown"
        return Finding(subject="dashboard", level=FindingLevel.OK, message=where)
    message = f"listens on `{address}`, where other machines may reach it"
    return Finding(subject="dashboard", level=FindingLevel.WARN, message=message, hint=_SEPARATE)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _examine_nodes(store: str, marker: str, references: tuple[SecretReference, ...]) -> list[Finding]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = alive_nodes()
    remote = ray.remote(num_cpus=0, max_retries=0)(examine_node)
    asked = {
        node["NodeManagerAddress"]: remote.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(store, marker, references)
        for node in alive
    }
    findings = []
    for where, answer in asked.items():
        try:
            told, found = ray.get(answer, timeout=_ANSWER_SECONDS)
        except Exception as error:  # never one of our errors: a worker that lacks a module cannot report it
            found = [
                Finding(
                    subject="versions",
                    level=FindingLevel.FAIL,
                    message=f"the node cannot use reqflo-ray: {type(error).__name__}",
                    hint="install the same version of reqflo-ray on every node, preferably in its image",
                )
            ]
        else:
            found = [_versions(told), *found]
        findings += [finding.at(where) for finding in found]
    return findings


def examine_node(store: str, marker: str, references: tuple[SecretReference, ...]) -> tuple[str, list[Finding]]:
    """Return the versions of one worker, which the driver compares with its own, and its findings."""
    return own_versions(), [
        _authentication(),
        _spill_folder(),
        examine_process(),
        *examine_store(store, marker=marker),
        *examine_secrets(references, may_read=True),
    ]


def own_versions() -> str:
    """Return the versions that must be the same on both sides."""
    return f"reqflo-ray {version('reqflo-ray')}, ray {version('ray')}"


def _versions(told: str) -> Finding:
    own = own_versions()
    if told == own:
        return Finding(subject="versions", level=FindingLevel.OK, message=told)
    message = f"the node has {told}, and this machine has {own}"
    return Finding(
        subject="versions", level=FindingLevel.FAIL, message=message, hint="install the same versions on both sides"
    )


def _spill_folder() -> Finding:
    """Examine the session folder, to which Ray spills objects unencrypted. Ours hold no values; those of others may."""
    session = session_folder()
    if session is None:
        return Finding(subject="spill folder", level=FindingLevel.OK, message="is unknown")
    closed = any(not stat.S_IMODE(folder.stat().st_mode) & 0o007 for folder in (session, *session.parents))
    if closed:
        return Finding(subject="spill folder", level=FindingLevel.OK, message=f"other users cannot read `{session}`")
    return Finding(
        subject="spill folder",
        level=FindingLevel.WARN,
        message=f"every user of the node can read what Ray spills to `{session}`",
        hint=f"run `chmod 700 {session.parent}`, or start Ray with `--temp-dir` in a folder with that mode",
    )
