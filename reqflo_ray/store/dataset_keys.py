"""Finds keys that name more than one row, over millions of rows. It must not know where keys come from.

It keeps 16 bytes of digest and 8 of line number a row, and about as much again for a moment at the end: 1 million rows
take some 50 MB at most, and a `set` of the keys would take several times that. Two different keys with one digest are
out of reach (2^-128 a pair).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from reqflo_ray.store.dataset_faults import DataFile

_DIGEST_BYTES: Final = 16


class KeyLedger:
    """Remembers the key of every row, and which place it has."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._lines = array("Q")
        self._files: list[DataFile] = []
        self._first_of_file: list[int] = []

    def begin_file(self, file: DataFile) -> None:
        """The keys that follow are in `file`."""
        self._files.append(file)
        self._first_of_file.append(len(self._lines))

    def add(self, key: str, line: int) -> None:
        """A row has this key."""
        self._digests += blake2b(key.encode(), digest_size=_DIGEST_BYTES).digest()
        self._lines.append(line)

    def repeated(self) -> Iterator[tuple[DataFile, int, DataFile, int]]:
        """Every row whose key an earlier row has: its file and line, and those of the first row with that key."""
        import pyarrow as pa
        import pyarrow.compute as pc

        count = len(self._lines)
        if count < 2:
            return
        buffer = pa.py_buffer(self._digests)
        digests = pa.Array.from_buffers(pa.binary(_DIGEST_BYTES), count, [None, buffer])
        order: Any = pc.sort_indices(digests)
        ordered = digests.take(order)
        same = pc.equal(ordered.slice(1), ordered.slice(0, count - 1))
        if not pc.any(same).as_py():
            return
        # The sort is stable: the rows of one key stand together in their own order.
        previous, first = -1, 0
        seconds: Any = pc.indices_nonzero(same)
        for at in seconds.to_pylist():
            if at != previous + 1 or previous < 0:
                first = order[at].as_py()
            yield (*self._place(order[at + 1].as_py()), *self._place(first))
            previous = at

    def _place(self, row: int) -> tuple[DataFile, int]:
        return self._files[bisect_right(self._first_of_file, row) - 1], self._lines[row]
