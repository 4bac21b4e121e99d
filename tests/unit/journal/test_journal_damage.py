"""A journal that is not as it was written: cut, flipped, duplicated, swapped, zeroed, or plain garbage."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_journals import Sample

from reqflo_ray._internal.journal.reader import Damage, DamageReason, Gap, read_journal
from reqflo_ray._internal.journal.records import (
    CRC_SIZE,
    FILE_HEADER_SIZE,
    MAGIC,
    NAME_SIZE,
    NO_NAME,
    encode,
    file_header,
    seed_of,
)
from reqflo_ray._internal.model.journal import Completion, Intent
from reqflo_ray._internal.model.results import Status


def intent(row: int) -> Intent:
    return Intent(row=row, step="a", attempt=1, fingerprint="f")


def done(row: int) -> Completion:
    return Completion(row=row, step="a", attempt=1, status=Status.PASSED, final=True)


def joined(*frames: bytes) -> bytes:
    return file_header() + b"".join(frames)


SMALL = tuple(record for number in range(6) for record in (intent(number), done(number)))
SMALL_FRAMES = tuple(encode(sequence, record) for sequence, record in enumerate(SMALL))


def test_a_cut_at_every_byte_recovers_to_the_last_whole_record(sample: Sample) -> None:
    for end in range(len(sample.journal)):
        contents = read_journal(sample.journal[:end])
        whole = sum(sample.offset(index + 1) <= end for index in range(len(sample.records)))
        assert contents.records == sample.records[:whole], end
        assert contents.torn_bytes == (end - sample.offset(whole) if end >= FILE_HEADER_SIZE else end)
        assert contents.damage == () and contents.gaps == ()


def test_a_flipped_bit_in_the_middle_is_found_and_the_other_records_are_read(sample: Sample) -> None:
    for index in (0, 4):
        others = sample.records[:index] + sample.records[index + 1 :]
        for bit in range(8 * len(sample.frames[index])):
            data = bytearray(sample.journal)
            data[sample.offset(index) + bit // 8] ^= 1 << bit % 8
            contents = read_journal(bytes(data))
            assert contents.records == others, bit
            assert [part.reason for part in contents.damage] == [DamageReason.UNREADABLE]
            assert (contents.damage[0].offset, contents.damage[0].length) == (
                sample.offset(index),
                len(sample.frames[index]),
            )
            assert contents.gaps == (Gap(index, 1),) and contents.lost == 1 and contents.torn_bytes == 0


def test_every_flipped_bit_of_the_last_record_is_damage_and_no_torn_tail(sample: Sample) -> None:
    start = sample.offset(len(sample.records) - 1)
    for bit in range(8 * len(sample.frames[-1])):
        data = bytearray(sample.journal)
        data[start + bit // 8] ^= 1 << bit % 8
        contents = read_journal(bytes(data))
        assert contents.records == sample.records[:-1]
        assert contents.torn_bytes == 0 and contents.lost == 1
        # Number and kind: all the rest fits together, as in a record of another journal.
        foreign = len(MAGIC) <= bit // 8 < len(MAGIC) + 5
        reason = DamageReason.FOREIGN if foreign else DamageReason.UNREADABLE
        assert contents.damage == (Damage(start, len(sample.frames[-1]), reason),)


def test_a_last_record_of_whose_seal_nothing_was_written_was_cut(sample: Sample) -> None:
    frame = sample.frames[-1]
    for written in range(len(frame) - CRC_SIZE + 1):
        contents = read_journal(joined(*sample.frames[:-1], frame[:written], bytes(len(frame) - written)))
        assert contents.damage == () and contents.lost == 0 and contents.torn_bytes == len(frame), written


def test_a_changed_record_before_a_torn_one_of_few_bytes_is_damage(sample: Sample) -> None:
    changed = bytearray(sample.frames[-2])
    changed[30] ^= 1
    contents = read_journal(joined(*sample.frames[:-2], bytes(changed), sample.frames[-1][:5]))
    assert contents.lost == 1 and [part.reason for part in contents.damage] == [DamageReason.UNREADABLE]


def test_every_flipped_bit_of_the_file_header_is_damage_that_costs_no_record(sample: Sample) -> None:
    for bit in range(8 * FILE_HEADER_SIZE):
        data = bytearray(sample.journal)
        data[bit // 8] ^= 1 << bit % 8
        contents = read_journal(bytes(data), name=NO_NAME)
        assert contents.records == sample.records and contents.lost == 0
        assert [(part.offset, part.length) for part in contents.damage] == [(0, FILE_HEADER_SIZE)]


def test_a_damaged_record_before_a_torn_one_is_damage_not_a_part_of_the_tail(sample: Sample) -> None:
    rotten = bytearray(sample.frames[1])
    rotten[40] ^= 4
    contents = read_journal(joined(sample.frames[0], bytes(rotten), sample.frames[2][:-3]))
    assert contents.records == sample.records[:1]
    assert contents.torn_bytes == len(sample.frames[2]) - 3
    assert contents.gaps == (Gap(1, 1),)


def test_a_removed_record_is_missed_by_its_number(sample: Sample) -> None:
    contents = read_journal(joined(*sample.frames[:2], *sample.frames[4:]))
    assert contents.records == sample.records[:2] + sample.records[4:]
    assert contents.gaps == (Gap(2, 2),) and contents.lost == 2
    assert [(part.offset, part.length, part.reason) for part in contents.damage] == [
        (sample.offset(2), 0, DamageReason.MISSING)
    ]


def test_how_many_records_were_written_and_can_be_read_is_known_at_any_point(sample: Sample) -> None:
    contents = read_journal(joined(*sample.frames[:2], *sample.frames[4:5], *sample.frames[6:7]))
    assert contents.written == 7
    assert [contents.readable(written) for written in range(9)] == [0, 1, 2, 2, 2, 3, 3, 4, 4]


def test_a_removed_beginning_is_missed(sample: Sample) -> None:
    contents = read_journal(b"".join(sample.frames[3:]), name=NO_NAME)
    assert contents.records == sample.records[3:] and contents.gaps == (Gap(0, 3),)


def test_records_missing_before_a_torn_one_are_missed(sample: Sample) -> None:
    contents = read_journal(joined(*sample.frames[:2], sample.frames[4][:-1]))
    assert contents.records == sample.records[:2]
    assert contents.gaps == (Gap(2, 2),) and contents.torn_bytes == len(sample.frames[4]) - 1


def test_a_duplicated_block_counts_once_and_is_reported(sample: Sample) -> None:
    contents = read_journal(joined(*sample.frames[:4], *sample.frames[1:4], *sample.frames[4:]))
    assert contents.records == sample.records and contents.lost == 0
    assert [part.reason for part in contents.damage] == [DamageReason.DUPLICATE] * 3


def test_swapped_blocks_are_put_in_order_and_reported(sample: Sample) -> None:
    contents = read_journal(joined(*sample.frames[:2], *sample.frames[4:6], *sample.frames[2:4], *sample.frames[6:]))
    assert contents.records == sample.records and contents.lost == 0
    assert [part.reason for part in contents.damage] == [DamageReason.MISPLACED] * 2


def test_a_zeroed_block_in_the_middle_costs_only_the_records_that_it_touches(sample: Sample) -> None:
    start, end = sample.offset(1) + 5, sample.offset(3) + 5
    contents = read_journal(sample.journal[:start] + bytes(end - start) + sample.journal[end:])
    assert contents.records == sample.records[:1] + sample.records[4:]
    assert contents.lost == 3 and contents.gaps == (Gap(1, 3),)


def test_zeroes_behind_the_last_record_are_a_torn_tail(sample: Sample) -> None:
    contents = read_journal(sample.journal + bytes(4096))
    assert contents.records == sample.records and contents.torn_bytes == 4096 and contents.damage == ()


def test_a_payload_under_the_header_of_another_record_is_found_out() -> None:
    one, other = encode(0, intent(1)), encode(1, intent(2))
    assert len(one) == len(other)
    contents = read_journal(joined(one[:17] + other[17:], encode(1, intent(3))))
    assert contents.records == (intent(3),) and contents.lost == 1


def test_an_intact_record_of_an_unknown_kind_is_damage(sample: Sample) -> None:
    payload = b'["later",1]'
    header = struct.pack("<4sIBI", MAGIC, 1, 99, len(payload))
    seal = zlib.crc32(header)
    frame = header + struct.pack("<I", seal) + payload + struct.pack("<I", zlib.crc32(payload, seal))
    contents = read_journal(joined(sample.frames[0], frame, sample.frames[2]))
    assert contents.records == (sample.records[0], sample.records[2]) and contents.lost == 1
    at_the_end = read_journal(joined(sample.frames[0], frame))
    assert at_the_end.torn_bytes == 0 and at_the_end.gaps == (Gap(1, 1),)


@pytest.mark.parametrize("version", [0, 3, 255])
def test_a_journal_of_another_format_is_named_and_not_read(sample: Sample, version: int) -> None:
    contents = read_journal(file_header(version=version) + b"".join(sample.frames))
    assert contents.format == version and contents.records == ()


def named(name: bytes, *picks: int) -> bytes:
    """The picked frames of SMALL in the journal of that name, without a file header."""
    return b"".join(encode(pick, SMALL[pick], seed_of(name)) for pick in picks)


OURS, THEIRS = b"o" * NAME_SIZE, b"t" * NAME_SIZE


def test_the_journal_of_another_run_shard_or_attempt_tells_nothing_and_ours_is_lost() -> None:
    data = file_header(THEIRS) + named(THEIRS, 0, 1, 2)
    assert read_journal(data, name=THEIRS).records == SMALL[:3]
    contents = read_journal(data, name=OURS)
    assert contents.records == () and contents.lost == 1
    assert contents.damage == (Damage(0, len(data), DamageReason.FOREIGN),)


def test_records_of_another_journal_between_ours_are_found_out() -> None:
    whole = file_header(OURS) + named(OURS, 0, 1) + named(THEIRS, 2, 3) + named(OURS, 4)
    contents = read_journal(whole, name=OURS)
    assert contents.records == (SMALL[0], SMALL[1], SMALL[4])
    assert contents.gaps == (Gap(2, 2),) and len(contents.damage) == 1


def test_records_of_another_journal_behind_ours_are_no_torn_tail() -> None:
    ours = file_header(OURS) + named(OURS, 0, 1)
    contents = read_journal(ours + named(THEIRS, 2, 3), name=OURS)
    assert contents.records == SMALL[:2] and contents.torn_bytes == 0 and contents.lost == 1
    assert contents.damage == (Damage(len(ours), len(named(THEIRS, 2, 3)), DamageReason.FOREIGN),)


def test_records_of_another_journal_are_not_ours_either_if_the_file_header_is_lost() -> None:
    assert read_journal(named(OURS, 0, 1), name=OURS, begun=True).records == SMALL[:2]
    contents = read_journal(named(THEIRS, 0, 1), name=OURS, begun=True)
    assert contents.records == () and contents.lost >= 1 and contents.torn_bytes == 0


@pytest.mark.parametrize("data", [b"", b"\0", b"reqflo", MAGIC, MAGIC * 50, b"\xff" * 100, bytes(5000)])
def test_what_holds_no_record_is_a_torn_tail(data: bytes) -> None:
    contents = read_journal(data)
    assert contents.records == () and contents.torn_bytes == len(data) and contents.lost == 0


@given(data=st.binary(max_size=300))
def test_garbage_never_raises_and_never_becomes_a_record(sample: Sample, data: bytes) -> None:
    assert read_journal(data).records == ()
    assert read_journal(file_header() + data).records == ()
    assert read_journal(sample.journal + data).records == sample.records


@given(garbage=st.binary(max_size=200), index=st.integers(0, 7))
def test_garbage_between_records_is_found_and_costs_nothing(sample: Sample, garbage: bytes, index: int) -> None:
    contents = read_journal(joined(*sample.frames[:index], garbage, *sample.frames[index:]))
    assert contents.records == sample.records and contents.lost == 0
    assert sum(part.length for part in contents.damage) == len(garbage)


@settings(max_examples=300)
@given(place=st.integers(0, 1999), change=st.integers(1, 255), end=st.integers(0, 2000))
def test_any_changed_byte_of_a_cut_journal_is_found(sample: Sample, place: int, change: int, end: int) -> None:
    data = bytearray(sample.journal)
    place = min(place, len(data) - 1)
    data[place] ^= change
    contents = read_journal(bytes(data[:end]))
    assert all(record in sample.records for record in contents.records)
    if place < end:
        assert contents.damage or contents.torn_bytes


@settings(max_examples=300)
@given(st.lists(st.sampled_from(range(len(SMALL))), max_size=20))
def test_any_records_are_read_once_in_the_order_they_were_written(picks: list[int]) -> None:
    contents = read_journal(joined(*(SMALL_FRAMES[pick] for pick in picks)))
    assert contents.records == tuple(SMALL[pick] for pick in sorted(set(picks)))
    assert contents.lost == (max(picks) + 1 - len(set(picks)) if picks else 0)
    assert bool(contents.damage) == (picks != list(range(len(picks))))


@settings(max_examples=200)
@given(st.data())
def test_blocks_that_are_overwritten_zeroed_or_moved_never_raise_nor_invent_records(data: st.DataObject) -> None:
    journal = bytearray(joined(*SMALL_FRAMES))
    for _ in range(data.draw(st.integers(1, 4))):
        size = data.draw(st.integers(1, 128))
        source, target = (data.draw(st.integers(0, len(journal) - size)) for _ in range(2))
        block = data.draw(st.sampled_from([bytes(size), bytes(journal[source : source + size])]))
        journal[target : target + size] = block
    contents = read_journal(bytes(journal))
    assert all(record in SMALL for record in contents.records)
    changed = bytes(journal) != joined(*SMALL_FRAMES)
    assert changed == bool(contents.damage or contents.torn_bytes)


@pytest.mark.parametrize("left", [0, 1, FILE_HEADER_SIZE - 1])
def test_a_journal_that_was_begun_and_has_no_header_has_lost_records(left: int) -> None:
    data = file_header()[:left]
    assert read_journal(data).lost == 0, "it may have died before it had begun"
    contents = read_journal(data, begun=True)
    assert contents.lost == 1
    assert [part.reason for part in contents.damage] == [DamageReason.MISSING]


def test_a_journal_that_was_begun_and_holds_no_record_has_lost_nothing() -> None:
    contents = read_journal(file_header(), begun=True)
    assert (contents.lost, contents.damage, contents.records) == (0, (), ())
