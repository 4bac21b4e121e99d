"""Reads the bytes of a journal, whatever happened to them, and says exactly what cannot be trusted.

A crash may cut the last record, or leave zeros where its end should be: that is a torn tail, and harmless. All else
that is not as it was written is damage, at the end too. This module must not know what records mean for a row; that is
replay's.
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

    UNREADABLE = "unreadable"  # bytes that are no record, though records follow
    MISSING = "missing"  # records that must have been here are not, nor any bytes of them
    DUPLICATE = "duplicate"  # a record that was here before
    MISPLACED = "misplaced"  # a record before one that was written earlier
    FOREIGN = "foreign"  # records of another journal: of another run, shard or attempt


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged part: `length` bytes at `offset` (0 bytes where something is missing)."""

    offset: int
    length: int
    reason: DamageReason


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` records are lost that stood before `records[before]`."""

    before: int
    count: int


@dataclass(frozen=True, slots=True)
class JournalContents:
    """What one journal holds: `records` in the order in which they were written.

    `format` is what the file says of itself, `FORMAT` where it does not say; of one that is not readable, nothing else
    is read.
    `torn_bytes` were cut off by a crash while they were appended: no loss, since nobody was told that they are kept.
    """

    records: tuple[JournalRecord, ...] = ()
    torn_bytes: int = 0
    damage: tuple[Damage, ...] = ()
    gaps: tuple[Gap, ...] = ()
    format: int = FORMAT

    @property
    def lost(self) -> int:
        """How many records were written but cannot be read."""
        return sum(gap.count for gap in self.gaps)

    @property
    def written(self) -> int:
        """How many records were written, as far as can be told."""
        return len(self.records) + self.lost

    def readable(self, written: int) -> int:
        """How many of the first `written` records can be read."""
        lost = 0
        for gap in self.gaps:
            lost += max(0, min(gap.count, written - gap.before - lost))
        return min(written - lost, len(self.records))


def read_journal(data: bytes, *, name: bytes | None = None, begun: bool = False) -> JournalContents:
    """Read a journal. It never raises, whatever `data` is.

    Args:
        name: what the journal is called; None: whatever it says.
        begun: its header was made durable; without one, the file is lost.
    """
    header = read_file_header(data)
    if header is not None and header.format not in READABLE_FORMATS:
        return JournalContents(format=header.format)
    if header is not None and header.name and name is not None and header.name != name:
        # Ours is lost: nobody knows how many records, but this is what stands in their place.
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
            # Torn, if nothing follows; else the next frame finds these bytes unread.
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
        written = max(written, 1)  # nobody knows how many, but not none for sure
    if _holds_foreign_frames(data, read_to):
        damage.append(Damage(read_to, len(data) - read_to, DamageReason.FOREIGN))
        read_to = len(data)
        written += 1  # they stand where there was at least one of ours
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
    """The format of a journal whose file header is lost."""
    return next((version for version in READABLE_FORMATS if magic(version) in data), FORMAT)


def _holds_foreign_frames(data: bytes, offset: int) -> bool:
    """Whether from `offset` on, where no frame of the journal is, there are whole frames of any other."""
    for version in READABLE_FORMATS:
        place = offset
        while (place := data.find(magic(version), place)) >= 0:
            if is_foreign(data, place):
                return True
            place += 1
    return False


def _frames(data: bytes, offset: int, mark: bytes, seed: int) -> Iterator[tuple[int, Frame]]:
    """All frames with an intact header, with their offsets. Where there is none, the next one is searched."""
    while (offset := data.find(mark, offset)) >= 0:
        frame = read_frame(data, offset, seed)
        if frame is None:
            offset += 1
            continue
        yield offset, frame
        # A length is trusted only together with the payload that it leads to.
        offset = offset + 1 if frame.payload is None else frame.end


def _gaps(order: list[int], written: int) -> Iterator[Gap]:
    expected = 0
    for index, sequence in enumerate([*order, written]):
        if sequence > expected:
            yield Gap(index, sequence - expected)
        expected = sequence + 1
