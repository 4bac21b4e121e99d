"""Identifies the process that drives a run or executes a shard, and says whether it is certainly gone. It reads /proc,
and must not know stores.

A process counts as gone only if this machine can prove it: the same boot, the same PID namespace, and no such process.
Everything else is unknown, and never guessed.
"""

from __future__ import annotations

import os
import socket
from enum import StrEnum

import msgspec


class Owner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A process, identified so that a reused PID is not mistaken for it.

    `boot_id` is new for every boot of the machine, `pid_namespace` distinguishes containers on one machine,
    `process_started` is in clock ticks since boot. Each is "" or 0 if the system does not provide it.
    """

    host: str = ""
    boot_id: str = ""
    pid_namespace: str = ""
    pid: int = 0
    process_started: int = 0
    ray_job: str = ""

    def __str__(self) -> str:
        job = f", Ray job {self.ray_job}" if self.ray_job else ""
        return f"process {self.pid} on {self.host or 'an unknown host'}{job}"


class Liveness(StrEnum):
    """Whether a process is alive, as far as this machine can prove it."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


def this_process(ray_job: str = "") -> Owner:
    """Return the calling process."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(),
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
        pid=pid,
        process_started=(_process(pid) or ("", 0))[1],
        ray_job=ray_job,
    )


def liveness(owner: Owner) -> Liveness:
    """Return whether `owner` is alive, as far as this machine can prove it."""
    same_place = owner.boot_id and owner.boot_id == _boot_id() and owner.pid_namespace == _pid_namespace()
    if not same_place or owner.pid <= 0:
        return Liveness.UNKNOWN
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return Liveness.GONE
    except PermissionError:
        pass  # it exists, and belongs to another user
    process = _process(owner.pid)
    if process is None or not owner.process_started:
        return Liveness.UNKNOWN
    state, started = process
    # A zombie has ended, and its parent has not collected it yet.
    return Liveness.ALIVE if started == owner.process_started and state not in "ZX" else Liveness.GONE


def _process(pid: int) -> tuple[str, int] | None:
    """Return state and start time of a process, None if the system does not provide them."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return (fields[0], int(fields[19])) if len(fields) > 19 else None


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
