"""How this program connects to Ray: quietly, and without telling the cluster more about itself than its name."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from reqflo_ray._internal.errors import ClusterError
from reqflo_ray._internal.ray_cluster.ray_internals import (
    forbid_implicit_clusters,
    named_entrypoint,
    show_node_messages,
    sigterm_left_alone,
    versions_in,
    watch_executions,
)
from reqflo_ray._internal.ray_cluster.ray_versions import SUPPORTED

_ENTRYPOINT: Final = "reqflo-ray"
_CONNECT_SECONDS: Final = 5.0
_LARGEST_BLOCK: Final = 2**20  # bytes; a report takes a few hundred


def connect(**options: Any) -> Any:
    """`ray.init` with these options; nothing that workers print comes back, and signals stay with whoever has them."""
    import ray

    forbid_implicit_clusters()
    show_node_messages(False)
    with named_entrypoint(_ENTRYPOINT), sigterm_left_alone(), _hang_ups_held_back():
        return ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)


def join(address: str) -> Any:
    """Join the cluster at `address`, `auto` or HOST:PORT; gives what `ray.init` gives.

    Raises:
        ClusterError: `cluster_unreachable`, or `ray_version_skew` if the cluster runs another Ray or Python.
    """
    _need_listener(address)
    try:
        return connect(address=address)
    except Exception as error:
        raise refusal(address, error) from None


def refusal(address: str, error: Exception) -> ClusterError:
    """Why Ray did not join the cluster at `address`."""
    text = str(error)
    if (versions := versions_in(text)) is not None:
        (ray, python), (our_ray, our_python) = versions
        return ClusterError(
            f"the cluster runs Ray {ray} on Python {python}, and this machine has Ray {our_ray} on Python {our_python}",
            code="ray_version_skew",
            hint=f"use the same versions on both sides; `reqflo-ray submit` works with any Ray from {SUPPORTED}",
        )
    lines = text.splitlines()
    return ClusterError(
        f"the Ray cluster at `{address}` cannot be joined",
        code="cluster_unreachable",
        cause=f"{type(error).__name__}: {lines[0] if lines else ''}",
        hint="look at the cluster with `ray status`; use the same versions of Ray and Python on both sides",
    )


def _need_listener(address: str) -> None:
    """Ray tries for minutes to reach an address where nobody listens."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as problem:
        raise ClusterError(
            f"nothing listens at `{address}`",
            code="cluster_unreachable",
            cause=getattr(problem, "strerror", None) or str(problem),
            hint="look up the address with `ray status` on the head node; the usual port is 6379",
        ) from None


def disconnect() -> None:
    """`ray.shutdown`, and Ray prints again what it prints for others."""
    import ray

    ray.shutdown()
    show_node_messages(True)


def cluster_failed(what: str, error: BaseException, *, hint: str) -> ClusterError:
    """The error for a dataset that Ray Data gave up."""
    text = str(error).strip().splitlines()
    return ClusterError(
        what, code="cluster_failed", cause=f"{type(error).__name__}: {text[0] if text else ''}", hint=hint
    )


def quiet_data_context() -> Any:
    """The settings of Ray Data, which a process has once, as every dataset of ours begins with them."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # rows have deadlines of their own
    # What a task may give back is reserved in the object store before the first one has ended. Taken for 128 MiB, a
    # node with a small store would be given one shard at a time, and its pool would see no reason to grow.
    context.target_max_block_size = _LARGEST_BLOCK
    watch_executions(context, [])
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return context


@contextmanager
def _hang_ups_held_back() -> Iterator[None]:
    """A terminal that closes tells all processes of its group, an embedded cluster's too. Started like this they are
    deaf to it for life, as Ray makes them to SIGINT, and rows in flight can end. Here it arrives a moment later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
