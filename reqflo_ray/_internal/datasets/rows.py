"""Reads a whole dataset as numbered rows: all files in order, declared types converted, keys and required inputs
checked, every fault with its place. It must not know where rows are stored.

No part of a sensitive input is ever shown: its faults name only the column, and no line of the dataset is quoted for a
journey that declares a sensitive input or variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from reqflo_ray._internal.datasets.csv_rows import CsvReader
from reqflo_ray._internal.datasets.delimiters import TAB
from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.files import (
    READ_ERRORS,
    DataFormat,
    detect_format,
    find_files,
    opened,
    report_unreadable,
    seekable,
)
from reqflo_ray._internal.datasets.json_rows import JsonArrayReader, JsonLinesReader
from reqflo_ray._internal.datasets.keys import KeyLedger, Place
from reqflo_ray._internal.datasets.parquet_rows import ParquetReader
from reqflo_ray._internal.datasets.text import check_encoding
from reqflo_ray._internal.engine.requests.header_values import columns_in_headers
from reqflo_ray._internal.engine.values.conversion import ConversionError, convert, kind_of
from reqflo_ray._internal.engine.values.expectations import STATUSES, NeededValue, RowExpectations, is_status
from reqflo_ray._internal.errors import DatasetError, Position, Problem
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import Artifact, Input, Variable
from reqflo_ray._internal.model.http.headers import unsendable_in_header
from reqflo_ray._internal.model.names import did_you_mean
from reqflo_ray._internal.model.plan import DatasetSource, Row
from reqflo_ray._internal.model.values import JsonValue, ValueType

_SHOWN_COLUMNS: Final = 20
_CACHED_VALUES: Final = 10_000
_CACHED_LENGTH: Final = 64
_SHOWN_TEXT: Final = 200
_HINTS: Final = {
    "missing_value": "fill it in, or declare a default in the journey",
    "missing_key": "use a different key in each row",
    "invalid_key": "use text or a number as the key",
    "invalid_status": f"{STATUSES}; a list in a table needs `type: json`",
}


class Reader(Protocol):
    """One open file of the dataset. `header` is called once, before `records`."""

    @property
    def file(self) -> DataFile:
        """The file that is read."""
        ...

    @property
    def header_line(self) -> int:
        """The line of the header, 0 if the format has none."""
        ...

    def header(self) -> tuple[str, ...] | None:
        """Return the columns, () after a finding; None if the format has no header."""
        ...

    def records(self) -> Iterator[tuple[int, dict[str, JsonValue], str]]:
        """Yield for every valid row its line (in Parquet its number), its values, and its text; others are findings."""
        ...

    def locate(self, line: int, text: str, name: str) -> tuple[int, int, str]:
        """Return line, column, and line text of the value called `name` in a row from `records`."""
        ...


@contextmanager
def open_reader(
    file: DataFile,
    source: DatasetSource,
    faults: Faults,
    *,
    groups: range | None = None,
    used: frozenset[str] | None = None,
) -> Iterator[Reader | None]:
    """Open a reader of `file`, which is part of `source`; None after a finding. Errors while it is used become
    findings.

    Args:
        groups: the row groups to read of a Parquet file; None for all.
        used: the columns that are read; None for all. Of the others only the name must be valid.
    """
    kind = detect_format(file, faults)
    if kind is None:
        yield None
        return
    try:
        with opened(file) as stream:
            match kind:
                case DataFormat.CSV:
                    yield CsvReader(file, stream, source.encoding, faults, delimiter=source.delimiter)
                case DataFormat.TSV:
                    yield CsvReader(file, stream, source.encoding, faults, delimiter=source.delimiter, usual=TAB)
                case DataFormat.JSON:
                    yield JsonArrayReader(file, stream, source.encoding, faults)
                case DataFormat.JSON_LINES:
                    yield JsonLinesReader(file, stream, source.encoding, faults)
                case DataFormat.PARQUET:
                    with seekable(file, stream) as whole:
                        yield ParquetReader(file, whole, faults, groups, used)
    except READ_ERRORS as problem:
        report_unreadable(file, problem, faults)


@dataclass(frozen=True, slots=True)
class Header:
    """The first header of a dataset, with which all others must agree: its file and its columns."""

    file: DataFile
    names: frozenset[str]


def check_source(source: DatasetSource, artifact: Artifact) -> None:
    """Check the options of a dataset.

    Raises:
        DatasetError: `unknown_encoding`, `sensitive_key`.
    """
    check_encoding(source.encoding)
    key = source.key_column
    if key in artifact.sensitive_names:
        raise DatasetError(
            f"`{key}` is sensitive and cannot be the key",
            code="sensitive_key",
            cause="the key of a row is shown in results and reports",
            hint="name another column with `--key`",
        )


def used_columns(source: DatasetSource, artifact: Artifact) -> frozenset[str]:
    """Return the columns whose values are read: those that fill an input or variable, and the key."""
    declared: tuple[Input | Variable, ...] = (*artifact.inputs, *artifact.variables)
    return frozenset(one.name for one in declared) | {source.key_column}


class DatasetRows:
    """The rows of `source` for `artifact`, read once.

    `required` are the inputs that only the row can supply. `columns` grows while rows are read, because every JSON
    object may add new ones.

    Args:
        expects: what assertions expect of rows; `gaps` reports what they need and some rows lack.
        header: the first header of the dataset, if this reading does not begin with its first file.
        keys: the ledger for the keys.
    """

    def __init__(
        self,
        source: DatasetSource,
        artifact: Artifact,
        required: frozenset[str],
        *,
        expects: RowExpectations = RowExpectations(),
        header: Header | None = None,
        keys: KeyLedger | None = None,
    ) -> None:
        declared: tuple[Input | Variable, ...] = (*artifact.inputs, *artifact.variables)
        self._source = source
        self._artifact = artifact
        self._required = required
        self._statuses: tuple[tuple[str, set[str]], ...] = tuple((name, set()) for name in expects.statuses)
        self._gaps = tuple(_Gap(needed) for needed in expects.needed)
        # Each typed name has a cache from text to value, so that repeated values are converted once.
        self._typed: tuple[tuple[str, ValueType, dict[str, JsonValue]], ...] = tuple(
            (one.name, one.type, {}) for one in declared if one.type is not None
        )
        self._in_headers = tuple(columns_in_headers(artifact, source.key_column).items())
        self._used = used_columns(source, artifact)
        self._sensitive = artifact.sensitive_names
        self._columns: dict[str, None] = {}
        self.header = header
        self.keys = keys or KeyLedger()
        self.faults = Faults(show_text=not self._sensitive)

    @property
    def gaps(self) -> tuple[Problem, ...]:
        """Warnings about values that assertions need and some of the rows read so far lack."""
        return tuple(gap.as_warning() for gap in self._gaps if gap.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns seen so far, in the order in which they appeared."""
        return tuple(self._columns)

    def read(self) -> Iterator[Row]:
        """Yield every row, numbered from 0. Rows after the first finding must not be used; they are read to find the
        rest.

        Raises:
            DatasetError: at the end, with all findings; immediately if the options are not valid.
        """
        check_source(self._source, self._artifact)
        files = find_files(self._source.files, self.faults)
        count = 0
        for file in files:
            for row in self.read_file(file, count):
                yield row
                count = row.index + 1
        report_repeated(self.keys.repeated(), self._source.key_column, files, self.faults)
        self.faults.raise_any()

    def read_file(self, file: DataFile, first_index: int, groups: range | None = None) -> Iterator[Row]:
        """Yield the rows of one file, or of some row groups of a Parquet file, numbered from `first_index`."""
        with open_reader(file, self._source, self.faults, groups=groups, used=self._used) as reader:
            if reader is not None:
                yield from self._rows_of(reader, first_index)

    def check_header(self, reader: Reader) -> tuple[tuple[str, ...] | None, frozenset[str]]:
        """Return the header of a file, and the needed columns that it lacks. Faults in it become findings."""
        header = reader.header()
        if header is None:
            return None, frozenset()
        return header, self._missing(reader, header) if header else self._required

    def _rows_of(self, reader: Reader, first_index: int) -> Iterator[Row]:
        key_column, columns = self._source.key_column, self._columns
        header, missing = self.check_header(reader)
        required = self._required - missing
        if key_column in missing:
            key_column = ""
        self.keys.begin_file(reader.file.number)
        remember, convert_values = self.keys.add, self._convert
        name, key, known, width = reader.file.name, "", columns.keys(), len(header) if header else -1
        for index, (line, values, text) in enumerate(reader.records(), first_index):
            if key_column:
                key = values.get(key_column, "")
                if type(key) is not str or not key:
                    key = self._odd_key(key, reader, line, text)
                if key:
                    remember(key, line)
            is_sound = convert_values(values, reader, line, text)
            if self._in_headers:
                self._check_headers(values, reader, line, text)
            if is_sound and self._statuses:
                self._check_statuses(values, reader, line, text)
            # A row with a value in every column of its header supplies every name.
            if len(values) != width:
                if not values.keys() <= known:
                    columns.update(dict.fromkeys(values))
                # Null does not count as a value where one is required.
                if lacking := [name for name in required if values.get(name) is None]:
                    self._report_missing(lacking, reader, line, text)
                for gap in self._gaps:
                    if gap.names.isdisjoint(values):
                        gap.meet(gap.first or self._position(min(gap.names), reader, line, text))
            yield Row(index=index, key=key, values=values, location=f"{name}:{line}")

    def _missing(self, reader: Reader, header: tuple[str, ...]) -> frozenset[str]:
        """Report the columns that the header of a file lacks; return their names."""
        file, line = reader.file, reader.header_line
        self._columns.update(dict.fromkeys(header))
        names = frozenset(header)
        needed = dict.fromkeys(self._required, "required")
        if self._source.key_column:
            needed[self._source.key_column] = "named as the key"
        missing = {name: why for name, why in needed.items() if name not in names}
        for name, why in sorted(missing.items()):
            hint = did_you_mean(name, header)
            if not hint and self.faults.show_text:  # in a file without a header these would be values
                hint = f"known columns: {', '.join(header[:_SHOWN_COLUMNS])}"
            message = f"`{file.name}` has no column `{name}`, which is {why}"
            self.faults.add("missing_column", message, file=file, line=line, hint=hint)
        if self.header is None:
            self.header = Header(file, names)
        elif odd := sorted((names ^ self.header.names) & self._used):
            self.faults.add(
                "different_columns",
                f"the columns of `{file.name}` differ from those of `{self.header.file.name}`: {', '.join(odd)}",
                file=file,
                line=line,
                hint="use the same columns, in any order, in all files of a dataset",
            )
        return frozenset(missing)

    def _odd_key(self, value: JsonValue, reader: Reader, line: int, text: str) -> str:
        """Return the key for a value that is not a non-empty text; "" after a finding."""
        column = self._source.key_column
        if value is None or value == "":
            self._report("missing_key", f"the row has no key: column `{column}` is empty", column, reader, line, text)
        elif isinstance(value, dict | list):
            self._report("invalid_key", f"the key in column `{column}` is {kind_of(value)}", column, reader, line, text)
        else:
            return json_text.encode_text(value)
        return ""

    def _convert(self, values: dict[str, JsonValue], reader: Reader, line: int, text: str) -> bool:
        """Convert typed values in place; return False after a finding."""
        is_sound = True
        for name, kind, cache in self._typed:
            value = values.get(name)
            if value is None:
                continue
            is_text = type(value) is str
            if is_text and value in cache:
                values[name] = cache[value]
                continue
            try:
                values[name] = converted = convert(value, kind)
            except ConversionError as problem:
                shown = problem.reason if name in self._sensitive else problem
                self._report("invalid_value", f"`{name}`: {shown}", name, reader, line, text, problem.hint)
                is_sound = False
                continue
            if is_text and len(value) <= _CACHED_LENGTH and len(cache) < _CACHED_VALUES:
                cache[value] = converted
        return is_sound

    def _check_headers(self, values: dict[str, JsonValue], reader: Reader, line: int, text: str) -> None:
        """Report values that a header cannot hold; a list becomes several headers."""
        for name, where in self._in_headers:
            value = values.get(name)
            for item in value if type(value) is list else (value,):
                if type(item) is str and (wrong := unsendable_in_header(item)):
                    message = f"`{name}` contains {wrong}, which is not allowed in {where}"
                    self._report("invalid_value", message, name, reader, line, text)

    def _check_statuses(self, values: dict[str, JsonValue], reader: Reader, line: int, text: str) -> None:
        for name, known in self._statuses:
            value = values.get(name, known)
            if value is known or (type(value) is str and value in known):
                continue
            if is_status(value):
                if type(value) is str and len(known) < _CACHED_VALUES:
                    known.add(value)
                continue
            shown = "" if name in self._sensitive else f": `{str(value)[:_CACHED_LENGTH]}`"
            message = f"`{name}` is not an HTTP status, but an assertion expects it as one{shown}"
            self._report("invalid_status", message, name, reader, line, text)

    def _report_missing(self, names: Iterable[str], reader: Reader, line: int, text: str) -> None:
        for name in sorted(names):
            self._report(
                "missing_value", f"the row does not supply `{name}`, which is required", name, reader, line, text
            )

    def _position(self, name: str, reader: Reader, line: int, text: str) -> Position:
        line, column, text = reader.locate(line, text, name)
        shown = text[:_SHOWN_TEXT] if self.faults.show_text else ""
        return Position(file=reader.file.name, line=line, column=column, text=shown)

    def _report(self, code: str, message: str, name: str, reader: Reader, line: int, text: str, hint: str = "") -> None:
        line, column, text = reader.locate(line, text, name)
        hint = hint or _HINTS.get(code, "")
        self.faults.add(code, message, file=reader.file, line=line, column=column, text=text, hint=hint)


