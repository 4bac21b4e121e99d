"""Decodes the bytes of a text file into characters and lines, a block at a time, and reports characters that no dataset
may contain. It must not know CSV or JSON."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.errors import DatasetError

LONGEST_RECORD: Final = 16 * 2**20  # characters; an unclosed quote must not read a whole file into memory
_BLOCK_BYTES: Final = 2**18
_IMPOSSIBLE: Final = re.compile("[\0\ud800-\udfff]")
_SHOWN: Final = 200
_NOT_TEXT: Final = 1000  # impossible characters in one block; above this, one finding covers them all
# Byte order marks, longer ones first, because two of them begin alike.
_WIDE_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LOOKED_AT: Final = 4096
_MANY_ZEROS: Final = 0.2


def check_encoding(encoding: str) -> None:
    """Check that `encoding` names a text encoding.

    Raises:
        DatasetError: `unknown_encoding`.
    """
    try:
        "a".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError):
        raise DatasetError(
            f"`{encoding}` is not a known text encoding",
            code="unknown_encoding",
            hint="use an encoding such as `utf-8`, `utf-16`, `latin-1`, or `cp1252`",
        ) from None


def text_blocks(stream: BinaryIO, encoding: str, file: DataFile, faults: Faults) -> Iterator[str]:
    """Yield the text of `stream` in blocks, without a byte order mark. NUL and bytes that `encoding` cannot decode are
    findings and become U+FFFD, so that the reader continues and finds all faults."""
    # An ASCII-compatible codec can mark a bad byte as a lone surrogate and continue; a wide one loses its place.
    wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    decoder = codecs.getincrementaldecoder(encoding)("strict" if wide else "surrogateescape")
    line, column = 1, 1
    at_start = True
    while True:
        data = stream.read(_BLOCK_BYTES)
        if at_start and (other := _wide_encoding(data, encoding if wide else "")):
            what = f"`{file.name}` is {other.upper()}, not {encoding}"
            faults.add("wrong_encoding", what, file=file, line=1, hint=f"pass `--encoding {other}`")
            return
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as problem:
            faults.add(
                "invalid_encoding",
                f"`{file.name}` is not valid {encoding} from about this line on",
                file=file,
                line=line,
                cause=getattr(problem, "reason", ""),
            )
            return
        if text:
            if at_start:
                text = text.removeprefix("\ufeff")
                at_start = False
            if not _is_clean(text):
                if len(_IMPOSSIBLE.findall(text)) > _NOT_TEXT:
                    faults.add("not_text", f"`{file.name}` is not text in {encoding}", file=file, line=line)
                    return
                text = _report_impossible(text, line, column, encoding, file, faults)
            yield text
            newlines = text.count("\n")
            line += newlines
            column = len(text) - text.rfind("\n") if newlines else column + len(text)
        if not data:
            return


def _wide_encoding(start: bytes, wide: str) -> str:
    """Return the encoding, with several bytes per character, of a file that begins with `start`; "" if it has none, or
    if it is the named one, `wide`."""
    marked = next((name for mark, name in _WIDE_MARKS.items() if start.startswith(mark)), "")
    if wide:
        return "utf-32" if marked == "utf-32" and "32" not in wide else ""
    if marked:
        return marked
    start = start[:_LOOKED_AT]
    zeros = [start[at::4].count(0) for at in range(4)]
    if not _MANY_ZEROS * len(start) < sum(zeros) < len(start):
        return ""
    # A Latin letter has one byte that is not zero, and zeros for the rest.
    if min(zeros[:3]) > 0.9 * len(start) / 4 or min(zeros[1:]) > 0.9 * len(start) / 4:
        return "utf-32-be" if zeros[0] > zeros[3] else "utf-32-le"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    return ("utf-16-be" if even > odd else "utf-16-le") if not min(even, odd) else ""


def _is_clean(text: str) -> bool:
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _report_impossible(text: str, line: int, column: int, encoding: str, file: DataFile, faults: Faults) -> str:
    line_start = seen = 0
    for found in _IMPOSSIBLE.finditer(text):
        at = found.start()
        newlines = text.count("\n", seen, at)
        if newlines:
            line += newlines
            line_start = text.rfind("\n", seen, at) + 1
        place = at - line_start + 1 if line_start else column + at
        shown = text[line_start : line_start + _SHOWN].partition("\n")[0]
        if found.group() == "\0":
            code, message = "nul_character", "the text contains a NUL character"
            hint = "check that the file is text in that encoding"
        else:
            code = "invalid_encoding"
            message = f"byte 0x{ord(found.group()) & 0xFF:02X} is not valid {encoding}"
            hint = "name the encoding of the file, for example `--encoding cp1252`"
        text_shown = _IMPOSSIBLE.sub("\ufffd", shown)
        faults.add(code, message, file=file, line=line, column=place, text=text_shown, hint=hint)
        seen = at
    return _IMPOSSIBLE.sub("\ufffd", text)


def line_blocks(stream: BinaryIO, encoding: str, file: DataFile, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of `stream` in blocks, each with the number of its first line (from 1). Only a line feed ends a
    line; a carriage return before it is kept, because it may be part of a quoted cell."""
    pending: list[str] = []
    pending_size = 0
    number = 1
    for text in text_blocks(stream, encoding, file, faults):
        first_end = text.find("\n")
        if first_end < 0:
            pending.append(text)
            pending_size += len(text)
            if pending_size > LONGEST_RECORD:
                report_too_long(file, number, faults)
                return
            continue
        lines = text.split("\n")
        lines[0] = "".join([*pending, lines[0]])
        pending = [lines.pop()]
        pending_size = len(pending[0])
        yield number, lines
        number += len(lines)
    last = "".join(pending)
    if last:
        yield number, [last]


def report_too_long(file: DataFile, line: int, faults: Faults) -> None:
    """Report that the row that begins on `line` is too long."""
    faults.add(
        "row_too_long",
        f"the row is longer than {LONGEST_RECORD:,} characters",
        file=file,
        line=line,
        hint="add the closing quote or the line end that may be missing",
    )
