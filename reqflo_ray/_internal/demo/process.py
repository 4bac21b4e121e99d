"""Runs the demo API as a child process during a `with` block, for tests and scripts."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Final, Self

from reqflo_ray._internal.demo.running import RunningDemo
from reqflo_ray._internal.demo.server import CLIENT_SECRET_VARIABLE, ServerOptions
from reqflo_ray._internal.errors import ReqfloError

_PROMISE: Final = b"listening on "


class DemoServer(RunningDemo):
    """The demo API in its own process.

    Raises:
        ReqfloError: `demo_not_started` on entering, if it does not listen within `start_seconds`.
    """

    def __init__(self, options: ServerOptions | None = None, *, start_seconds: float = 20.0) -> None:
        self._options = options or ServerOptions(port=0)
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        options = self._options
        arguments = [
            f"--host={options.host}",
            f"--port={options.port}",
            f"--latency={options.latency_ms}",
            f"--error-rate={options.error_rate}",
            f"--seed={options.seed}",
            f"--ledger={options.ledger}",
            f"--maximum-body={options.maximum_body}",
        ]
        environment = dict(os.environ)
        if options.client_secret:  # not an argument: every user of the machine can see those
            environment[CLIENT_SECRET_VARIABLE] = options.client_secret
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reqflo_ray._internal.demo", *arguments], stdout=subprocess.PIPE, env=environment
        )
        try:
            self.url = self._wait_for_line(self._process).removeprefix(_PROMISE).strip().decode()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def wait(self, seconds: float) -> int:
        """Wait for the server to end and return its exit code. Raises `subprocess.TimeoutExpired`."""
        return self._running().wait(seconds)

    def stop(self) -> int:
        """Stop the server with SIGTERM, by force after ten seconds, and return its exit code."""
        process = self._running()
        process.terminate()
        try:
            return self.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            if process.stdout:
                process.stdout.close()

    def kill(self) -> None:
        """Kill the server immediately, as a crash would."""
        process = self._running()
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ReqfloError("the demo API was not started", code="demo_not_started")
        return self._process

    def _wait_for_line(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None
        deadline = time.monotonic() + self._start_seconds
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(process.stdout.fileno(), 4096) if ready else b""
            if not piece:
                raise ReqfloError("the demo API did not start", code="demo_not_started")
            line += piece
        return line
