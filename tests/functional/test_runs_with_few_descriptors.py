"""With few file descriptors a run is slower, says so, and ends as ever."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import PROGRAM, RUN_ORDERS


def _run_with(soft: int, hard: int, *options: str) -> subprocess.CompletedProcess[str]:
    return _call_with(soft, hard, *RUN_ORDERS, "--json", *options)


def _call_with(soft: int, hard: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        check=False,
    )


@pytest.mark.parametrize("limit", [22, 40])
def test_a_run_with_few_descriptors_takes_fewer_rows_at_once_and_says_so_once(orders: Path, limit: int) -> None:
    ended = _run_with(limit, limit, "--concurrency", "80")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["counts"]["passed"] == 100
    assert ended.stderr.count("fewer_rows_at_once") == 1
    assert "rows at a time instead of 80" in ended.stderr and "ulimit -n" in ended.stderr


@pytest.mark.parametrize("limit", [6, 12])
def test_a_run_without_room_for_a_single_row_is_refused_and_can_be_resumed(
    orders: Path, command: Callable[..., Any], limit: int
) -> None:
    ended = _run_with(limit, limit, "--run-id", "r1")
    assert ended.returncode == 3, ended
    assert "error[too_many_open_files]" in ended.stderr and "bug" not in ended.stderr
    assert command("resume", "r1").code == 0


def test_a_question_that_too_few_files_may_be_opened_for_is_not_called_wrong(
    orders: Path, command: Callable[..., Any]
) -> None:
    assert command(*RUN_ORDERS, "--run-id", "r1").code == 0
    ends = [_call_with(limit, limit, "sql", "select count(*) from steps") for limit in (5, 6, 7, 8, 10)]
    assert {ended.returncode for ended in ends} <= {0, 3}, ends
    refused = [ended.stderr for ended in ends if ended.returncode]
    assert refused and all("error[too_many_open_files]" in said for said in refused), refused


def test_a_low_limit_that_can_be_raised_is_raised_without_a_word(orders: Path) -> None:
    ended = _run_with(40, 1024, "--concurrency", "80")
    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr


_USED_UP = """
import os, sys, threading, reqflo_ray
from reqflo_ray._internal.runner.progress.listener import SilentListener

class Holder(SilentListener):
    held, told, freed, timer = [], [], 0, None

    def progress(self, progress):
        # Rows are in flight: take whatever is left, and give it back later, whatever the run waits for then.
        if self.timer is None:
            try:
                while True:
                    self.held.append(os.dup(0))
            except OSError:
                pass
            self.timer = threading.Timer(1.0, self.free)
            self.timer.start()

    def free(self):
        self.freed = len(self.held)
        while self.held:
            os.close(self.held.pop())

    def warning(self, problem):
        self.told.append(problem.code)

listener = Holder()
outcome = reqflo_ray.run(
    "place-order",
    reqflo_ray.Dataset("data/orders.csv", key="order_ref"),
    execution=reqflo_ray.Execution(concurrency=5),
    target=reqflo_ray.Target(backend="local"),
    listener=listener,
)
listener.timer.join()
print(outcome.verdict.counts.passed, outcome.exit_code, listener.freed > 0)
"""


def test_descriptors_that_others_use_up_in_the_middle_fail_no_row(orders: Path, command: Callable[..., Any]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _USED_UP],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["100", "0", "True"], ended
    assert command("verify", "latest").code == 0
