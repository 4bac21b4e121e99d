"""The terminal of the process: its two streams, their width and colors, and what may be shown on them.

Text from data, responses, or YAML is escaped before a person sees it. It must not know runs or errors.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final, TextIO

from reqflo_ray._internal.visible_text import UNSAFE, visible

PIPED_WIDTH: Final = 80

_UNSAFE_IN_JSON: Final = re.compile(f"[{UNSAFE}]")

# A line that begins so, or contains one of these markers, is a command to the CI system that collects the log: GitHub
# and Forgejo; Azure, TeamCity, and older versions of GitHub; GitLab. Nothing shows that there is such a system: a
# container that a CI job starts has none of its variables.
_CI_LINE_COMMAND: Final = re.compile(r"((?:^|\r)\s*):(?=:)", re.MULTILINE)
_CI_MARKER: Final = re.compile(
    r"#(?=#(?:\[|vso\[|teamcity\[))|(?<=section_start):(?=\d)|(?<=section_end):(?=\d)", re.IGNORECASE
)
_CI_VARIABLES: Final = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")

_STYLES: Final = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
    "bold": "1",
    "dim": "2",
}


class OutputClosedError(Exception):
    """Standard output cannot be written any more: its reader has closed it (`| head`), which is not an error; or, with
    a `reason` such as a full disk, the output is not complete."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def escape(text: str, *, multiline: bool = False) -> str:
    """Return `text` with every character that could control a terminal or hide text as `\\x1b`, `\\u202e`, and so on.

    Line feeds and tabs become `\\n` and `\\t`, unless `multiline`.
    """
    return visible(text, multiline=multiline)


def escape_json(text: str) -> str:
    """Make JSON text safe to show without changing its meaning: unsafe characters occur only inside strings."""
    return _CI_MARKER.sub(_json_escape, _UNSAFE_IN_JSON.sub(_json_escape, text))


def neutralize_ci_commands(text: str) -> str:
    """Break, visibly, what a CI system would read as its own log command (`::error …`, `##vso[…]`)."""
    return _CI_MARKER.sub(lambda found: f"\\x{ord(found[0]):02x}", _CI_LINE_COMMAND.sub(r"\1\\x3a", text))


def display_width(text: str) -> int:
    """Return the number of terminal cells that `text` takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def shorten(text: str, cells: int) -> str:
    """Cut `text` to at most `cells` terminal cells; a cut ends with `…`."""
    if len(text) <= cells and display_width(text) <= cells:
        return text
    kept: list[str] = []
    room = cells - 1
    for character in text:
        room -= _cells(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _json_escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _cells(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Terminal:
    """Where a command writes: data to `out`, everything else to `err`. `columns` is None if neither is a terminal.
    `has_written` is true once something has been written to `out`."""

    def __init__(self, *, out: TextIO, err: TextIO, environment: Mapping[str, str], columns: int | None = None) -> None:
        self._out = out
        self._err = err
        self.environment = environment
        self.in_ci = any(environment.get(name) for name in _CI_VARIABLES)
        self.out_is_terminal = out.isatty()
        self.err_is_terminal = err.isatty()
        self.colors_out = _colorful(environment, self.out_is_terminal)
        self.colors_err = _colorful(environment, self.err_is_terminal)
        self.columns = columns or PIPED_WIDTH
        self.has_written = False
        self._lost: OutputClosedError | None = None

    @classmethod
    def of_process(cls) -> Terminal:
        """Return the terminal of this process. A character that a stream cannot encode is shown as an escape."""
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace")
        columns = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns
        watched = sys.stdout.isatty() or sys.stderr.isatty()
        return cls(out=sys.stdout, err=sys.stderr, environment=os.environ, columns=columns if watched else None)

    @property
    def animates(self) -> bool:
        """Whether a progress bar can redraw itself on `err`."""
        return self.err_is_terminal and not self.in_ci and self.environment.get("TERM") != "dumb"

    @property
    def error_stream(self) -> TextIO:
        """The stream `err` itself, for a progress bar."""
        return self._err

    @property
    def wrap_width(self) -> int:
        """The width of running text in cells: that of the terminal up to 100, or 80 when piped."""
        return min(self.columns, 100) if self.err_is_terminal else PIPED_WIDTH

    def data(self, text: str) -> None:
        """Write machine-readable `text` to standard output, unchanged unless a terminal shows it.

        Raises:
            OutputClosedError: the reader has closed standard output.
        """
        self._write_out(neutralize_ci_commands(escape(text, multiline=True)) if self.out_is_terminal else text)

    def text(self, text: str) -> None:
        """Write one or more lines for people to standard output. The caller has escaped text from outside.

        Raises:
            OutputClosedError: the reader has closed standard output.
        """
        self._write_out(neutralize_ci_commands(text) + "\n")

    def bytes(self, data: bytes) -> None:
        """Write binary data to standard output.

        Raises:
            OutputClosedError: the reader has closed standard output.
        """
        self.has_written = True
        with self._writing():
            self._out.flush()
            binary: BinaryIO = self._out.buffer
            binary.write(data)
            binary.flush()

    def note(self, text: str = "") -> None:
        """Write lines for people to standard error. It never raises: a closed stream must not stop a run."""
        with suppress(OSError, ValueError):
            self._err.write(neutralize_ci_commands(text) + "\n")
            self._err.flush()

    def flush(self) -> None:
        """Flush standard output.

        Raises:
            OutputClosedError: the reader has closed standard output, now or earlier.
        """
        if self._lost is not None:
            raise self._lost
        with self._writing():
            self._out.flush()

    def close_quietly(self) -> None:
        """Redirect standard output to nowhere, so that the interpreter's last flush does not meet a closed pipe."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._out.fileno())
            os.close(nowhere)

    def paint_out(self, text: str, style: str) -> str:
        """Return `text` in `style` (words such as `bold red`) if standard output shows colors."""
        return _paint(text, style) if self.colors_out else text

    def paint(self, text: str, style: str) -> str:
        """Return `text` in `style` (words such as `bold red`) if standard error shows colors."""
        return _paint(text, style) if self.colors_err else text

    def _write_out(self, text: str) -> None:
        self.has_written = True
        with self._writing():
            self._out.write(text)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            gone = isinstance(problem, BrokenPipeError)
            self._lost = OutputClosedError("" if gone else problem.strerror or type(problem).__name__)
            raise self._lost from None


def _colorful(environment: Mapping[str, str], is_terminal: bool) -> bool:
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return is_terminal and environment.get("TERM") != "dumb"


def _paint(text: str, style: str) -> str:
    codes = ";".join(_STYLES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if text else text
