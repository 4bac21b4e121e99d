"""A Ray cluster as users start it: `ray start` for a head with dashboard and token, and for one more node, in processes
that end with the test."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from example_workspace import CLIENT_SECRET
from network import HERE, Place

_START_SECONDS = 180
_PROGRAMS = Path(sys.executable).parent


class ClusterHead:
    """`url` is the dashboard. The secret of the examples lies in the environment of the cluster, and only there.

    The head and the node are where they are told to be; `variables` are of their environment too.
    """

    def __init__(self, head: Place = HERE, node: Place = HERE, variables: Mapping[str, str] | None = None) -> None:
        self._head_place, self._node_place = head, node
        self._variables = {**(variables or {}), "SHOP_CLIENT_SECRET": CLIENT_SECRET}
        self.token = secrets.token_hex(32)
        self._folder = tempfile.mkdtemp(prefix="rh", dir="/tmp")  # short: it becomes part of the paths of sockets
        ports = free_ports(5)
        self.url = f"http://{head.address}:{ports[0]}"
        start = [
            *(str(_PROGRAMS / "ray"), "start", "--block", "--disable-usage-stats", "--num-cpus", "1"),
            *("--object-store-memory", "100000000", "--min-worker-port", "0", "--max-worker-port", "0"),
        ]
        self._head = [
            *(*start, "--head", "--port", str(ports[3]), "--temp-dir", self._folder, *_own_address(head)),
            *("--include-dashboard", "true", "--dashboard-host", head.address, "--dashboard-port", str(ports[0])),
            *("--dashboard-agent-listen-port", str(ports[1]), "--ray-client-server-port", str(ports[2])),
        ]
        self._node = [
            *(*start, "--address", f"{head.address}:{ports[3]}", *_own_address(node)),
            *("--dashboard-agent-listen-port", str(ports[4])),
        ]
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """For processes that talk to the cluster from outside: its token, and nothing that only the cluster has."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "REQFLO_", "SHOP_"))}
        return {
            **ours,
            "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
            "NO_COLOR": "1",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def jobs(self) -> str:
        """All that the Job API tells about all jobs, as it stands."""
        return self._ask("/api/jobs/")

    def __enter__(self) -> Self:
        try:
            with self._head_place.inside():
                self._start(self._head, "head")
            self._wait("head", self.jobs)
            with self._node_place.inside():
                self._start(self._node, "node")
            self._wait("node", lambda: self._ask("/nodes?view=summary").count('"state": "ALIVE"') == 2)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            end_family(process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, path: str) -> str:
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.token}"})
        with self._head_place.inside(), urllib.request.urlopen(request, timeout=30) as answer:
            told: bytes = answer.read()
        return told.decode()

    def _start(self, command: list[str], name: str) -> None:
        own = {
            **self._variables,
            "RAY_TMPDIR": self._folder,
            "TMPDIR": self._folder,
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
            # On a busy machine its parts take longer than the half minute that Ray gives them.
            "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": str(_START_SECONDS),
        }
        with self._log(name).open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    command, env={**self.environment, **own}, stdout=log, stderr=log, start_new_session=True
                )
            )

    def _log(self, name: str) -> Path:
        return Path(self._folder, f"{name}.log")

    def _wait(self, name: str, is_there: Callable[[], object]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert self._processes[-1].poll() is None, self._log(name).read_text()[-3000:]
            assert time.monotonic() < deadline, self._log(name).read_text()[-3000:]
            with suppress(OSError, urllib.error.URLError):
                if is_there():
                    return
            time.sleep(0.2)


def _own_address(place: Place) -> list[str]:
    return ["--node-ip-address", place.address] if place.holder else []


def end_family(process: subprocess.Popen[bytes]) -> None:
    """End a process with all its descendants, and wait for it."""
    family = [process.pid, *_descendants(process.pid)]
    for pid in reversed(family):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=30)


def free_ports(count: int) -> list[int]:
    """So many ports of loopback that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def _descendants(root: int) -> list[int]:
    """All processes below `root`, parents first; also what has a session of its own."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(0), [])
        found += children
        waiting += children
    return found
