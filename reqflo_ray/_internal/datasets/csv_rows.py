"""Reads CSV (RFC 4180 with a header row) and tab-separated files, strictly. It must not know types or inputs.

An unquoted empty cell has no value, and a quoted `""` is the empty string. This reader exists because no general one
keeps that difference together with the line of every row. Rows without a quote, usually nearly all, are split by
`str.split`; the others are matched against the whole grammar, and only what does not match is examined step by step.
Lines end with LF or CRLF. Blank lines are skipped, and so are rows of empty cells, which are counted. A cell may hold
anything but NUL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Final

from reqflo_ray._internal.datasets.delimiters import (
    COMMA,
    SAMPLED_CHARACTERS,
    Delimiter,
    find_delimiter,
    name_of,
    separator_line,
)
from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.text import LONGEST_RECORD, line_blocks, report_too_long
from reqflo_ray._internal.model.values import JsonValue

_QUOTED: Final = r'"[^"]*+(?:""[^"]*+)*+"'

_Cells = list[str | None]


class _Grammar:
    """The patterns for one delimiter."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.blank = f" \t{delimiter}"  # the characters of a row of empty cells
        delimiter = re.escape(delimiter)
        plain = rf'[^"{delimiter}\r\n]*+'
        cell = rf"(?:{_QUOTED}|{plain})"
        self.cell = re.compile(cell)
        self.cells = re.compile(rf"(?:\A|{delimiter})({cell})")
        self.record = re.compile(rf"{cell}(?:{delimiter}{cell})*+")
        self.open_record = re.compile(rf'(?:{cell}{delimiter})*+"[^"]*+(?:""[^"]*+)*+')

    def split(self, record: str) -> _Cells:
        """Return the cells of a valid record."""
        if '"' not in record:
            return [cell or None for cell in record.split(self.delimiter)]
        return [
            cell[1:-1].replace('""', '"') if cell[:1] == '"' else cell or None for cell in self.cells.findall(record)
        ]

    def cell_offset(self, record: str, index: int) -> int:
        """Return the offset at which cell `index` (from 0) of a valid record begins."""
        at = 0
        for _ in range(index):
            found = self.cell.match(record, at)
            at = (found.end() if found else at) + 1
        return at

    def fault(self, record: str) -> tuple[int, bool]:
        """Return where an invalid record first breaks the grammar, and whether that is a quote that is never closed."""
        at = 0
        while found := self.cell.match(record, at):
            end = found.end()
            if end == at and record[at] == '"':
                return at, True
            at = end
            if record[at] != self.delimiter:
                break
            at += 1
        return at, False


