"""Terminals over memory whose streams can be read back, and the command line as tests call it in their own process."""

from __future__ import annotations

import io
from typing import Protocol

from command_line import Ended

from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.model.results import Failure, Status
from reqflo_ray._internal.runner.progress.listener import RunOutcome


class Stream(io.TextIOWrapper):
    """A text stream over memory that says whether it is a terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", write_through=True, errors="backslashreplace")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def written(self) -> str:
        self.flush()
        return self._bytes.getvalue().decode(errors="backslashreplace")


class ClosedStream(Stream):
    """A pipe whose reader has gone."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError


class Screen(Terminal):
    """A terminal whose output is `shown_out` and `shown_err`; piped unless told otherwise."""

    def __init__(
        self,
        *,
        is_terminal: bool = False,
        environment: dict[str, str] | None = None,
        columns: int | None = None,
        out: Stream | None = None,
        err: Stream | None = None,
    ) -> None:
        self.streams = (out or Stream(is_terminal=is_terminal), err or Stream(is_terminal=is_terminal))
        super().__init__(out=self.streams[0], err=self.streams[1], environment=environment or {}, columns=columns)

    @property
    def shown_out(self) -> str:
        return self.streams[0].written

    @property
    def shown_err(self) -> str:
        return self.streams[1].written


class CommandLine(Protocol):
    """Runs one command line in this process, on a `Screen` made of the rest."""

    def __call__(
        self,
        *arguments: str,
        is_terminal: bool = False,
        environment: dict[str, str] | None = None,
        columns: int | None = None,
        out: Stream | None = None,
        err: Stream | None = None,
    ) -> Ended: ...


class MakeOutcome(Protocol):
    """Makes what a run ends with; counts by name."""

    def __call__(
        self,
        *,
        exit_code: int = 0,
        status: Status = Status.PASSED,
        run_id: str = "r1",
        complete: bool = True,
        journaled: int = 0,
        failures: tuple[Failure, ...] = (),
        **counts: int,
    ) -> RunOutcome: ...
