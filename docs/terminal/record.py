"""Draws the terminal of README: runs its commands in a real terminal, and saves what they print as an SVG.

    python docs/terminal/record.py

The files and the commands are those of README. It needs no network and leaves nothing behind but `first-run.svg`.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from reqflo_ray._internal.demo.process import DemoServer

HERE: Final = Path(__file__).resolve().parent
README: Final = HERE.parent.parent / "README.md"
PICTURE: Final = HERE / "first-run.svg"
COLUMNS: Final = 112
USUAL_URL: Final = "http://127.0.0.1:8480"

_FENCE: Final = re.compile(r"^```(?P<language>\w+)(?P<options>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Record the picture."""
    files, commands = _first_screen(README.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch, DemoServer() as shop:
        folder = Path(scratch).resolve()
        for name, text in files.items():
            (folder / name).write_text(text.replace(USUAL_URL, shop.url), encoding="utf-8")
        screen = "\n".join(f"\x1b[1m$ {command}\x1b[0m\n{_run(command, folder)}" for command in commands)
    screen = screen.replace(str(folder), "~/shop").replace(shop.url, USUAL_URL)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(screen.rstrip()), soft_wrap=False)
    PICTURE.write_text(console.export_svg(title="reqflo-ray", unique_id="first-run"), encoding="utf-8")


def _first_screen(readme: str) -> tuple[dict[str, str], list[str]]:
    """The files with a title, and the commands that run a journey or query it, up to the picture."""
    files: dict[str, str] = {}
    commands: list[str] = []
    for fence in _FENCE.finditer(readme.partition("![")[0]):
        if title := re.search(r'title="([^"]+)"', fence["options"]):
            files[title[1]] = fence["body"]
        elif fence["language"] == "sh":
            commands += [line for line in fence["body"].splitlines() if re.match(r"reqflo-ray (run|sql) ", line)]
    return files, commands


def _run(command: str, folder: Path) -> str:
    """Run a command in a terminal of its own; returns what the terminal shows at the end, with its colors."""
    main_end, program_end = pty.openpty()
    bin_folder = Path(sys.executable).parent
    environment = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
        "LINES": "40",
        "SHOP_CLIENT_SECRET": "made-up-secret",
    }
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=program_end,
        stdout=program_end,
        stderr=program_end,
    )
    os.close(program_end)
    shown = b""
    while chunk := _read(main_end):
        shown += chunk
    os.close(main_end)
    process.wait()
    return _final_screen(shown.decode())


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how Linux reports that the other end is closed
        return b""


def _final_screen(shown: str) -> str:
    """What is left when the lines that a live display erased are gone."""
    lines: list[str] = []
    for line in shown.replace("\r\n", "\n").split("\n"):
        # Erased and written again: what follows the last return to the first column counts.
        lines.append(re.split(r"\r|\x1b\[2K|\x1b\[1G", line)[-1])
    text = "\n".join(lines)
    return re.sub(r"\x1b\[\?25[hl]|\x1b\[[0-9]*[A-KJ]", "", text)


if __name__ == "__main__":
    main()
