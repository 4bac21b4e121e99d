"""Reads JSON arrays of objects and JSON Lines as streams, with the line of every object. It must not know types or
inputs.

Values keep their JSON types and all their digits. A null is an explicit null; a missing member supplies nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final, NamedTuple

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.text import LONGEST_RECORD, line_blocks, report_too_long, text_blocks
from reqflo_ray._internal.engine.values.conversion import kind_of
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import JsonValue

_SHOWN: Final = 200
_BLANKS: Final = re.compile(r"[ \t\r\n]*+")
_HALF_PAIR: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_NO_NUMBER: Final = re.compile(r"[^-NI]?(-?(?:NaN|Infinity))")
_BYTE: Final = re.compile(r" \(byte [0-9]+\)$")

_Record = tuple[int, dict[str, JsonValue], str]


@dataclass(slots=True)
class JsonLinesReader:
    """The objects of one file with an object on every line. Blank lines are skipped."""

    file: DataFile
    stream: BinaryIO
    encoding: str
    faults: Faults
    header_line: int = 0

    def header(self) -> None:
        """Return None: the format has no header."""

    def records(self) -> Iterator[_Record]:
        """Yield for every object its line, its members, and its text."""
        for first, lines in line_blocks(self.stream, self.encoding, self.file, self.faults):
            for number, line in enumerate(lines, first):
                if line and not line.isspace():
                    values = _object(line, self.file, number, self.faults)
                    if values is not None:
                        yield number, values, line

    def locate(self, line: int, text: str, name: str) -> tuple[int, int, str]:
        """Return line, column, and line text of member `name` of the object on `line`."""
        return line, _member_offset(text, name) + 1, text


class _Surroundings(NamedTuple):
    """The column in which a text begins, and what is known of its lines before and after it."""

    column: int = 1
    before: str = ""
    behind: str = ""


def _object(
    text: str, file: DataFile, line: int, faults: Faults, look_around: Callable[[], _Surroundings] = _Surroundings
) -> dict[str, JsonValue] | None:
    """Decode `text`, which begins on `line`, as an object; return None after a finding."""
    at, cause, hint = 0, "", ""
    try:
        value = json_text.decode_strictly(text)
    except json_text.RepeatedMember as problem:
        at = problem.offset or 0
        code, message = "repeated_member", "the object has this member twice"
        hint = "remove one of the two"
    except json_text.NotJson as problem:
        code, message = "invalid_json", "this is not valid JSON"
        at, cause = _why(text, problem)
    else:
        if isinstance(value, dict):
            return value
        code, message = "not_an_object", f"a row must be a JSON object; this is {kind_of(value)}"
        hint = 'write each row as `{"column": value, …}`'
    around = look_around()
    lines, start = text.count("\n", 0, at), text.rfind("\n", 0, at) + 1
    if lines:
        column, shown = at - start + 1, (text[start:] + around.behind).partition("\n")[0]
    else:
        column = around.column + at
        known = len(around.before) == around.column - 1
        shown = around.before + (text + around.behind).partition("\n")[0] if known else ""
    faults.add(
        code, message, file=file, line=line + lines, column=column, text=shown.rstrip("\r"), cause=cause, hint=hint
    )
    return None


def _why(text: str, problem: json_text.NotJson) -> tuple[int, str]:
    """Return where a text stops being JSON, and why."""
    if half := _HALF_PAIR.search(text):  # the decoder takes it for the end of the text
        return half.start(), "half a surrogate pair is not a character"
    at = problem.offset or 0
    if found := _NO_NUMBER.match(text, max(0, at - 1)):
        return found.start(1), f"`{found[1]}` is not a JSON number"
    return at, _BYTE.sub("", str(problem))


def _member_offset(text: str, name: str) -> int:
    found = re.search(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:", text)
    return found.start() if found else 0


@dataclass(slots=True)
class JsonArrayReader:
    """The objects of one file that is a JSON array, read element by element."""

    file: DataFile
    stream: BinaryIO
    encoding: str
    faults: Faults
    header_line: int = 0
    _buffer: str = ""
    _at: int = 0
    _line: int = 1  # of `_buffer[_counted]`
    _counted: int = 0
    _cut: int = 0  # how many characters of its first line are before `_buffer`
    _blocks: Iterator[str] = field(default_factory=lambda: iter(()))

    def header(self) -> None:
        """Return None: the format has no header."""

    def records(self) -> Iterator[_Record]:
        """Yield for every object the line on which it begins, its members, and its text."""
        self._blocks = text_blocks(self.stream, self.encoding, self.file, self.faults)
        before = self.faults.count
        if self._next() != "[":
            if self.faults.count == before:
                self._report_no_array()
            return
        self._at += 1
        if self._next() != "]":
            while (text := self._element()) is not None:
                line = self._current_line()
                values = _object(text, self.file, line, self.faults, self._look_around)
                self._at += len(text)
                if values is not None:
                    yield line, values, text
                mark = self._next()
                if mark == "]":
                    break
                if mark != ",":
                    self._report("invalid_json", "expected `,` or `]` after an element of the array")
                    return
                self._at += 1
            else:
                return
        self._at += 1
        if self._next():
            self._report("invalid_json", "there is text after the end of the array", "write one JSON array per file")

    def locate(self, line: int, text: str, name: str) -> tuple[int, int, str]:
        """Return line, column, and line text of member `name` of the object that begins on `line`."""
        offset = _member_offset(text, name)
        line_start = text.rfind("\n", 0, offset) + 1
        shown = text[line_start:].partition("\n")[0]
        return line + text.count("\n", 0, offset), offset - line_start + 1, shown

    def _more(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._current_line()
        self._cut = self._column() - 1
        self._buffer = self._buffer[self._at :] + block
        self._at = self._counted = 0
        return True

    def _next(self) -> str:
        """Skip blanks; return the character that follows, "" at the end of the file."""
        while True:
            found = _BLANKS.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def _element(self) -> str | None:
        """Return the text of the element that begins here, or None after a finding that ends the file."""
        self._next()
        while True:
            try:
                end: int = _extent(self._buffer, self._at)[1]
            except json.JSONDecodeError as problem:
                size = len(self._buffer) - self._at
                if size > LONGEST_RECORD:
                    report_too_long(self.file, self._current_line(), self.faults)
                    return None
                # An error at the end of the buffer, or an unterminated string, may mean that the rest is not read yet.
                cut = problem.pos >= len(self._buffer) - 12 or problem.msg.startswith("Unterminated string")
                if cut and self._read_ahead(size):
                    continue
                self._at = min(problem.pos, len(self._buffer))
                self._report("invalid_json", "this is not valid JSON", cause=problem.msg)
                return None
            except RecursionError:
                self._report("invalid_json", "this is not valid JSON", cause="it is nested too deeply")
                return None
            # A number or literal at the end of the buffer may continue in the next block.
            if end == len(self._buffer) and self._more():
                continue
            return self._buffer[self._at : end]

    def _read_ahead(self, size: int) -> bool:
        """Read at least as much again, so that a large element is not scanned once for every block."""
        grown = self._more()
        while grown and len(self._buffer) < 2 * size and self._more():
            pass
        return grown

    def _current_line(self) -> int:
        self._line += self._buffer.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _column(self) -> int:
        line_start = self._buffer.rfind("\n", 0, self._at) + 1
        return self._at - line_start + 1 + (0 if line_start else self._cut)

    def _look_around(self) -> _Surroundings:
        """Return where the element begins, and what the buffer still holds of its line."""
        before = self._buffer[self._buffer.rfind("\n", 0, self._at) + 1 : self._at]
        end: int = _extent(self._buffer, self._at)[1]
        return _Surroundings(self._column(), before, self._buffer[end : end + _SHOWN].partition("\n")[0])

    def _report_no_array(self) -> None:
        hint = "write the rows as one array: `[{…}, {…}]`"
        if self._buffer[self._at : self._at + 1] == "{":
            hint += "; or rename the file to end in `.jsonl` if each line is an object"
        self._report("not_an_array", "the file is not a JSON array of objects", hint)

    def _report(self, code: str, message: str, hint: str = "", *, cause: str = "") -> None:
        before, column = self._buffer[self._buffer.rfind("\n", 0, self._at) + 1 : self._at], self._column()
        behind = self._buffer[self._at : self._at + _SHOWN].partition("\n")[0]
        self.faults.add(
            code,
            message,
            file=self.file,
            line=self._current_line(),
            column=column,
            text=before + behind if len(before) == column - 1 else "",
            cause=cause,
            hint=hint,
        )


def _nothing(text: str) -> None:
    return None


# It only finds where an element ends, so it does not build numbers; the text is then decoded strictly.
_extent: Final = json.JSONDecoder(parse_float=_nothing, parse_int=_nothing, parse_constant=_nothing).raw_decode
