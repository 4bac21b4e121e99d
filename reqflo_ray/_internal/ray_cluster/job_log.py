"""Sends the two results of a job back in its log: how the run ended, and the requested reports. They are marked lines,
because the Job API returns only the log.

It knows text and bytes; it must not know Ray, nor how a run is carried out.
"""

from __future__ import annotations

import base64
import gzip
import io
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.ray_cluster.ray_internals import is_of_supervisor

# All other output of a run is our own escaped text; nothing from an API or a dataset can begin a line.
_OUTCOME: Final = "reqflo-ray:outcome "
_REPORT: Final = "reqflo-ray:report "
# Ray cuts lines of more than 20,000 characters.
_PART: Final = 16_000
LARGEST_REPORT: Final = 16 * 2**20


class JobOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the run ended on the cluster; see `RunOutcome`. `omitted`: the formats of reports that could not be sent."""

    run_id: str
    store: str
    results_path: str
    verdict: Verdict
    exit_code: int
    complete: bool
    omitted: tuple[str, ...] = ()


def outcome_line(outcome: JobOutcome) -> str:
    """Return the line that says how the run ended, the last one of the job."""
    return _OUTCOME + msgspec.json.encode(outcome).decode()


def report_lines(format_: str, packed: bytes) -> Iterator[str]:
    """Yield the lines of a report; the caller has compared its packed size with `LARGEST_REPORT`, in bytes."""
    text = base64.b64encode(packed).decode()
    parts = [text[first : first + _PART] for first in range(0, len(text), _PART)]
    for number, part in enumerate(parts, start=1):
        yield f"{_REPORT}{format_} {number}/{len(parts)} {part}"


def pack_report(path: Path) -> bytes:
    """Pack the file at `path` for `report_lines`."""
    packed = io.BytesIO()
    with path.open("rb") as report, gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        shutil.copyfileobj(report, stream)
    return packed.getvalue()


@dataclass(slots=True)
class JobLog:
    """Reads the log of a job as it grows, in pieces of any size, which may also start again at the beginning."""

    outcome: JobOutcome | None = None
    _taken: int = 0
    _line: str = ""
    _parts: dict[str, dict[int, str]] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        """The number of characters read so far."""
        return self._taken

    def take(self, text: str, *, offset: int) -> list[str]:
        """Read `text`, which begins `offset` characters after the start of the log.

        Returns:
            the new lines that are meant for people, without line feeds.
        """
        fresh = text[max(0, self._taken - offset) :]
        self._taken += len(fresh)
        *lines, self._line = (self._line + fresh).split("\n")
        return [line for line in lines if self._is_for_people(line)]

    def end(self) -> list[str]:
        """Return the last line if it has no line feed."""
        line, self._line = self._line, ""
        return [line] if line and self._is_for_people(line) else []

    def reports(self) -> dict[str, bytes]:
        """Return by format the reports that arrived whole; a job that dies may send only a part of one."""
        found: dict[str, bytes] = {}
        for format_, total in self._totals.items():
            with suppress(KeyError, ValueError, OSError, EOFError):
                text = "".join(self._parts[format_][number] for number in range(1, total + 1))
                found[format_] = gzip.decompress(base64.b64decode(text, validate=True))
        return found

    def _is_for_people(self, line: str) -> bool:
        if line.startswith(_OUTCOME):
            self.outcome = _decoded(line.removeprefix(_OUTCOME))
        elif line.startswith(_REPORT):
            format_, _, rest = line.removeprefix(_REPORT).partition(" ")
            counter, _, part = rest.partition(" ")
            number, _, total = counter.partition("/")
            if number.isdecimal() and total.isdecimal():
                self._parts.setdefault(format_, {})[int(number)] = part
                self._totals[format_] = int(total)
        else:
            return not is_of_supervisor(line)
        return False


def _decoded(text: str) -> JobOutcome | None:
    try:
        return msgspec.json.decode(text, type=JobOutcome)
    except msgspec.DecodeError:
        return None  # incomplete: the job died while it wrote the line