class _Gap:
    """A value that assertions need, and the number of rows that lack it."""

    def __init__(self, needed: NeededValue) -> None:
        self.names = needed.names
        self.rows = 0
        self.first: Position | None = None
        self._needed = needed

    def meet(self, first: Position) -> None:
        """Count a row that lacks it; `first` is the place of the first such row."""
        self.rows += 1
        self.first = first

    def as_warning(self) -> Problem:
        """Return the warning about these rows."""
        number = "1 row has" if self.rows == 1 else f"{self.rows:,} rows have"
        message = (
            f"{number} no value for `{self._needed.label}`, and an assertion of step `{self._needed.step}` expects it"
        )
        hint = "fill it in, or declare a default in the journey; the assertion fails without it"
        warning = Problem.warning("unset_value", message, hint=hint)
        return replace(warning, position=self.first)


def report_repeated(
    repeated: Iterable[tuple[Place, Place]], column: str, files: Sequence[DataFile], faults: Faults
) -> None:
    """Report rows whose key an earlier row has, as `KeyLedger.repeated` yields them; `files` are those of the dataset
    by number."""
    for (number, line), (first_number, first_line) in repeated:
        first = f"line {first_line}" if first_number == number else f"{files[first_number].name}:{first_line}"
        message = f"the key in column `{column}` is already used at {first}"
        faults.add("duplicate_key", message, file=files[number], line=line, hint="use a different key in each row")
