"""Reads the rows of Parquet files, numbered from 1 in each file. It must not know inputs, nor how a value becomes JSON.

A null supplies nothing. Of unused columns only the names are read: they may be of any type, and damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.parquet_values import Converter, converter_of, refusal, values_of
from reqflo_ray._internal.model.values import JsonValue

if TYPE_CHECKING:
    from pyarrow import parquet

_BATCH_ROWS: Final = 4096


class ParquetReader:
    """The rows of one Parquet file.

    Args:
        stream: must be seekable.
        groups: the row groups to read; None for all.
        used: the columns to read; None for all.
    """

    header_line = 0

    def __init__(
        self,
        file: DataFile,
        stream: BinaryIO,
        faults: Faults,
        groups: range | None = None,
        used: frozenset[str] | None = None,
    ) -> None:
        self.file = file
        self._used = used
        self._stream = stream
        self._faults = faults
        self._groups = groups
        self._table: parquet.ParquetFile | None = None

    def header(self) -> tuple[str, ...]:
        """Return the names in the schema; () after a finding."""
        self._table = self._open()
        return tuple(self._table.schema_arrow.names) if self._table else ()

    @property
    def row_count(self) -> int:
        """The number of rows by the metadata of the file; known after `header`."""
        return int(self._table.metadata.num_rows) if self._table else 0

    def row_groups(self) -> list[tuple[int, int]]:
        """Return for every row group its number of rows and its unpacked size in bytes; known after `header`."""
        if self._table is None:
            return []
        metadata = self._table.metadata
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        return [(int(group.num_rows), int(group.total_byte_size)) for group in groups]

    def records(self) -> Iterator[tuple[int, dict[str, JsonValue], str]]:
        """Yield for every row its number in the file from 1, the values that are not null, and "" (it has no text)."""
        if self._table is None:
            return
        used = [field for field in self._table.schema_arrow if self._uses(field.name)]
        names = [field.name for field in used]
        converters = [converter_of(field.type) for field in used]
        starts = list(accumulate((rows for rows, _ in self.row_groups()), initial=0))
        # Group by group, so that row numbers and findings of damage do not depend on the parts in which a file is read.
        for group in range(len(starts) - 1) if self._groups is None else self._groups:
            number = starts[group]
            try:
                for batch in self._table.iter_batches(
                    batch_size=_BATCH_ROWS, row_groups=[group], columns=names, use_threads=False
                ):
                    # For the name `a.b` Arrow also returns the member `b` of a column `a`.
                    found = zip(batch.schema.names, batch.columns, strict=True)
                    columns, converting = values_of([column for name, column in found if name in names], converters)
                    for cells in zip(*columns, strict=True) if columns else repeat((), batch.num_rows):
                        number += 1
                        row = self._row(number, names, converting, cells)
                        if row is not None:
                            yield number, row, ""
            except (ValueError, OSError) as problem:  # Arrow's errors are of these kinds
                self._report_damage(problem, number)

    def locate(self, line: int, text: str, name: str) -> tuple[int, int, str]:
        """Return the number of the row as its line."""
        return line, 1, ""

    def _row(
        self, number: int, names: list[str], converters: list[Converter | None], cells: tuple[Any, ...]
    ) -> dict[str, JsonValue] | None:
        row: dict[str, JsonValue] = {}
        for name, converter, cell in zip(names, converters, cells, strict=True):
            if cell is None:
                continue
            try:
                row[name] = converter(cell) if converter else cell
            except ValueError as problem:
                self._faults.add(
                    "no_json_value",
                    f"the value of column `{name}` in row {number} has no JSON form",
                    file=self.file,
                    line=number,
                    cause=str(problem),
                )
                return None
        return row

    def _open(self) -> parquet.ParquetFile | None:
        from pyarrow import parquet

        before = self._faults.count
        try:
            opened = parquet.ParquetFile(self._stream)
        except (ValueError, OSError) as problem:
            self._report_damage(problem, 0)
            return None
        if not opened.schema_arrow.names:
            self._report_column("no_header", f"`{self.file.name}` has no columns")
        seen: set[str] = set()
        for field in filter(lambda field: self._uses(field.name), opened.schema_arrow):
            if field.name in seen:
                self._report_column(
                    "duplicate_column", f"column `{field.name}` is in the file twice", "rename or remove one"
                )
            elif not field.name.strip():
                self._report_column("unnamed_column", "a column has no name", "name the column, or remove it")
            if reason := refusal(field.type):
                hint = "remove the column, or convert it to another type"
                self._report_column("unsupported_column", f"column `{field.name}` holds {reason}", hint)
            seen.add(field.name)
        return opened if self._faults.count == before else None

    def _uses(self, column: str) -> bool:
        return self._used is None or column in self._used

    def _report_column(self, code: str, message: str, hint: str = "") -> None:
        self._faults.add(code, message, file=self.file, hint=hint)

    def _report_damage(self, problem: Exception, row: int) -> None:
        self._faults.add(
            "damaged_parquet",
            f"`{self.file.name}` cannot be read as Parquet" + (f" after row {row}" if row else ""),
            file=self.file,
            cause=str(problem).partition("\n")[0],
        )
