"""How this program connects to Ray: quietly, and without telling the cluster more about itself than its name."""

from __future__ import annotations

import logging
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from reqflo_ray._internal.errors import ClusterError

_ENTRYPOINT: Final = "reqflo-ray"
_CONNECT_SECONDS: Final = 5.0
_LARGEST_BLOCK: Final = 2**20  # bytes; a report takes a few hundred
_RAY_VERSION: Final = re.compile(r"^ *Ray: (\S+)$", re.MULTILINE)
_PYTHON_VERSION: Final = re.compile(r"^ *Python: (\S+)$", re.MULTILINE)


def connect(**options: Any) -> Any:
    """`ray.init` with these options; nothing that workers print comes back, and signals stay with whoever has them."""
    import ray
    from ray._private import auto_init_hook, worker

    # A thread that Ray Data has not ended when we disconnect would start, unasked, a cluster of its own.
    auto_init_hook.enable_auto_connect = False
    # The other half of `log_to_driver`, which has no option: what raylets say of dead workers goes to standard output.
    worker._worker_logs_enabled = False
    with (
        # Ray keeps the driver's command line in its table of jobs, for everyone on the cluster: `--set` may be in it.
        _replaced("get_entrypoint_name", lambda: _ENTRYPOINT),
        # Ray's own handler of SIGTERM would end a driver with the number of the signal, 15, and undo nothing.
        _replaced("set_sigterm_handler", lambda handler: None),
        _hang_ups_held_back(),
    ):
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
    # Ray tells of both sides in one text: first the cluster's versions, then ours.
    ray, python = _RAY_VERSION.findall(text), _PYTHON_VERSION.findall(text)
    if len(ray) == len(python) == 2:
        return ClusterError(
            f"the cluster runs Ray {ray[0]} on Python {python[0]}, and here is Ray {ray[1]} on Python {python[1]}",
            code="ray_version_skew",
            hint="use the same versions on both sides; `reqflo-ray submit` needs the same Ray, and any Python",
        )
    lines = text.splitlines()
    return ClusterError(
        f"no Ray cluster can be joined at `{address}`",
        code="cluster_unreachable",
        cause=f"{type(error).__name__}: {lines[0] if lines else ''}",
        hint="`ray status` shows the cluster; its Ray and Python must be the versions that are used here",
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
    context.custom_execution_callback_classes = []
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return context


@contextmanager
def _replaced(name: str, stand_in: Callable[..., Any]) -> Iterator[None]:
    """A function of Ray's own, with another in its place until the block ends."""
    from ray._private import utils

    real = getattr(utils, name)
    setattr(utils, name, stand_in)
    try:
        yield
    finally:
        setattr(utils, name, real)


@contextmanager
def _hang_ups_held_back() -> Iterator[None]:
    """A terminal that closes tells all processes of its group, an embedded cluster's too. Started like this they are
    deaf to it for life, as Ray makes them to SIGINT, and rows in flight can end. Here it arrives a moment later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
