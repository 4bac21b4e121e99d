"""A file that returns its bytes in small pieces, as a slow disk or a compressed file may."""

from __future__ import annotations

import io


class SmallPieces(io.BytesIO):
    """Holds `data`, and gives at most `most` bytes of it at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))
