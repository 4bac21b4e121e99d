"""Threads that are the first to read a claim of a run do so at the same time: no process ends for it."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys, threading
import msgspec
from reqflo_ray._internal.runs.folder import run_folder

sys.setswitchinterval(1e-6)
claim = msgspec.json.encode(run_folder.AttemptClaim(epoch=1))
go = threading.Event()

def read():
    go.wait()
    msgspec.json.decode(claim, type=run_folder.AttemptClaim)

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
go.set()
for thread in threads:
    thread.join()
"""


def test_threads_that_read_a_claim_for_the_first_time_at_once_do_not_crash() -> None:
    # Which thread is where is chance (without care one process in three crashes), so it may hardly go well for eight.
    processes = [subprocess.Popen([sys.executable, "-c", _SCRIPT]) for _ in range(8)]
    assert [process.wait(timeout=60) for process in processes] == [0] * len(processes)
