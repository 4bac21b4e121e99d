"""Runs command lines in one child process: Ray is loaded only once, and not into the process of the tests.

`python command_process.py` reads lines `{"arguments": […], "folder": "…"}`, runs each as the program does, and
writes a line `{"code", "out", "err"}`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from command_line import Ended, run_here


class CommandProcess:
    """The child, for the time of a `with` block."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, "NO_COLOR": "1"}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> CommandProcess:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process and self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def run(self, *arguments: str, folder: Path) -> Ended:
        """Run one command line in `folder`."""
        assert self._process and self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"arguments": arguments, "folder": str(folder)}) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


def _serve() -> None:
    # Whatever else is printed, by Ray for example, must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        os.chdir(asked["folder"])
        answers.write(json.dumps(asdict(run_here(*asked["arguments"]))) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