class CsvReader:
    """The rows of one CSV file.

    Args:
        delimiter: the character between cells; "" to detect it.
        usual: the delimiter if nothing in the file suggests another one.
    """

    def __init__(
        self,
        file: DataFile,
        stream: BinaryIO,
        encoding: str,
        faults: Faults,
        *,
        delimiter: str = "",
        usual: str = COMMA,
    ) -> None:
        self.header_line = 1
        self.file = file
        self._stream = stream
        self._encoding = encoding
        self._faults = faults
        self._given = delimiter
        self._usual = usual
        self._found = Delimiter(delimiter or usual)
        self._grammar = _Grammar(self._found.mark)
        self._records = self._parse()
        self._columns: tuple[str, ...] = ()

    @property
    def surprising_delimiter(self) -> Delimiter | None:
        """The delimiter if it was detected and may differ from what a reader expects; known after `header`."""
        surprises = not self._given and (self._found.mark != self._usual or self._found.others)
        return self._found if surprises else None

    def header(self) -> tuple[str, ...]:
        """Return the names in the header row; () after a finding."""
        before = self._faults.count
        line, cells, text = next(self._records, (0, [], ""))
        if not line:
            if self._faults.count == before:
                message = f"`{self.file.name}` is empty"
                self._faults.add("no_header", message, file=self.file, hint="name the columns in the first row")
            return ()
        self.header_line = line
        names = tuple(cell or "" for cell in cells)
        self._check_names(names, line, text)
        if self._faults.count == before:
            self._columns = names
        return self._columns

    def records(self) -> Iterator[tuple[int, dict[str, JsonValue], str]]:
        """Yield for every row after the header its first line, the cells that it supplies, and its text."""
        columns, width = self._columns, len(self._columns)
        for line, cells, text in self._records if width else ():
            if len(cells) == width:
                yield line, {name: cell for name, cell in zip(columns, cells, strict=True) if cell is not None}, text
            else:
                self._report_width(line, len(cells), text)

    def locate(self, line: int, text: str, name: str) -> tuple[int, int, str]:
        """Return line, column, and line text of the cell of column `name` in the row that begins on `line`."""
        index = self._columns.index(name) if name in self._columns else 0
        return _place(line, text, self._grammar.cell_offset(text, index))

    def _check_names(self, names: tuple[str, ...], line: int, text: str) -> None:
        if not self._found.mark:
            self._report_delimiter(line, text)
            return
        seen: set[str] = set()
        for index, name in enumerate(names):
            if not name.strip():
                message, hint = f"column {index + 1} has no name", "name the column, or remove it"
                self._report_name(line, text, index, "unnamed_column", message, hint)
            elif name in seen:
                message, hint = f"column `{name}` is in the header twice", "rename or remove one of the two"
                self._report_name(line, text, index, "duplicate_column", message, hint)
            elif name != name.strip():
                message, hint = f"column name `{name}` begins or ends with a blank", "remove the blank"
                self._report_name(line, text, index, "padded_column", message, hint)
            seen.add(name)

    def _report_name(self, line: int, text: str, index: int, code: str, message: str, hint: str) -> None:
        line, column, text = _place(line, text, self._grammar.cell_offset(text, index))
        self._faults.add(code, message, file=self.file, line=line, column=column, text=text, hint=hint)

    def _report_delimiter(self, line: int, text: str) -> None:
        marks = self._found.others
        self._faults.add(
            "wrong_delimiter",
            f"the header has {' and '.join(map(name_of, marks))}, and the rows do not show which one separates cells",
            file=self.file,
            line=line,
            column=min(map(text.find, marks)) + 1,
            text=text.partition("\n")[0],
            hint="name the delimiter, for example `--delimiter ';'`",
        )

    def _report_width(self, line: int, found: int, text: str) -> None:
        width = len(self._columns)
        self._faults.add(
            "wrong_cell_count",
            f"the row has {found} {'cell' if found == 1 else 'cells'}, and the header has {width}",
            file=self.file,
            line=line,
            text=text.partition("\n")[0],
            hint="put each cell that contains a delimiter in quotes"
            if found > width
            else "write the delimiter of an empty cell too",
        )

    def _parse(self) -> Iterator[tuple[int, _Cells, str]]:
        blocks = line_blocks(self._stream, self._encoding, self.file, self._faults)
        beginning = self._find_delimiter(blocks)
        grammar = self._grammar
        split, whole, begins_open = grammar.split, grammar.record.fullmatch, grammar.open_record.fullmatch
        blank, pass_over = grammar.blank, self._faults.pass_over
        parts: list[str] = []  # the lines so far of a record with a line break in a cell
        parts_size = start = 0
        for first, lines in chain([beginning], blocks):
            for number, line in enumerate(lines, first):
                if parts:
                    parts.append(line)
                    parts_size += len(line) + 1
                    if parts_size > LONGEST_RECORD:
                        report_too_long(self.file, start, self._faults)
                        return
                    # Only a line with an odd number of quotes ends the open cell.
                    if line.count('"') % 2 == 0:
                        continue
                    text = "\n".join(parts)
                    parts = []
                else:
                    start, text = number, line
                record = text[:-1] if text[-1:] == "\r" else text
                if not record:
                    continue
                if record[0] in blank and not record.strip(blank):
                    pass_over(self.file, start)
                    continue
                if ('"' not in record and "\r" not in record) or whole(record):
                    yield start, split(record), record
                elif begins_open(text):
                    parts, parts_size = [text], len(text)
                else:
                    self._report_fault(start, record)
        if parts:
            self._report_fault(start, "\n".join(parts))

    def _find_delimiter(self, blocks: Iterator[tuple[int, list[str]]]) -> tuple[int, list[str]]:
        """Choose the delimiter by the first lines; return those that are rows, and the number of the first."""
        lines, size = list[str](), 0
        for _, more in blocks:
            lines += more
            size += sum(map(len, more))
            if size >= SAMPLED_CHARACTERS:
                break
        first = next((at for at, line in enumerate(lines) if line.strip()), 0)
        named = separator_line(lines[first]) if lines else ""
        begin = first + 1 if named else 0
        if not self._given:
            self._found = Delimiter(named) if named else find_delimiter("\n".join(lines), self._usual)
            self._grammar = _Grammar(self._found.mark or self._usual)
        return begin + 1, lines[begin:]

    def _report_fault(self, start: int, record: str) -> None:
        offset, open_cell = self._grammar.fault(record)
        if open_cell:
            code, message, hint = "unterminated_quote", "the quote that opens here is never closed", ""
        elif record[offset] == '"':
            code, message = "stray_quote", "the cell contains a quote and does not begin with one"
            hint = 'put the whole cell in quotes and write each quote in it twice: `"5"" pipe"`'
        elif record[offset] == "\r":
            code, message = "stray_carriage_return", "the cell contains a carriage return that does not end a line"
            hint = "end lines with LF or CRLF, or put the cell in quotes"
        else:
            code, message = "text_after_quote", "there is text after the closing quote of the cell"
            hint = f'write a quote inside quotes twice, `""`; the row begins at line {start}'
        line, column, text = _place(start, record, offset)
        self._faults.add(code, message, file=self.file, line=line, column=column, text=text, hint=hint)


def _place(line: int, text: str, offset: int) -> tuple[int, int, str]:
    line_start = text.rfind("\n", 0, offset) + 1
    shown = text[line_start:].partition("\n")[0].removesuffix("\r")
    return line + text.count("\n", 0, offset), offset - line_start + 1, shown
