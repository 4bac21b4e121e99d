"""Reads the bytes of a journal, whatever happened to them, and reports exactly which parts cannot be trusted.

A crash may cut the last record, or leave zeros in place of its end: this is a torn tail, and harmless. Any other
difference from what was written is damage, also at the end. This module must not know what records mean for a row;
replay does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reqflo_ray._internal.journal.records import (
    FORMAT,
    READABLE_FORMATS,
    Frame,
    decode,
    is_foreign,
    is_torn,
    magic,
    read_file_header,
    read_frame,
    seed_of,
)
from reqflo_ray._internal.model.journal import JournalRecord


class DamageReason(StrEnum):
    """How a part of a journal differs from what was written."""

    UNREADABLE = "unreadable"  # bytes that are not a record, although records follow
    MISSING = "missing"  # records that must have been here are gone, with all their bytes
    DUPLICATE = "duplicate"  # a record that is already present
    MISPLACED = "misplaced"  # a record before one that was written earlier
    FOREIGN = "foreign"  # records of the journal of another run, shard or attempt


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged part: `length` bytes at `offset`, 0 bytes if records are missing."""

    offset: int
    length: int
    reason: DamageReason


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` lost records before `records[before]`."""

    before: int
    count: int


@dataclass(frozen=True, slots=True)
class JournalContents:
    """The contents of one journal, with `records` in the order in which they were written.

    `format` is the one in the file header, `FORMAT` without one; if it is not readable, nothing else is read.
    `torn_bytes` belong to an append that a crash cut off, which is no loss, because it was never confirmed.
    """

    records: tuple[JournalRecord, ...] = ()
    torn_bytes: int = 0
    damage: tuple[Damage, ...] = ()
    gaps: tuple[Gap, ...] = ()
    format: int = FORMAT

    @property
    def lost(self) -> int:
        """The number of records that were written but cannot be read."""
        return sum(gap.count for gap in self.gaps)

    @property
    def written(self) -> int:
        """The number of records that were written, as far as it is known."""
        return len(self.records) + self.lost

    def readable(self, written: int) -> int:
        """Return how many of the first `written` records can be read."""
        lost = 0
        for gap in self.gaps:
            lost += max(0, min(gap.count, written - gap.before - lost))
        return min(written - lost, len(self.records))


def read_journal(data: bytes, *, name: bytes | None = None, begun: bool = False) -> JournalContents:
    """Read a journal. It never raises, whatever `data` is.

    Args:
        name: the expected name of the journal; None accepts any.
        begun: the header was made durable, so that a file without one is damaged.
    """
    header = read_file_header(data)
    if header is not None and header.format not in READABLE_FORMATS:
        return JournalContents(format=header.format)
    if header is not None and header.name and name is not None and header.name != name:
        # The expected journal is lost, with an unknown number of records, and this one is in its place.
        return JournalContents(damage=(Damage(0, len(data), DamageReason.FOREIGN),), gaps=(Gap(0, 1),))
    version = header.format if header is not None else _format_of_frames(data)
    seed = 0 if version != FORMAT else seed_of(header.name if header is not None else name or b"")
    records: dict[int, JournalRecord] = {}
    offsets: dict[int, int] = {}
    damage: list[Damage] = []
    written = 0  # sequence numbers below this were used
    highest = -1
    read_to = 0 if header is None else header.size
    for offset, frame in _frames(data, read_to, magic(version), seed):
        if offset > read_to:
            damage.append(Damage(read_to, offset - read_to, DamageReason.UNREADABLE))
        if frame.payload is None:
            # Torn, if nothing follows; otherwise the next frame marks these bytes as damaged.
            read_to = offset
            written = max(written, frame.sequence)
            continue
        read_to = frame.end
        written = max(written, frame.sequence + 1)
        record, size = decode(frame), frame.end - offset
        if record is None:
            damage.append(Damage(offset, size, DamageReason.UNREADABLE))
        elif frame.sequence in records:
            damage.append(Damage(offset, size, DamageReason.DUPLICATE))
        else:
            if frame.sequence < highest:
                damage.append(Damage(offset, size, DamageReason.MISPLACED))
            highest = max(highest, frame.sequence)
            records[frame.sequence], offsets[frame.sequence] = record, offset
    if begun and header is None:
        written = max(written, 1)  # the number is unknown, but not certainly 0
    if _holds_foreign_frames(data, read_to):
        damage.append(Damage(read_to, len(data) - read_to, DamageReason.FOREIGN))
        read_to = len(data)
        written += 1  # they replace at least one record of this journal
    elif header is not None and not is_torn(data[read_to:], seed):
        damage.append(Damage(read_to, len(data) - read_to, DamageReason.UNREADABLE))
        read_to = len(data)
        written = max(written, highest + 1) + 1  # at least the record that was here
    order = sorted(records)
    gaps = tuple(_gaps(order, written))
    explained = {part.offset + part.length for part in damage}
    for gap in gaps:
        place = offsets[order[gap.before]] if gap.before < len(order) else read_to
        if place not in explained:
            damage.append(Damage(place, 0, DamageReason.MISSING))
    return JournalContents(
        records=tuple(records[sequence] for sequence in order),
        torn_bytes=len(data) - read_to,
        damage=tuple(sorted(damage, key=lambda part: (part.offset, part.length))),
        gaps=gaps,
        format=version,
    )


def _format_of_frames(data: bytes) -> int:
    """Return the format of a journal whose file header is lost."""
    return next((version for version in READABLE_FORMATS if magic(version) in data), FORMAT)


def _holds_foreign_frames(data: bytes, offset: int) -> bool:
    """Return whether there are complete frames of another journal from `offset` on, where this one has no frames."""
    for version in READABLE_FORMATS:
        place = offset
        while (place := data.find(magic(version), place)) >= 0:
            if is_foreign(data, place):
                return True
            place += 1
    return False


def _frames(data: bytes, offset: int, mark: bytes, seed: int) -> Iterator[tuple[int, Frame]]:
    """Yield all frames with an intact header, with their offsets, skipping other bytes."""
    while (offset := data.find(mark, offset)) >= 0:
        frame = read_frame(data, offset, seed)
        if frame is None:
            offset += 1
            continue
        yield offset, frame
        # The length in a header is trusted only if the payload is intact too.
        offset = offset + 1 if frame.payload is None else frame.end


def _gaps(order: list[int], written: int) -> Iterator[Gap]:
    expected = 0
    for index, sequence in enumerate([*order, written]):
        if sequence > expected:
            yield Gap(index, sequence - expected)
        expected = sequence + 1
