"""Sets up the three standard streams of a process, and ends it in order after a signal. It imports nothing of the
project, and nothing that takes time, because it is loaded first.

A command has one `Ending` from start to end. A run, which finishes its requests first, takes the signals over with
`handling_signals`.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

# The signals that ask a process to end: Ctrl-C, a supervisor, a closed terminal.
ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# If the process has not unwound by then, it hangs, or a library has swallowed the signal.
_UNWIND_SECONDS: Final = 5.0
_SHOW_CURSOR: Final = b"\x1b[?25h"


def fill_standard_descriptors() -> None:
    """Open descriptors 0, 1, and 2 on the null device if the parent process has closed them.

    Otherwise a journal or a socket could get such a number: a library would print into it, and libuv aborts the process
    when it closes one.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is used: those before it are open by now.
            if os.open(os.devnull, os.O_RDWR) == number:
                os.set_inheritable(number, True)  # as these are: children are started with them


def open_standard_streams() -> None:
    """Do the same as `fill_standard_descriptors`, and make sure that `sys.stdin`, `sys.stdout`, and `sys.stderr`
    exist."""
    fill_standard_descriptors()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
            setattr(sys, name, stream)


class Ending:
    """How a command ends: by itself, or by the first signal, which unwinds it. A second one ends it immediately, by the
    system's own exit: nothing is left that could be caught, swallowed, or printed. Every file of ours may be left in
    the middle, because a crash may do so too. A signal that was ignored when the process was started stays ignored.
    """

    def __init__(self) -> None:
        self._code = 0  # 128 + the first signal
        self._is_draining = False
        self._has_ended = False

    @property
    def is_unwinding(self) -> bool:
        """Whether a signal has arrived that no run handles with `drain`."""
        return bool(self._code) and not self._is_draining

    def run(self, command: Callable[[], int]) -> int:
        """Return the exit code of `command`, or 128 + the signal that ended it."""
        sys.unraisablehook = self._find_swallowed
        atexit.register(self._be_deaf)  # the first that is registered is called last
        try:
            for number in ENDING_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self)
            code = command()
            if self.is_unwinding:  # a library has turned the exception into another one
                code = self._code
        except KeyboardInterrupt:
            code = self._code
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        self._end_with(code)
        return code

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not self._code:
            self._code = 128 + number
            start_new_thread(self._insist, ())
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(self._code)
        # A closing terminal sends its signal twice, and so may a supervisor: requests in flight are completed
        # nevertheless.
        if number == signal.SIGINT or not self._is_draining:
            self.leave()

    def drain(self, number: int) -> None:
        """Record that a run handles this signal and finishes its requests in flight."""
        self._code = self._code or 128 + number
        self._is_draining = True

    def leave(self) -> NoReturn:
        """End the process now."""
        with suppress(OSError):
            # Not by way of `sys.stderr`, which may be in the middle of a line.
            os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + b"interrupted\n")
        os._exit(self._code)

    def _end_with(self, code: int) -> None:
        """From now on, let a signal end the interpreter immediately with this exit code."""
        self._has_ended = True
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is self:
                signal.signal(number, lambda *_: os._exit(code))

    def _insist(self) -> None:
        time.sleep(_UNWIND_SECONDS)
        if not self._has_ended:
            self.leave()

    def _be_deaf(self) -> None:
        # Python is about to forget its handlers: a signal would kill the process, and its exit code would be lost.
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _find_swallowed(self, unraisable: sys.UnraisableHookArgs) -> None:
        # A signal that strikes in a finalizer is lost with its exception: there is nothing that it unwinds.
        if self._code and isinstance(unraisable.exc_value, (KeyboardInterrupt, SystemExit)):
            self.leave()
        sys.__unraisablehook__(unraisable)


def is_unwinding() -> bool:
    """Return whether a signal is ending this command. A library may have turned its exception into another one."""
    handler = signal.getsignal(signal.SIGTERM)
    return isinstance(handler, Ending) and handler.is_unwinding


@contextmanager
def handling_signals(heed: Callable[[int], bool]) -> Iterator[None]:
    """Pass the signals that ask for an end to `heed` while the block runs, if this is the main thread: no other one can
    receive them. `heed` is called between any two instructions, so it should only take note. If it returns False, the
    signal is passed on to the handler that it had before. A hang-up that is ignored, as `nohup` does, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]

    def handle(number: int, frame: FrameType | None) -> None:
        earlier = before[signal.Signals(number)]
        if heed(number):
            if isinstance(earlier, Ending):
                earlier.drain(number)
        elif isinstance(earlier, Ending):
            earlier.leave()
        elif callable(earlier):
            earlier(number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, earlier in before.items():
            if earlier is not None:  # nobody but C knows it
                signal.signal(number, earlier)
