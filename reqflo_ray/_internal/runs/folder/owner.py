"""Who drives a run or runs a shard, and whether that process is certainly gone. Reads /proc; knows no store.

A process counts as gone only when this machine can know it: the same boot, the same space of process ids, and no such
process. Everything else is unknown, never guessed.
"""

from __future__ import annotations

import os
import socket
from enum import StrEnum

import msgspec


class Owner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A process, named so that a pid that is used again is not mistaken for it.

    `boot_id` is new for every start of the machine, `pid_namespace` tells containers of one machine apart,
    `process_started` is in clock ticks since boot. Each is "" or 0 where the system does not tell.
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
    """What this machine knows about a process."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


def this_process(ray_job: str = "") -> Owner:
    """The calling process."""
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
    """Whether `owner` is alive, as far as this machine can know."""
    same_place = owner.boot_id and owner.boot_id == _boot_id() and owner.pid_namespace == _pid_namespace()
    if not same_place or owner.pid <= 0:
        return Liveness.UNKNOWN
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return Liveness.GONE
    except PermissionError:
        pass  # it exists, as another user's
    process = _process(owner.pid)
    if process is None or not owner.process_started:
        return Liveness.UNKNOWN
    state, started = process
    # A zombie has ended; only its parent has not looked yet.
    return Liveness.ALIVE if started == owner.process_started and state not in "ZX" else Liveness.GONE


def _process(pid: int) -> tuple[str, int] | None:
    """State and start time of a process, None if the system does not tell."""
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
