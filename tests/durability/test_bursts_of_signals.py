"""However many signals come, of whichever kind and at whatever moment: no traceback, the exit code says which was the
first, and the run goes on later. A terminal that is gone is a signal too, unless it is to be ignored."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import signal
import subprocess
import termios
import time
from functools import partial
from pathlib import Path

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed
from disturbed_run import Ended, eventually

pytestmark = pytest.mark.timeout(300)

_KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CODES = (129, 130, 143)
# What Python, its event loops and its threads write for an exception that nobody expected.
_ALARMS = ("Traceback", "Exception ignored", "never retrieved", "KeyboardInterrupt", "SystemExit", "internal error")

_SIGTERM_IS_CAUGHT = 1 << (signal.SIGTERM - 1)


def _is_ready(process: subprocess.Popen[str]) -> bool:
    """Whether the process handles signals, which it does before it imports anything that takes time."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & _SIGTERM_IS_CAUGHT)


# What has come into being since the command was started.
_MOMENTS = {
    "imports": "",
    "the run's record": "run.json",
    "staged rows": "rows/*",
    "a claim": "attempts/*/*",
    "a journal": "journal/*/*",
    "a commit": "commits/*.json",
}


def _burst(process: subprocess.Popen[str], kinds: list[signal.Signals], chance: random.Random) -> None:
    for number in kinds:
        if process.poll() is None:
            process.send_signal(number)
        time.sleep(chance.random() / 50)


def _quiet(ended: Ended) -> bool:
    return not any(alarm in ended.stderr for alarm in _ALARMS)


def _has_more(root: Path, files: str, before: int) -> bool:
    return len(list(root.glob(files))) > before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell who handles signals")
def test_bursts_of_signals_show_no_traceback_and_leave_a_run_that_goes_on(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    chance = random.Random(11)
    run = make_run(rows=120, in_flight=4)
    for name, files in _MOMENTS.items():
        before = len(list(run.root.glob(files))) if files else 0
        process = run.start(run.command())
        eventually(partial(_is_ready, process), "the handlers of signals")
        if files:
            eventually(partial(_has_more, run.root, files, before), name)
        _burst(process, chance.choices(_KINDS, k=chance.randint(1, 6)), chance)
        ended = run.wait(process)
        assert ended.code in _CODES and _quiet(ended), (name, ended)
        run.faults += 1
    finished = run.complete(run.command())
    assert finished.code == 0, finished
    note_fault("bursts of signals", run.judge(undisturbed(run.rows)))


def test_three_times_ctrl_c_is_no_different(make_run: MakeRun) -> None:
    run = make_run(in_flight=4)
    process = run.start(run.command())
    eventually(lambda: list(run.root.glob("journal/*/*")) and run.oracle.note().in_flight, "a request in flight")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    ended = run.wait(process)
    assert ended.code == 130 and _quiet(ended), ended


def test_after_the_last_line_a_signal_changes_nothing_any_more(make_run: MakeRun) -> None:
    run = make_run(rows=2)
    process = run.start(run.command("--json"))
    assert process.stdout is not None
    eventually(lambda: process.poll() is not None or (run.root / "manifest.json").exists(), "the manifest")
    while process.stdout.readline() not in ("}\n", ""):
        pass
    process.send_signal(signal.SIGTERM)
    _burst(process, [*_KINDS], random.Random(3))
    ended = run.wait(process)
    # The verdict is out; the command may still have a moment to go.
    assert ended.code in (0, *_CODES) and _quiet(ended), ended


def test_a_run_under_nohup_does_not_hear_of_a_hang_up(make_run: MakeRun) -> None:
    run = make_run(rows=30, in_flight=4)
    process = run.start(["nohup", *run.command()])
    eventually(lambda: list(run.root.glob("journal/*/*")) and run.oracle.note().in_flight, "a request in flight")
    process.send_signal(signal.SIGHUP)
    ended = run.wait(process)
    assert ended.code == 0, ended
    assert not list(run.root.glob("stop/*")) and (run.root / "manifest.json").exists()


@pytest.mark.parametrize(
    ("where", "workers"),
    [(("--backend", "local"), 1), pytest.param(("--backend", "ray", "--workers", "2"), 2, marks=pytest.mark.ray)],
    ids=["local", "ray"],
)
def test_a_terminal_that_closes_drains_the_run(
    make_run: MakeRun, undisturbed: Undisturbed, where: tuple[str, ...], workers: int
) -> None:
    # The system tells every process of the terminal's group, those of an embedded cluster too.
    run = make_run(rows=100, in_flight=4, workers=workers, where=where)
    ours, theirs = pty.openpty()

    def control() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    command = [part for part in run.command() if part != "--quiet"]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**run.environment, "TERM": "xterm"},
        cwd=run.folder,
        start_new_session=True,
        preexec_fn=control,
        text=True,
    )
    run.started.append(process)
    os.close(theirs)
    eventually(lambda: list(run.root.glob("journal/*/*")) and run.oracle.note().in_flight, "a request in flight")
    os.close(ours)
    assert process.wait(100) == 129
    run.faults += 1
    assert not run.oracle.note().in_flight, "a request that was in flight was not let finish"
    run.where = ("--backend", "local")  # sooner, and whoever goes on need not have a cluster
    assert run.complete(run.resume_command()).code == 0
    run.judge(undisturbed(run.rows), drained=True)
