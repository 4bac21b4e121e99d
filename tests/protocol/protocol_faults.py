"""What may happen to sealed values on the simulated disk: their key is lost, or their bytes are others though every
checksum is right. Part of the protocol's model."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec
from protocol_lines import Model
from protocol_oracle import SEALING_KEY
from simulated_world import Log

from reqflo_ray._internal.journal.records import FILE_HEADER_SIZE, NO_NAME, Frame, decode, encode, read_frame, seed_of
from reqflo_ray._internal.model.journal import Completion


def lose_sealing_key(model: Model) -> None:
    """Somebody removes the key of the run, if it has one."""
    key = model.world.disk.files.pop(SEALING_KEY, None)
    if key is not None:
        model.world.trace.append(f"{model.world.now:5} the sealing key is lost")
        model.oracle.lost_sealing_keys.add(key)


def change_sealed_values(model: Model) -> None:
    """Somewhere in a journal, a sealed value changes by one bit, or two of them change their places."""
    random, disk = model.sealing_luck, model.world.disk
    found = [(log, *place) for name, log in disk.logs.items() if name.startswith("journal/") for place in _sealed(log)]
    if not found:
        return
    log, start, frame, done = random.choice(found)
    others = [entry for entry in found if len(entry[3].sealed) == len(done.sealed) and entry[3] is not done]
    if others and random.random() < 0.7:
        other_log, other_start, other_frame, other = random.choice(others)
        _replace(model, other_log, other_start, other_frame, msgspec.structs.replace(other, sealed=done.sealed))
        sealed = other.sealed
    else:
        sealed = _with_a_flipped_bit(done.sealed, random)
    _replace(model, log, start, frame, msgspec.structs.replace(done, sealed=sealed))


def _sealed(log: Log) -> Iterator[tuple[int, Frame, Completion]]:
    """The completions in `log` that hold a sealed value, each with its frame and where that begins."""
    data, start = bytes(log.data), FILE_HEADER_SIZE
    while (frame := read_frame(data, start, seed_of(NO_NAME))) is not None and frame.payload is not None:
        record = decode(frame)
        if isinstance(record, Completion) and record.sealed:
            yield start, frame, record
        start = frame.end


def _replace(model: Model, log: Log, start: int, frame: Frame, changed: Completion) -> None:
    model.world.trace.append(f"{model.world.now:5} the sealed value of {changed.step} of row {changed.row} is changed")
    data = encode(frame.sequence, changed)
    assert len(data) == frame.end - start
    log.data[start : frame.end] = data
    model.oracle.changed_completions.append(changed)


def _with_a_flipped_bit(sealed: bytes, random: Random) -> bytes:
    changed = bytearray(sealed)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)
