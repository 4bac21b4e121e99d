"""Collects a response body and decodes its content encoding piece by piece, so that no small answer can fill the memory
or block an event loop.

The decoded size is bounded at every stage of a stacked encoding. It must not know connections.
"""

from __future__ import annotations

import asyncio
import io
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

MAX_ENCODINGS: Final = 3
_PIECE: Final = 64 * 1024
# About a millisecond.
_PIECES_A_TURN: Final = 4
# RFC 9659: a zstd window on the web has at most 8 MiB.
_ZSTD_WINDOW_LOG_MAX: Final = 23


class BodyTooLargeError(Exception):
    """More decoded bytes than allowed."""


class CorruptBodyError(Exception):
    """The bytes do not match the content encoding, or end too early."""


_NO_MORE: Final = object()


class _Stage(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces of `data`, each of about 64 KiB at most."""
        ...

    def finish(self) -> None:
        """Raise `CorruptBodyError` if the stream is not complete."""
        ...


class BodyReader:
    """Decodes in turns what is fed from the wire; `finish` returns the decoded body when nothing is left to decode.
    `wire_size` counts bytes before decoding, `size` those after it.

    `encodings` are the values of the Content-Encoding headers in order; if one of them is unknown, the body stays as
    received. Raises `CorruptBodyError` if there are more than three, `BodyTooLargeError` beyond `limit` bytes.
    """

    def __init__(self, encodings: tuple[str, ...], limit: int) -> None:
        self.wire_size = 0
        self._limit = limit
        self.size = 0
        self._stages = _stages(encodings) if encodings else []
        # Encoded bytes are hardly larger than their content, unless they are made to waste processor time.
        self._encoded_limit = limit + limit // 100 + _PIECE
        self._encoded_sizes = [0] * len(self._stages)
        self._fed: deque[bytes] = deque()
        self._turns: Iterator[None] | None = None
        self._first = b""
        self._rest: io.BytesIO | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes from the wire."""
        self.wire_size += len(chunk)
        if self._stages:
            self._fed.append(chunk)
        else:
            self._keep(chunk)

    def decode(self) -> bool:
        """Decode for one turn, about a millisecond, and return whether everything fed is decoded."""
        if self._turns is None:
            if not self._fed:
                return True
            self._turns = self._decode_fed()
        for _ in range(_PIECES_A_TURN):
            if next(self._turns, _NO_MORE) is _NO_MORE:
                self._turns = None
                return True
        return False

    async def decode_all(self) -> None:
        """Decode everything fed; other tasks run between the turns."""
        while not self.decode():  # noqa: ASYNC110
            await asyncio.sleep(0)

    def finish(self) -> bytes:
        """Return the whole decoded body."""
        if self.wire_size:
            for stage in self._stages:
                stage.finish()
        # BytesIO returns its buffer without a copy, which limits the peak of memory.
        return self._first if self._rest is None else self._rest.getvalue()

    def _decode_fed(self) -> Iterator[None]:
        while self._fed:
            yield from self._decode(self._fed.popleft(), 0)

    def _decode(self, data: bytes, depth: int) -> Iterator[None]:
        """Decode `data` at this stage and all later ones, and pause after every piece."""
        if depth == len(self._stages):
            self._keep(data)
            return
        self._encoded_sizes[depth] += len(data)
        if self._encoded_sizes[depth] > self._encoded_limit:
            raise BodyTooLargeError
        for piece in self._stages[depth].feed(data):
            yield from self._decode(piece, depth + 1)
            yield

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise BodyTooLargeError
        if not self._first:
            self._first = data
        else:
            if self._rest is None:
                self._rest = io.BytesIO(self._first)
                self._rest.seek(0, io.SEEK_END)
            self._rest.write(data)


def _stages(encodings: tuple[str, ...]) -> list[_Stage]:
    names = [name for value in encodings for part in value.split(",") if (name := part.strip().lower())]
    names = [name for name in names if name != "identity"]
    if any(name not in _DECODERS for name in names):
        return []
    if len(names) > MAX_ENCODINGS:
        raise CorruptBodyError
    return [_DECODERS[name]() for name in reversed(names)]


class _Zlib:
    """gzip, also with several members, and deflate, which servers send with or without the zlib wrapper."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._decoder = zlib.decompressobj(wbits=31) if gzip else None
        self._start = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._decoder is None:
            self._start += data
            if len(self._start) < 2:
                return
            data = self._start
            wrapped = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._decoder = zlib.decompressobj(wbits=15 if wrapped else -15)
        while True:
            if self._decoder.eof:
                data = data.lstrip(b"\0")
                # Padding or garbage after the last member is ignored, as gzip itself does.
                if not self._gzip or not data.startswith(b"\x1f"):
                    return
                self._decoder = zlib.decompressobj(wbits=31)
            try:
                piece = self._decoder.decompress(data, _PIECE)
            except zlib.error:
                raise CorruptBodyError from None
            if piece:
                yield piece
            if self._decoder.eof:
                data = self._decoder.unused_data
            else:
                data = self._decoder.unconsumed_tail
                if not data and len(piece) < _PIECE:
                    return

    def finish(self) -> None:
        if self._decoder is None or not self._decoder.eof:
            raise CorruptBodyError


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._decoder: Any = brotli.Decompressor()
        self._error: type[Exception] = brotli.error

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self._decoder.is_finished():
            try:
                piece = self._decoder.process(data, output_buffer_limit=_PIECE)
            except self._error:
                raise CorruptBodyError from None
            if piece:
                yield piece
            data = b""
            if not piece and self._decoder.can_accept_more_data():
                return

    def finish(self) -> None:
        if not self._decoder.is_finished():
            raise CorruptBodyError


class _Zstd:
    """One or several frames."""

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        self._zstd: Any = zstd
        self._decoder = self._new()

    def _new(self) -> Any:
        parameter = self._zstd.DecompressionParameter.window_log_max
        return self._zstd.ZstdDecompressor(options={parameter: _ZSTD_WINDOW_LOG_MAX})

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._decoder.eof:
                data = self._decoder.unused_data + data
                if not data:
                    return
                self._decoder = self._new()
            try:
                piece = self._decoder.decompress(data, _PIECE)
            except self._zstd.ZstdError:
                raise CorruptBodyError from None
            if piece:
                yield piece
            data = b""
            if self._decoder.needs_input and not self._decoder.eof:
                return

    def finish(self) -> None:
        if not self._decoder.eof:
            raise CorruptBodyError


_DECODERS: Final[dict[str, Callable[[], _Stage]]] = {
    "gzip": lambda: _Zlib(gzip=True),
    "x-gzip": lambda: _Zlib(gzip=True),
    "deflate": lambda: _Zlib(gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}
