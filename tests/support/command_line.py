"""Runs the command line in this process, and returns its output and its exit code."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.main import run_command_line

PROGRAM = str(Path(sys.executable).with_name("reqflo-ray"))
RUN_ORDERS = ("run", "place-order", "--data", "data/orders.csv", "--key", "order_ref", "--backend", "local")

# What of the tester's own environment would steer a command.
STEERING = ("REQFLO_STORE", "FORCE_COLOR", "CI", "GITHUB_ACTIONS", "TF_BUILD", "RAY_JOB_CONFIG_JSON_ENV_VAR")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_here(*arguments: str) -> Ended:
    """Run `reqflo-ray` with these arguments in this process, its output piped."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = run_command_line(arguments, Terminal(out=out, err=err, environment=os.environ))
    return Ended(code, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()
