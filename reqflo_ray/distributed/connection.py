"""How this program connects to Ray: quietly, and without telling the cluster more about itself than its name."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from reqflo_ray.errors import ClusterError

_ENTRYPOINT: Final = "reqflo-ray"
_CONNECT_SECONDS: Final = 5.0


def connect(**options: Any) -> Any:
    """`ray.init` with these options; nothing that workers print comes back."""
    import ray
    from ray._private import auto_init_hook, worker

    # A thread that Ray Data has not ended when we disconnect would start, unasked, a cluster of its own.
    auto_init_hook.enable_auto_connect = False
    # The other half of `log_to_driver`, which has no option: what raylets say of dead workers goes to standard output.
    worker._worker_logs_enabled = False
    with _command_line_withheld():
        return ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)


def join(address: str) -> Any:
    """Join the cluster at `address`, `auto` or HOST:PORT; gives what `ray.init` gives.

    Raises:
        ClusterError: `cluster_unreachable`.
    """
    _need_listener(address)
    try:
        return connect(address=address)
    except Exception as error:
        lines = str(error).splitlines()
        raise ClusterError(
            f"no Ray cluster can be joined at `{address}`",
            code="cluster_unreachable",
            cause=f"{type(error).__name__}: {lines[0] if lines else ''}",
            hint="`ray status` shows the cluster; its Ray and Python must be the versions that are used here",
        ) from None


def _need_listener(address: str) -> None:
    """Ray tries for minutes to reach an address where nobody listens."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as problem:
        raise ClusterError(
            f"nobody listens at `{address}`",
            code="cluster_unreachable",
            cause=getattr(problem, "strerror", None) or str(problem),
            hint="`ray status` on the head node shows the address; 6379 is the usual port",
        ) from None


def disconnect() -> None:
    """`ray.shutdown`, and Ray prints again what it prints for others."""
    import ray
    from ray._private import worker

    ray.shutdown()
    worker._worker_logs_enabled = True


@contextmanager
def _command_line_withheld() -> Iterator[None]:
    """Ray keeps the driver's command line in its table of jobs, for everyone on the cluster: `--set` may be in it."""
    from ray._private import utils

    real = utils.get_entrypoint_name
    utils.get_entrypoint_name = lambda: _ENTRYPOINT
    try:
        yield
    finally:
        utils.get_entrypoint_name = real
