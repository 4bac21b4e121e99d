"""What can happen to a file at rest: one bit, a cut, zeros, a copy of something else, or that it cannot be read.

Faults of bytes are pure functions; the others are done to a path. Nothing here knows what the file is.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

# Bytes as they were in, bytes as they are afterwards out; the chance decides where.
OfBytes: TypeAlias = Callable[[bytes, random.Random], bytes]
OfPath: TypeAlias = Callable[[Path], None]

_BLOCK: Final = 512
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null')


def flipped(data: bytes, place: int, bit: int) -> bytes:
    """`data` with one bit of the byte at `place` turned over."""
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def json_tokens(data: bytes) -> list[tuple[int, int]]:
    """Where the names and values of a JSON text stand, without quotes: from and up to which byte. Empty ones have no
    bit that could be turned over."""
    places = []
    for found in _TOKEN.finditer(data):
        inner = 1 if found[0].startswith(b'"') else 0
        if found.end() - found.start() > 2 * inner:
            places.append((found.start() + inner, found.end() - inner))
    return places


def bit_in_token(data: bytes, token: tuple[int, int], chance: random.Random) -> bytes:
    """`data` with the lowest bit of one character of the token turned over: text mostly stays text, a number one."""
    return flipped(data, chance.randrange(*token), 0)


def _any_bit(data: bytes, chance: random.Random) -> bytes:
    return flipped(data, chance.randrange(len(data)), chance.randrange(8)) if data else data


def _first_bit(data: bytes, chance: random.Random) -> bytes:
    return flipped(data, 0, 0) if data else data


def _last_bit(data: bytes, chance: random.Random) -> bytes:
    return flipped(data, len(data) - 1, 0) if data else data


def _bit_in_a_token(data: bytes, chance: random.Random) -> bytes:
    tokens = json_tokens(data)
    return bit_in_token(data, chance.choice(tokens), chance) if tokens else data


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))] if data else data


def _zeros_in_a_block(data: bytes, chance: random.Random) -> bytes:
    """A sector that came back empty: the block that a random byte is in."""
    start = chance.randrange(len(data)) // _BLOCK * _BLOCK if data else 0
    end = min(start + _BLOCK, len(data))
    return data[:start] + bytes(end - start) + data[end:]


def _zeros_at_the_end(data: bytes, chance: random.Random) -> bytes:
    """A file that has its length, but whose last part never came to the disk."""
    kept = chance.randrange(len(data)) if data else 0
    return data[:kept] + bytes(len(data) - kept)


def _unlink(path: Path) -> None:
    path.unlink()


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def _link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _without_permission(path: Path) -> None:
    path.chmod(0)


OF_BYTES: Final[Mapping[str, OfBytes]] = {
    "bit": _any_bit,
    "first bit": _first_bit,
    "last bit": _last_bit,
    "cut": _cut,
    "cut in half": lambda data, chance: data[: len(data) // 2],
    "cut by one byte": lambda data, chance: data[:-1],
    "cut to nothing": lambda data, chance: b"",
    "zeros": lambda data, chance: bytes(len(data)),
    "zeros in a block": _zeros_in_a_block,
    "zeros at the end": _zeros_at_the_end,
    "doubled": lambda data, chance: data * 2,
    "garbage appended": lambda data, chance: data + chance.randbytes(chance.randint(1, 40)),
}
# Only where there are names and values that stay what they are.
OF_JSON: Final[Mapping[str, OfBytes]] = {"bit in a token": _bit_in_a_token}
# Root may read what has no permission.
OF_PATH: Final[Mapping[str, OfPath]] = {
    "missing": _unlink,
    "a directory": _directory,
    "a dangling link": _dangling_link,
    "a link to itself": _link_to_itself,
    **({"no permission": _without_permission} if os.geteuid() else {}),
}
# The content of another file; which one, only who knows the run can tell.
SWAPPED: Final = "swapped"  # with one of the same kind in the same run
NEIGHBOUR: Final = "another run's"  # the same name, of another run in the same store
TWIN: Final = "a twin's"  # the same name, of a run with the same id in another store
OTHERS: Final = (SWAPPED, NEIGHBOUR, TWIN)


@dataclass(frozen=True)
class Fault:
    """One way in which a file is not what was written. `seed` decides where, and which of the files it hits."""

    name: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.seed}" if self.seed else self.name

    def chance(self) -> random.Random:
        """The same numbers every time."""
        return random.Random(f"{self.name} {self.seed}")

    def strike(self, path: Path, other: bytes | None = None) -> bool:
        """Do it to the file at `path`; False if it is as it was.

        Args:
            other: what one of `OTHERS` puts into the place.
        """
        if self.name in OF_PATH:
            OF_PATH[self.name](path)
            return True
        before = path.read_bytes()
        if self.name in OTHERS:
            assert other is not None, "there is no other file"
            after = other
        else:
            after = {**OF_BYTES, **OF_JSON}[self.name](before, self.chance())
        if after == before:
            return False
        path.unlink()  # it may be a hard link to the original
        path.write_bytes(after)
        return True
