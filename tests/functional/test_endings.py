"""How a command ends when a signal meets something that catches, hides or holds up its exception."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

# The children send themselves signals: nothing has to be waited for, and nothing comes at another moment.
_PRELUDE = """
import os, signal, sys, time
from reqflo_ray._internal import process
process._UNWIND_SECONDS = 0.5

def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)
"""

_IN_A_FINALIZER = """
class Last:
    def __del__(self):
        send(signal.SIGTERM)
        time.sleep(0.01)

def command():
    Last()
    time.sleep(60)
"""
_SWALLOWED = """
def command():
    try:
        send(signal.SIGINT)
        time.sleep(60)
    except BaseException:
        pass
    time.sleep(60)
"""
_IN_OTHER_CLOTHES = """
def command():
    try:
        send(signal.SIGHUP)
    except SystemExit:
        return 3
"""
_TWICE = """
def command():
    try:
        send(signal.SIGINT)
    finally:
        send(signal.SIGINT)
        time.sleep(60)
"""
_DRAINING = """
def command():
    heard = []
    with process.handling_signals(lambda number: not heard.append(number) and len(heard) < 4):
        send(signal.SIGTERM)
        send(signal.SIGHUP)
    send(signal.SIGHUP, signal.SIGTERM)  # while the last lines are written
    return 143 if heard == [signal.SIGTERM, signal.SIGHUP] else 1
"""
_THEN_CTRL_C = """
def command():
    with process.handling_signals(lambda number: number == signal.SIGTERM):
        send(signal.SIGTERM)
        send(signal.SIGINT)
        time.sleep(60)
"""
_IGNORED = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
def command():
    send(signal.SIGHUP)
    with process.handling_signals(lambda number: sys.exit(1)):
        send(signal.SIGHUP)
    return 0
"""


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (_IN_A_FINALIZER, 143),
        (_SWALLOWED, 130),
        (_IN_OTHER_CLOTHES, 129),
        (_TWICE, 130),
        (_DRAINING, 143),
        (_THEN_CTRL_C, 143),
        (_IGNORED, 0),
    ],
    ids=["in a finalizer", "swallowed", "in other clothes", "twice", "draining", "Ctrl-C while draining", "ignored"],
)
def test_a_command_ends_as_its_first_signal_says_and_shows_no_traceback(command: str, code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"{_PRELUDE}{command}\nsys.exit(process.Ending().run(command))"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == code, ended
    assert ended.stderr in ("", "interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_the_demo_api_ends_in_order_whichever_signal_asks_it_to(number: signal.Signals) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "reqflo_ray", "demo-api", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None and server.stdout.readline().startswith("listening")
    for _ in range(3 if number is not signal.SIGINT else 1):
        server.send_signal(number)
        time.sleep(0.01)
    _, shown = server.communicate(timeout=30)
    assert server.returncode == 0 and shown == ""
