"""Finds keys that name more than one row, over millions of rows. It must not know where keys come from.

It keeps 16 bytes of digest and 8 bytes of place per row, and needs about as much again for a moment at the end:
1,000,000 rows take at most 50 MB, and a `set` of the keys would take several times that. Two different keys with the
same digest do not occur in practice (2^-128 per pair).

Keys that are too many for one ledger are kept in parts by digest: equal keys are in the same part of every ledger, and
the same parts of many ledgers, joined in the order of their rows, are a ledger again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, Self

MOST_PARTS: Final = 256
_DIGEST_BYTES: Final = 16
_PLACE_BYTES: Final = 8
_LINE_BITS: Final = 40  # the rest of a place is the number of the file

Place = tuple[int, int]


class KeyLedger:
    """The key of every row, and its place. `parts` is at most `MOST_PARTS`."""

    def __init__(self, parts: int = 1) -> None:
        self._digests = [bytearray() for _ in range(parts)]
        self._places = [array("Q") for _ in range(parts)]
        self._parts = parts
        self._file = 0

    @classmethod
    def joined(cls, parts: Iterable[bytes]) -> Self:
        """Return the ledger of all rows in `parts`, which `part` of ledgers of consecutive rows returned."""
        ledger = cls()
        for part in parts:
            count = len(part) // (_DIGEST_BYTES + _PLACE_BYTES)
            ledger._digests[0] += part[: count * _DIGEST_BYTES]
            ledger._places[0].frombytes(part[count * _DIGEST_BYTES :])
        return ledger

    def begin_file(self, number: int) -> None:
        """Assign the keys that follow to the dataset's file with this number."""
        self._file = number << _LINE_BITS

    def add(self, key: str, line: int) -> None:
        """Record the key of the row on `line`."""
        digest = blake2b(key.encode(), digest_size=_DIGEST_BYTES).digest()
        part = digest[0] * self._parts >> 8
        self._digests[part] += digest
        self._places[part].append(self._file | line)

    def part(self, part: int) -> bytes:
        """Return one part of the ledger, for `joined`."""
        return bytes(self._digests[part]) + self._places[part].tobytes()

    def repeated(self) -> Iterator[tuple[Place, Place]]:
        """Yield the place (number of the file, line) of every row whose key an earlier row has, and that of the first
        row with the key: part by part, and within a part in no useful order."""
        for digests, places in zip(self._digests, self._places, strict=True):
            yield from ((_place(places[row]), _place(places[first])) for row, first in _repeated(digests, len(places)))


def _place(packed: int) -> Place:
    return packed >> _LINE_BITS, packed & (1 << _LINE_BITS) - 1


def _repeated(packed: bytearray, count: int) -> Iterator[tuple[int, int]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if count < 2:
        return
    digests = pa.Array.from_buffers(pa.binary(_DIGEST_BYTES), count, [None, pa.py_buffer(packed)])
    order: Any = pc.sort_indices(digests)
    ordered = digests.take(order)
    same = pc.equal(ordered.slice(1), ordered.slice(0, count - 1))
    if not pc.any(same).as_py():
        return
    # The sort is stable: the rows with the same key are consecutive, and in their own order.
    previous, first = -1, 0
    seconds: Any = pc.indices_nonzero(same)
    for at in seconds.to_pylist():
        if at != previous + 1 or previous < 0:
            first = order[at].as_py()
        yield order[at + 1].as_py(), first
        previous = at
