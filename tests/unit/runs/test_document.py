"""A document is believed only as it was written, and where it was written."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.runs.folder.document import (
    DamagedDocumentError,
    NewerDocumentError,
    checksum_member,
    content_of,
    read_document,
    started_digest,
    with_checksum,
)

PLACE = "runs/r1/commits/00000.json"
documents = st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers()), min_size=1)


class Point(msgspec.Struct, forbid_unknown_fields=True):
    x: int


decode_point = msgspec.json.Decoder(Point).decode


@given(documents, st.booleans())
def test_a_document_is_read_as_it_was_written_and_is_plain_json(document: dict[str, Any], indented: bool) -> None:
    data = msgspec.json.encode(document)
    data = with_checksum(msgspec.json.format(data, indent=2) if indented else data, PLACE)
    assert read_document(data, PLACE, msgspec.json.decode) == document
    whole = msgspec.json.decode(data)
    assert list(whole)[-1] == "checksum" and {**document, "checksum": whole["checksum"]} == whole


@given(documents, st.data())
def test_no_bit_can_change_unnoticed(document: dict[str, Any], chance: st.DataObject) -> None:
    written = with_checksum(msgspec.json.encode(document), PLACE)
    place, bit = chance.draw(st.integers(0, len(written) - 1)), chance.draw(st.integers(0, 7))
    data = bytearray(written)
    data[place] ^= 1 << bit
    with pytest.raises(DamagedDocumentError):
        # As documents are read: one without a checksum has no member that is not known.
        read_document(bytes(data), PLACE, lambda content: known(content, document))


def known(content: bytes, document: dict[str, Any]) -> Any:
    found = msgspec.json.decode(content, type=dict[str, Any])
    if found.keys() - document.keys():
        raise msgspec.ValidationError("Object contains unknown field")
    return found


@given(st.data())
def test_no_part_of_a_document_is_one(chance: st.DataObject) -> None:
    data = with_checksum(b'{"x":1}', PLACE)
    with pytest.raises(DamagedDocumentError):
        read_document(data[: chance.draw(st.integers(0, len(data) - 1))], PLACE, decode_point)


@pytest.mark.parametrize("change", [lambda data: data * 2, lambda data: bytes(len(data)), lambda data: data + b" "])
def test_a_document_that_was_doubled_zeroed_or_added_to_is_damaged(change: Any) -> None:
    with pytest.raises(DamagedDocumentError):
        read_document(change(with_checksum(b'{"x":1}', PLACE)), PLACE, decode_point)


def test_a_document_in_the_place_of_another_is_damaged() -> None:
    with pytest.raises(DamagedDocumentError):
        read_document(with_checksum(b'{"x":1}', "runs/r1/commits/00001.json"), PLACE, decode_point)


def test_a_field_that_is_not_known_was_written_by_a_newer_version() -> None:
    with pytest.raises(NewerDocumentError, match="unknown field `y`"):
        read_document(with_checksum(b'{"x":1,"y":2}', PLACE), PLACE, decode_point)


def test_a_field_that_is_not_known_is_damage_where_no_checksum_holds() -> None:
    with pytest.raises(DamagedDocumentError):
        read_document(b'{"x":1,"y":2}', PLACE, decode_point)


def test_a_document_without_a_checksum_is_read_as_it_is() -> None:
    assert content_of(b'{"x":1}', PLACE) is None
    assert read_document(b'{"x":1}', PLACE, decode_point) == Point(1)


def test_a_document_may_be_written_piece_by_piece() -> None:
    digest = started_digest(PLACE)
    digest.update(b'{"x"')
    digest.update(b":1")
    assert b'{"x":1' + checksum_member(digest) == with_checksum(b'{"x":1}', PLACE)


def test_the_checksum_can_be_checked_with_other_tools() -> None:
    data = with_checksum(b'{"x":1}', PLACE)
    told = msgspec.json.decode(data)["checksum"]
    assert told == hashlib.sha256(PLACE.encode() + b"\0" + data[: data.index(b',\n  "checksum"')]).hexdigest()
