"""Reads the fenced blocks of a documentation page, and types its commands as a reader would.

A fence may carry `title="FILE"` (the block is the content of that file), `data-exit="N"` (the exit code of its last
command), `data-interrupted="yes"` (the reader presses Ctrl-C), and `data-not-run="REASON"`. Commands of reqflo-ray, and
pytest, run in this process; all others in a shell.
"""

from __future__ import annotations

import io
import os
import re
import runpy
import shlex
import signal
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from command_line import PROGRAM
from example_workspace import EXAMPLE_URL

from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.main import run_command_line

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<options>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_OPTION = re.compile(r'([\w-]+)="([^"]*)"')
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_OURS = "reqflo-ray "


@dataclass(frozen=True)
class Fence:
    """A fenced block; `line` is where it opens."""

    language: str
    options: dict[str, str]
    body: str
    line: int

    @property
    def title(self) -> str | None:
        return self.options.get("title")

    @property
    def not_run(self) -> str | None:
        return self.options.get("data-not-run")

    @property
    def exit_code(self) -> int:
        return int(self.options.get("data-exit", "0"))

    def commands(self) -> list[str]:
        """The commands of a block of `sh`; of `console`, those after the prompt."""
        lines = self.body.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    def sessions(self) -> list[tuple[str, str]]:
        """The commands of a block of `console`, each with what the block shows after it."""
        return [
            (command, shown)
            for command, _, shown in (part.partition("\n") for part in re.split(r"^\$ ", self.body, flags=re.M)[1:])
        ]


def fences(text: str) -> list[Fence]:
    """The fenced blocks of a page, in its order."""
    return [
        Fence(
            language=found["language"],
            options=dict(_OPTION.findall(found["options"])),
            body=textwrap.dedent(found["body"]),
            line=text.count("\n", 0, found.start()) + 1,
        )
        for found in _FENCE.finditer(text)
    ]


def relative_links(text: str) -> Iterator[str]:
    """The links of a page that lead to files beside it, without their fragments."""
    for link in _LINK.findall(_FENCE.sub("", text)):
        if not re.match(r"[a-z]+:|#", link):
            yield link.partition("#")[0]


class Reader:
    """Types commands in a folder. The demo API, whose address pages write as its usual one, is at `shop_url`.

    It changes the working folder and the environment of the process; the caller restores both.
    """

    def __init__(self, home: Path, shop_url: str) -> None:
        self.home = home
        self._shop_url = shop_url

    def write(self, name: str, body: str) -> None:
        """Save a block as the file that its title names."""
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._to_here(body), encoding="utf-8")

    def type(self, command: str) -> tuple[int, str]:
        """Run a line; its exit code, and what it prints on both streams, as a terminal shows it."""
        code, shown = 0, ""
        for part in re.split(r" && ", command):
            code, printed = self._run(part.strip())
            shown += printed
            if code:
                break
        return code, self._as_written(shown)

    def type_and_interrupt(self, command: str) -> tuple[int, str]:
        """Run a line in a process of its own, and press Ctrl-C as soon as it prints anything."""
        words = [PROGRAM, *shlex.split(command)[1:]]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            shown = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            shown += process.stdout.read()
        return process.returncode, shown

    def _run(self, line: str) -> tuple[int, str]:
        if line.startswith("cd "):
            os.chdir(line.removeprefix("cd ").strip())
            return 0, ""
        if line.startswith("export "):
            for word in shlex.split(line)[1:]:
                name, _, value = word.partition("=")
                os.environ[name] = value
            return 0, ""
        if re.match(r"reqflo-ray demo-api\b|kill %1$", line):
            return 0, ""  # the demo API of the tests is running
        if tests := re.fullmatch(r"python -m pytest -q (\S+)", line):
            return _call_tests(Path(tests[1]))
        if not line.startswith(_OURS) or re.search(r" [|<>]|<\(", line):
            return self._in_a_shell(line)
        words = shlex.split(line, comments=True)[1:]
        screen = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        code = run_command_line(words, Terminal(out=screen, err=screen, environment=os.environ))
        if words[0] == "init":
            for path in Path().rglob("*.yaml"):
                path.write_text(self._to_here(path.read_text(encoding="utf-8")), encoding="utf-8")
        screen.seek(0)
        return code, screen.read()

    def _in_a_shell(self, line: str) -> tuple[int, str]:
        environment = {**os.environ, "PATH": f"{Path(PROGRAM).parent}{os.pathsep}{os.environ['PATH']}"}
        shell = ["bash", "-c", self._to_here(line)]
        ended = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return ended.returncode, ended.stderr + ended.stdout

    def _to_here(self, text: str) -> str:
        return text.replace(EXAMPLE_URL, self._shop_url)

    def _as_written(self, shown: str) -> str:
        usual, here = (url.removeprefix("http://") for url in (EXAMPLE_URL, self._shop_url))
        return shown.replace(here, usual).replace(str(self.home), "~")


def _call_tests(file: Path) -> tuple[int, str]:
    """What pytest does with a file of plain functions, without a process of its own."""
    names = runpy.run_path(str(file))
    for name, function in names.items():
        if name.startswith("test_"):
            function()
    return 0, ""


_VARIES = (
    (re.compile(r"\d{8}-\d{6}-[a-z0-9]{6}"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)?"), "INSTANT"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"), "INSTANT"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d+"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s)\b"), "DURATION"),
    (re.compile(r"\bord-\d+"), "ORDER"),
    (re.compile(r"\b[A-Z2-7]{52}\b|\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"[ \t]+"), " "),
)


def essence(shown: str) -> list[str]:
    """What a program prints every time: its lines without run IDs, instants, durations, digests, and widths."""
    for pattern, stands_for in _VARIES:
        shown = pattern.sub(stands_for, shown)
    return [line.strip() for line in shown.strip().splitlines()]
