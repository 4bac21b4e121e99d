"""All formats in which a run is shown, from the registries of the product, and how a search reads each of them.

A format that is missing here fails the search, because nobody has yet considered what it may contain.
"""

from __future__ import annotations

import html
import inspect
import io
import json
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from pyarrow import parquet

from reqflo_ray._internal.cli.commands.results.sql import Format
from reqflo_ray._internal.cli.main import COMMANDS
from reqflo_ray._internal.cli.options.groups import flat
from reqflo_ray._internal.reports.formats import FORMATS

Reader = Callable[[bytes], Iterator[bytes]]


def _plain(data: bytes) -> Iterator[bytes]:
    data.decode()  # text, so that nothing in it is packed
    yield data


def _with_references(data: bytes) -> Iterator[bytes]:
    """Markup, in which a character may be written as a reference."""
    yield data
    yield html.unescape(data.decode()).encode()


def _document(data: bytes) -> Iterator[bytes]:
    yield data
    yield json.dumps(json.loads(data), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _columns(data: bytes) -> Iterator[bytes]:
    yield data
    rows = parquet.read_table(io.BytesIO(data)).to_pylist()
    yield json.dumps(rows, ensure_ascii=False, default=_text).encode("utf-8", "surrogatepass")
    yield repr(rows).encode("utf-8", "surrogatepass")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


REPORTS: Final[Mapping[str, Reader]] = {
    "junit": _with_references,
    "html": _with_references,
    "markdown": _with_references,
    "json": _document,
    "ctrf": _document,
}
ANSWERS: Final[Mapping[str, Reader]] = {"table": _plain, "csv": _plain, "json": _document, "parquet": _columns}


def report_formats() -> list[tuple[str, Reader]]:
    """Every format of reports and how it is read."""
    assert FORMATS.keys() == REPORTS.keys(), "say how a report of the new format is read, and it is searched"
    return list(REPORTS.items())


def answer_formats() -> list[tuple[str, Reader]]:
    """Every format of answers to a query and how it is read."""
    assert {format_.value for format_ in Format} == ANSWERS.keys(), "say how an answer in the new format is read"
    return list(ANSWERS.items())


def commands_with_json() -> set[str]:
    """The names of all commands that have `--json`."""
    found = set()
    for entry in COMMANDS:
        command = flat(getattr(import_module(entry.module), entry.function))
        if "as_json" in inspect.signature(command).parameters:
            found.add(entry.name)
    return found


def read_parquet_too(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they hold when it is compressed."""
    data = path.read_bytes()
    yield from _columns(data) if path.suffix == ".parquet" else (data,)
