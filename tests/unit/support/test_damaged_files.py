"""The faults that files of a run are given are faults, each of its own kind, and the same ones every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from damaged_files import NEIGHBOUR, OF_BYTES, OF_JSON, OF_PATH, OTHERS, Fault, bit_in_token, flipped, json_tokens

_DOCUMENT = json.dumps(
    {"run": "nightly-1", "rows": 24, "ok": True, "none": None, "empty": "", "say \\": 'a"b'}
).encode()
_LONG = bytes(range(1, 256)) * 8


def _differing_bits(one: bytes, other: bytes) -> int:
    assert len(one) == len(other)
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", [*OF_BYTES, *OF_JSON])
@pytest.mark.parametrize("seed", range(5))
def test_a_fault_changes_the_bytes_and_does_it_again_alike(tmp_path: Path, name: str, seed: int) -> None:
    outcomes = []
    for copy in ("one", "two"):
        path = tmp_path / copy
        path.write_bytes(_DOCUMENT)
        assert Fault(name, seed).strike(path)
        outcomes.append(path.read_bytes())
    assert outcomes[0] == outcomes[1] != _DOCUMENT


@pytest.mark.parametrize("name", ["bit", "first bit", "last bit", "bit in a token"])
def test_a_bit_is_one_bit(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(_DOCUMENT)
    Fault(name).strike(path)
    assert _differing_bits(path.read_bytes(), _DOCUMENT) == 1


@pytest.mark.parametrize("name", ["cut", "cut in half", "cut by one byte", "cut to nothing"])
def test_a_cut_leaves_a_beginning(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(_LONG)
    Fault(name).strike(path)
    left = path.read_bytes()
    assert len(left) < len(_LONG) and _LONG.startswith(left)


@pytest.mark.parametrize(("name", "most"), [("zeros", len(_LONG)), ("zeros in a block", 512)])
def test_zeros_leave_the_length(tmp_path: Path, name: str, most: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(_LONG)
    Fault(name).strike(path)
    left = path.read_bytes()
    assert len(left) == len(_LONG) and 0 < left.count(0) <= most


@pytest.mark.parametrize("name", [*OF_BYTES, *OF_JSON])
def test_what_has_nothing_to_change_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert Fault(name).strike(path) == (name == "garbage appended")


@pytest.mark.parametrize("name", OTHERS)
def test_another_files_content_takes_the_place(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(_LONG)
    assert not Fault(name).strike(path, _LONG), "the same content is no fault"
    assert Fault(name).strike(path, _DOCUMENT) and path.read_bytes() == _DOCUMENT


@pytest.mark.parametrize("name", OF_PATH)
def test_what_cannot_be_read_raises_when_it_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(_DOCUMENT)
    assert Fault(name).strike(path)
    with pytest.raises(OSError):
        path.read_bytes()


def test_a_hard_link_is_left_alone(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(_DOCUMENT)
    copy.hardlink_to(original)
    Fault("bit").strike(copy)
    assert original.read_bytes() == _DOCUMENT != copy.read_bytes()


def test_all_names_and_values_of_a_document_are_found_and_empty_ones_are_not() -> None:
    found = [_DOCUMENT[start:end] for start, end in json_tokens(_DOCUMENT)]
    assert found == [
        *(b"run", b"nightly-1", b"rows", b"24", b"ok", b"true", b"none", b"null", b"empty"),
        *(rb"say \\", rb"a\"b"),
    ]


def test_a_bit_in_a_token_is_in_that_token() -> None:
    for token in json_tokens(_DOCUMENT):
        changed = bit_in_token(_DOCUMENT, token, Fault("bit in a token").chance())
        assert _differing_bits(changed, _DOCUMENT) == 1
        assert changed[: token[0]] == _DOCUMENT[: token[0]] and changed[token[1] :] == _DOCUMENT[token[1] :]


def test_a_bit_that_is_turned_twice_is_as_it_was() -> None:
    assert flipped(flipped(_LONG, 700, 3), 700, 3) == _LONG


def test_a_fault_names_itself_and_its_seed() -> None:
    assert [str(Fault("bit")), str(Fault("bit", 3)), str(Fault(NEIGHBOUR))] == ["bit", "bit 3", "another run's"]
