"""The two things that a job sends back in its own log: how the run ended, and the document of `--output`. Marked lines,
since the Job API brings back nothing but the log.

It knows text and bytes, and neither Ray nor how a run is carried out.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from reqflo_ray.errors import ClusterError
from reqflo_ray.model.results import Verdict

# Whatever else a run prints is escaped text of ours; nothing that an API or a dataset says can begin a line.
_OUTCOME: Final = "reqflo-ray:outcome "
_DOCUMENT: Final = "reqflo-ray:document "
# Ray cuts lines that are longer than 20,000 characters.
_PART: Final = 16_000
LARGEST_DOCUMENT: Final = 16 * 2**20
_ENTRYPOINT: Final = re.compile(r"Running entrypoint for job |\d{4}-\d\d-\d\d [\d:,]+\tINFO job_manager\.py:")


class JobOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the run ended on the cluster; see `RunOutcome`. `document_omitted`: it was too large to be sent."""

    run_id: str
    store: str
    results_path: str
    verdict: Verdict
    exit_code: int
    complete: bool
    document_omitted: bool = False


def outcome_line(outcome: JobOutcome) -> str:
    """The line that says how the run ended; the last one of the job."""
    return _OUTCOME + msgspec.json.encode(outcome).decode()


def document_lines(document: bytes) -> Iterator[str]:
    """The lines that carry a document; the caller has looked at `LARGEST_DOCUMENT`, which counts packed bytes."""
    text = base64.b64encode(document).decode()
    parts = [text[first : first + _PART] for first in range(0, len(text), _PART)]
    for number, part in enumerate(parts, start=1):
        yield f"{_DOCUMENT}{number}/{len(parts)} {part}"


def pack_document(path: Path) -> bytes:
    """The file at `path` as `document_lines` wants it."""
    packed = io.BytesIO()
    with path.open("rb") as document, gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        shutil.copyfileobj(document, stream)
    return packed.getvalue()


@dataclass(slots=True)
class JobLog:
    """Reads the log of a job as it grows, in pieces of any size, also when pieces are read again from its start."""

    outcome: JobOutcome | None = None
    _taken: int = 0
    _line: str = ""
    _parts: dict[int, str] = field(default_factory=dict)
    _total: int = 0

    @property
    def taken(self) -> int:
        """How many characters were read."""
        return self._taken

    def take(self, text: str, *, offset: int) -> list[str]:
        """Read `text`, which begins `offset` characters after the start of the log.

        Returns:
            the new lines that people are to see, without line feeds.
        """
        fresh = text[max(0, self._taken - offset) :]
        self._taken += len(fresh)
        *lines, self._line = (self._line + fresh).split("\n")
        return [line for line in lines if self._is_for_people(line)]

    def end(self) -> list[str]:
        """The last line, if it has no line feed."""
        line, self._line = self._line, ""
        return [line] if line and self._is_for_people(line) else []

    def document(self) -> bytes | None:
        """The document, if the job has sent one.

        Raises:
            ClusterError: `damaged_document`: parts of it are missing.
        """
        if not self._total:
            return None
        try:
            text = "".join(self._parts[number] for number in range(1, self._total + 1))
            return gzip.decompress(base64.b64decode(text, validate=True))
        except (KeyError, ValueError, OSError, EOFError):
            raise ClusterError(
                "the document of the run did not arrive whole",
                code="damaged_document",
                hint="submit the same run again: nothing is sent twice, and the document comes again",
            ) from None

    def _is_for_people(self, line: str) -> bool:
        if line.startswith(_OUTCOME):
            self.outcome = _decoded(line.removeprefix(_OUTCOME))
        elif line.startswith(_DOCUMENT):
            counter, _, part = line.removeprefix(_DOCUMENT).partition(" ")
            number, _, total = counter.partition("/")
            if number.isdecimal() and total.isdecimal():
                self._parts[int(number)], self._total = part, int(total)
        else:
            return not _ENTRYPOINT.match(line)
        return False


def _decoded(text: str) -> JobOutcome | None:
    try:
        return msgspec.json.decode(text, type=JobOutcome)
    except msgspec.DecodeError:
        return None  # cut off: the job died while it wrote the line
