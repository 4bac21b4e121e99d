"""Content decoding: exact, bounded, honest about damage."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.http.exchange.decoding import BodyReader, BodyTooLargeError, CorruptBodyError

zstd = pytest.importorskip("backports.zstd", reason="a newer Python has zstd of its own")

MIB = 2**20
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def decoded(wire: bytes, *encodings: str, limit: int = MIB, step: int = 1000) -> bytes:
    reader = BodyReader(encodings, limit)
    for start in range(0, len(wire), step):
        reader.feed(wire[start : start + step])
        while not reader.decode():
            pass
    assert reader.wire_size == len(wire)
    return reader.finish()


@pytest.mark.parametrize("encoding", ENCODERS)
@given(body=st.binary(max_size=3000), step=st.integers(1, 500))
def test_every_encoding_gives_the_bytes_back_however_they_are_cut(encoding: str, body: bytes, step: int) -> None:
    assert decoded(ENCODERS[encoding](body), encoding, step=step) == body


@given(body=st.binary(max_size=3000), step=st.integers(1, 500))
def test_deflate_without_the_zlib_wrapper_is_understood(body: bytes, step: int) -> None:
    assert decoded(raw_deflate(body), "deflate", step=step) == body


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=4), st.integers(1, 100))
def test_gzip_and_zstd_may_come_in_several_parts(parts: list[bytes], step: int) -> None:
    assert decoded(b"".join(map(gzip.compress, parts)), "gzip", step=step) == b"".join(parts)
    assert decoded(b"".join(map(zstd.compress, parts)), "zstd", step=step) == b"".join(parts)


def test_padding_after_gzip_is_ignored() -> None:
    assert decoded(gzip.compress(b"x") + bytes(100), "gzip") == b"x"


def test_stacked_encodings_are_undone_from_the_last() -> None:
    wire = brotli.compress(gzip.compress(b"deep"))
    assert decoded(wire, "gzip, br") == b"deep"
    assert decoded(wire, "gzip", "br") == b"deep"
    assert decoded(wire, "identity, GZIP ,, Br") == b"deep"


def test_more_than_three_encodings_are_refused() -> None:
    with pytest.raises(CorruptBodyError):
        BodyReader(("gzip, gzip, gzip, gzip",), MIB)


@pytest.mark.parametrize("encoding", ["identity", "", "compress", "gzip, secret", "aws-chunked"])
def test_what_cannot_be_decoded_stays_as_received(encoding: str) -> None:
    wire = gzip.compress(b"x")
    assert decoded(wire, encoding) == wire


@pytest.mark.parametrize("encoding", ENCODERS)
def test_an_empty_body_is_empty_whatever_the_header_says(encoding: str) -> None:
    assert decoded(b"", encoding) == b""


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_body_that_is_not_what_the_header_says_is_corrupt(encoding: str) -> None:
    with pytest.raises(CorruptBodyError):
        decoded(b"\x1fthis is no compressed data at all, not even nearly", encoding)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_body_that_ends_early_is_corrupt(encoding: str) -> None:
    wire = ENCODERS[encoding](bytes(range(256)) * 20)
    with pytest.raises(CorruptBodyError):
        decoded(wire[:-6], encoding)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_limit_is_exact(encoding: str) -> None:
    wire = ENCODERS[encoding](bytes(1000))
    assert decoded(wire, encoding, limit=1000) == bytes(1000)
    with pytest.raises(BodyTooLargeError):
        decoded(wire, encoding, limit=999)


def test_a_plain_body_is_bounded_too() -> None:
    assert decoded(bytes(1000), limit=1000) == bytes(1000)
    with pytest.raises(BodyTooLargeError):
        decoded(bytes(1001), limit=1000)


@pytest.mark.parametrize("encodings", [("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "gzip"), ("br", "zstd")])
def test_a_bomb_is_stopped_at_the_limit_without_filling_the_memory(encodings: tuple[str, ...]) -> None:
    wire = bytes(64 * MIB)
    for encoding in encodings:
        wire = brotli.compress(wire, quality=1) if encoding == "br" else ENCODERS[encoding](wire)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLargeError):
            decoded(wire, *encodings, limit=32 * MIB, step=64 * 1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 64 * MIB


def test_a_zstd_window_that_is_not_for_the_web_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    compressor = zstd.ZstdCompressor(options=options)
    wire = compressor.compress(bytes(MIB)) + compressor.flush()
    with pytest.raises(CorruptBodyError):
        decoded(wire, "zstd", limit=2 * MIB)


@pytest.mark.parametrize("encodings", [("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "gzip")])
def test_one_turn_decodes_little_however_much_is_in_a_piece(encodings: tuple[str, ...]) -> None:
    body = wire = bytes(8 * MIB)
    for encoding in encodings:
        wire = ENCODERS[encoding](wire)
    reader = BodyReader(encodings, len(body))
    reader.feed(wire)
    sizes = [0]
    while not reader.decode():
        sizes.append(reader.size)
    assert reader.finish() == body
    assert max(later - earlier for earlier, later in itertools.pairwise(sizes)) <= MIB // 2


@pytest.mark.parametrize("outer", ["gzip", "br", "zstd"])
def test_a_stage_that_gives_nothing_for_all_that_it_takes_is_stopped_too(outer: str) -> None:
    empty_blocks = gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * (8 * MIB // 5)
    with pytest.raises(BodyTooLargeError):
        decoded(ENCODERS[outer](empty_blocks), "gzip", outer, limit=MIB)
    with pytest.raises(BodyTooLargeError):
        decoded(empty_blocks, "gzip", limit=MIB)
