"""Connects this program to Ray: quietly, and without sending the cluster more about itself than its name."""

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
    """Call `ray.init` with these options; the output of workers does not come back, and signal handlers stay."""
    import ray

    forbid_implicit_clusters()
    show_node_messages(False)
    with named_entrypoint(_ENTRYPOINT), sigterm_left_alone(), _hang_ups_held_back():
        return ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)


def join(address: str) -> Any:
    """Join the cluster at `address`, `auto` or HOST:PORT; return what `ray.init` returns.

    Raises:
        ClusterError: `cluster_unreachable`, or `ray_version_skew` if the cluster runs another Ray or Python.
    """
    _need_listener(address)
    try:
        return connect(address=address)
    except Exception as error:
        raise refusal(address, error) from None


def refusal(address: str, error: Exception) -> ClusterError:
    """Return the error that says why Ray did not join the cluster at `address`."""
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
    """Check that something listens at `address`: otherwise Ray would try for minutes to reach it."""
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
    """Call `ray.shutdown`, and let Ray print again what it prints for other programs."""
    import ray

    ray.shutdown()
    show_node_messages(True)


def cluster_failed(what: str, error: BaseException, *, hint: str) -> ClusterError:
    """Return the error for a dataset that Ray Data gave up."""
    text = str(error).strip().splitlines()
    return ClusterError(
        what, code="cluster_failed", cause=f"{type(error).__name__}: {text[0] if text else ''}", hint=hint
    )


def quiet_data_context() -> Any:
    """Return the settings of Ray Data, of which a process has one set, prepared for our datasets."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # rows have their own deadlines
    # Until the first task ends, Ray reserves the object store for what a task may return. At the default of 128 MiB, a
    # node with a small store would get one shard at a time, and its pool would see no reason to grow.
    context.target_max_block_size = _LARGEST_BLOCK
    watch_executions(context, [])
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return context


@contextmanager
def _hang_ups_held_back() -> Iterator[None]:
    """Block SIGHUP while an embedded cluster starts. A terminal that closes signals all processes of its group; those
    that start in this block ignore SIGHUP forever, as Ray makes them ignore SIGINT, so that rows in flight can end.
    This process receives the signal a moment later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
