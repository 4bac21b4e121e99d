"""The main use in one command: starts the demo API, runs 1,000 orders on an embedded Ray cluster, and queries them.

Run it with `make demo`. To do the same by hand, use the commands that it prints.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions

ROOT = Path(__file__).resolve().parent.parent
PORT = 8480
QUESTION = """\
select step_id as step, count(*) as requests, round(avg(duration_ms), 1) as mean_ms,
       round(quantile_cont(duration_ms, 0.95), 1) as p95_ms, sum(http_response_body_bytes) as bytes
from steps group by all order by min(step_index)"""


def main() -> int:
    """Run the demo, and return the exit code of the run."""
    environment = {**os.environ, "SHOP_CLIENT_SECRET": "a-made-up-secret"}
    with tempfile.TemporaryDirectory() as scratch, DemoServer(ServerOptions(port=_free_port())) as shop:
        print(f"demo API at {shop.url}", flush=True)
        workspace = _workspace(shop.url, Path(scratch))
        run = [
            *("run", "place-order", "--workspace", workspace, "--data", "datasets/orders.csv"),
            *("--key", "order_ref", "--env", "local", "--backend", "ray"),
        ]
        code = _command(run, environment)
        _command(["sql", QUESTION, "--run", "latest"], environment)
    return code


def _free_port() -> int:
    """Return the port in the example's environment, or 0 for any other port if that one is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


def _workspace(url: str, scratch: Path) -> str:
    """Return the example workspace, or a copy that calls `url` if the usual port is taken."""
    usual = f"http://127.0.0.1:{PORT}"
    if url == usual:
        return "examples/orders"
    copy = shutil.copytree(ROOT / "examples" / "orders", scratch / "orders")
    environments = copy / "environments" / "environments.yaml"
    environments.write_text(environments.read_text().replace(usual, url))
    return str(copy)


def _command(arguments: list[str], environment: dict[str, str]) -> int:
    print(f"\n$ reqflo-ray {shlex.join(arguments)}", flush=True)
    program = Path(sys.executable).with_name("reqflo-ray")
    return subprocess.run([str(program), *arguments], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
