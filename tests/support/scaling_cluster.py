"""A Ray cluster that starts as a head without resources, with an autoscaler that adds nodes on this machine.

Ray's own class for this, `AutoscalingCluster`, is not used, because it ends all Ray processes of the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from cluster_head import end_family, free_ports

_APPS = Path(__file__).parent.parent / "apps"
_START_SECONDS = 120
_HEAD_ID = "f" * 51 + "00000"  # the fake provider knows the head by it


class ScalingCluster:
    """Up to `nodes` nodes come when they are needed, each with so many cores and so much memory. The token is taken
    from the environment."""

    def __init__(self, *, nodes: int, cores: int, mebibytes: int) -> None:
        self._nodes = nodes
        self._offers = {"CPU": cores, "memory": mebibytes * 2**20}
        self._folder = Path(tempfile.mkdtemp(prefix="rs", dir="/tmp"))  # short: it becomes part of the paths of sockets
        self._log = self._folder / "head.log"
        self._process: subprocess.Popen[bytes] | None = None
        port, *self._ports = free_ports(3)
        self.address = f"{_own_address()}:{port}"

    def __enter__(self) -> Self:
        config = self._folder / "scaling.json"
        config.write_text(json.dumps(_config(self.address, self._nodes, self._offers)))
        command = [
            *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--disable-usage-stats"),
            *("--port", self.address.rpartition(":")[2]),
            *("--temp-dir", str(self._folder), "--include-dashboard", "false", "--autoscaling-config", str(config)),
            *("--num-cpus", "0", "--memory", "0", "--object-store-memory", "80000000"),
            *("--dashboard-agent-listen-port", str(self._ports[0]), "--ray-client-server-port", str(self._ports[1])),
            *("--min-worker-port", "0", "--max-worker-port", "0"),
        ]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=_environment(self._folder), stdout=output, stderr=output, start_new_session=True
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        end_family(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self, head: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while "Ray runtime started" not in (said := self._log.read_text(errors="replace")):
            assert head.poll() is None and time.monotonic() < deadline, said[-3000:]
            time.sleep(0.1)


def _own_address() -> str:
    """The address that Ray takes for this machine's: the one that leads to others. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 1))
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


def _config(address: str, nodes: int, offers: dict[str, int]) -> dict[str, object]:
    return {
        "cluster_name": "scaling",
        "max_workers": nodes,
        "idle_timeout_minutes": 5,
        "upscaling_speed": 10.0,
        "provider": {
            "type": "external",
            "module": "memory_nodes.MemoryNodes",
            "gcs_address": address,
            "launch_multiple": True,
            "head_node_id": _HEAD_ID,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0, "memory": 0}, "node_config": {}, "max_workers": 0},
            "worker": {
                "resources": {**offers, "object_store_memory": 80_000_000},
                "node_config": {},
                "min_workers": 0,
                "max_workers": nodes,
            },
        },
        "head_node_type": "ray.head.default",
        "auth": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        **{f"{what}_commands": [] for what in ("initialization", "setup", "head_setup", "worker_setup")},
        **{f"{which}_start_ray_commands": [] for which in ("head", "worker")},
    }


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(_APPS), os.environ.get("PYTHONPATH", ""))),
        "RAY_TMPDIR": str(folder),
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": _HEAD_ID,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD_ID,
    }
