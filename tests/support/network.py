"""Places of this machine that have addresses of their own, joined by a bridge: network namespaces, which root may make.

Nothing leads out of them. They are held by processes alone, so that with those everything is gone, links included.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS = 10
_libc = ctypes.CDLL(None, use_errno=True)


class CannotMakeNetworks(Exception):
    """This user, or this machine, cannot; the text says why."""


@dataclass(frozen=True)
class Place:
    """Somewhere that processes can run. `holder` is a process there, 0 for where this one is anyway."""

    address: str = "127.0.0.1"
    holder: int = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread connects to, and what it starts, it does there."""
        if not self.holder:
            yield
            return
        with open("/proc/thread-self/ns/net", "rb") as back, open(f"/proc/{self.holder}/ns/net", "rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(back.fileno())

    def holds(self, pid: int) -> bool:
        """Whether a process is there. Raises `FileNotFoundError` if it has ended."""
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink(f"/proc/{self.holder or 'self'}/ns/net")


HERE = Place()


class Network:
    """So many places, 10.77.0.1 and so on, that reach each other and nothing else. The first holds the bridge.

    Raises:
        CannotMakeNetworks: on entering.
    """

    def __init__(self, places: int) -> None:
        self._count = places
        self._holders: list[subprocess.Popen[bytes]] = []
        self.places: tuple[Place, ...] = ()

    def __enter__(self) -> Self:
        try:
            self.places = tuple(Place(f"10.77.0.{number}", self._hold()) for number in range(1, self._count + 1))
            self._join()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for holder in self._holders:
            holder.kill()
            holder.communicate()

    def _hold(self) -> int:
        try:
            holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stderr=subprocess.PIPE)
        except OSError as problem:
            raise CannotMakeNetworks(f"`unshare` cannot be run: {problem.strerror}") from None
        self._holders.append(holder)
        deadline = time.monotonic() + _START_SECONDS
        while HERE.holds(holder.pid):
            if holder.poll() is not None or time.monotonic() > deadline:
                holder.kill()
                raise CannotMakeNetworks(holder.communicate()[1].decode().strip() or "`unshare` does not begin")
            time.sleep(0.01)
        return holder.pid

    def _join(self) -> None:
        first, *others = self.places
        with first.inside():
            _ip("link", "add", "bridge", "type", "bridge")
            for number, other in enumerate(others):
                end = ("type", "veth", "peer", "name", "eth0", "netns", str(other.holder))
                _ip("link", "add", f"to{number}", *end)
                _ip("link", "set", f"to{number}", "master", "bridge", "up")
        for place, device in zip(self.places, ("bridge", *("eth0" for _ in others)), strict=True):
            with place.inside():
                _ip("link", "set", "lo", "up")
                _ip("addr", "add", f"{place.address}/24", "dev", device)
                _ip("link", "set", device, "up")


def processes_in(places: tuple[Place, ...]) -> list[int]:
    """All processes that are in one of `places`, while those are held."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if any(place.holds(int(entry.name)) for place in places):
                    found.append(int(entry.name))
    return found


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
    except OSError as problem:
        raise CannotMakeNetworks(f"`ip` cannot be run: {problem.strerror}") from None
    if done.returncode:
        raise CannotMakeNetworks(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, 0):
        raise CannotMakeNetworks(f"a network namespace cannot be entered: {os.strerror(ctypes.get_errno())}")
