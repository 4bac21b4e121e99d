"""Whoever starts us may have closed descriptors 0, 1 or 2: nothing of ours takes their place, and all ends as ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from command_line import PROGRAM

ONE_ROW = ("run", "place-order", "--case", "Gift order", "--backend", "local")
SUBSETS = [closed for count in (1, 2, 3) for closed in combinations((0, 1, 2), count)]


def _start_without(closed: tuple[int, ...], *line: str) -> subprocess.CompletedProcess[str]:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    return subprocess.run(line, capture_output=True, text=True, timeout=60, preexec_fn=close, check=False)


@pytest.mark.parametrize("closed", SUBSETS, ids=str)
def test_a_run_ends_as_ever_whichever_descriptors_are_closed(
    orders: Path, command: Callable[..., Any], closed: tuple[int, ...]
) -> None:
    asked = ("--run-id", "r", "--json", "--report", "junit=junit.xml")
    ended = _start_without(closed, PROGRAM, *ONE_ROW, *asked)
    assert ended.returncode == 0, ended
    assert "Traceback" not in ended.stderr and "Assertion" not in ended.stderr
    assert 'failures="0"' in (orders / "junit.xml").read_text()
    assert command("verify", "r").code == 0
    if 1 not in closed:
        assert json.loads(ended.stdout)["status"] == "passed"
    assert ("status: passed" in ended.stderr) == (2 not in closed)


@pytest.mark.parametrize(
    ("line", "code"), [(("check", "place-order"), 2), (("sql", "-"), 2), (("runs",), 0), (("--help",), 0)], ids=str
)
def test_other_commands_exit_as_ever_with_all_three_closed(orders: Path, line: tuple[str, ...], code: int) -> None:
    assert _start_without((0, 1, 2), sys.executable, "-m", "reqflo_ray", *line).returncode == code


_OUTLIVED = """
import os, sys
for descriptor in (0, 1, 2):
    os.close(descriptor)
import reqflo_ray
from reqflo_ray._internal.runner.progress.listener import SilentListener

class Look(SilentListener):
    seen = set()
    def progress(self, progress):
        self.seen |= {os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)}

look = Look()
journey = reqflo_ray.Journey("place-order", case="Gift order")
outcome = reqflo_ray.run(journey, target=reqflo_ray.Target(backend="local"), listener=look)
open("seen", "w").write(" ".join(sorted(look.seen)))
sys.exit(outcome.exit_code)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="this system does not tell what a descriptor is")
def test_a_program_that_has_closed_them_itself_may_run_journeys_too(orders: Path) -> None:
    ended = _start_without((), sys.executable, "-c", _OUTLIVED)
    assert ended.returncode == 0, ended
    assert (orders / "seen").read_text() == os.devnull
