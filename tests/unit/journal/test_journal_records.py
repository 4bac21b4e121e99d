"""What goes into a journal comes out of it, to the last digit; what cannot go in is refused without harm."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_journals import Sample

from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.journal.records import Frame, UnrecordableError, decode, encode, file_header
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.journal import Completion
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import exact_number

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
READ = msgspec.json.Decoder(float_hook=exact_number)
JSON = st.recursive(
    st.none() | st.booleans() | TEXT | NUMBERS.map(READ.decode).filter(lambda number: number or str(number)[0] != "-"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def completion(value: object) -> Completion:
    return Completion(row=1, step="a", attempt=1, status=Status.PASSED, final=True, captures={"body.x": value})


def test_every_kind_of_record_is_read_as_it_was_written(sample: Sample) -> None:
    contents = read_journal(sample.journal)
    assert contents.records == sample.records
    assert contents.torn_bytes == 0 and contents.damage == () and contents.gaps == ()


@given(value=JSON)
def test_a_captured_value_keeps_its_value_and_every_digit(value: object) -> None:
    (found,) = read_journal(file_header() + encode(0, completion(value))).records
    assert isinstance(found, Completion)
    read = found.captures["body.x"]
    # A number once received as `1e-1` may come back as the float or integer of that value: the text is what counts.
    assert json_text.encode(read) == json_text.encode(value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**40, Decimal("1.10"), Decimal("1E+500"), 0.1, "\x00\u2028"])
def test_numbers_and_texts_at_the_edges_survive(value: object) -> None:
    (found,) = read_journal(file_header() + encode(0, completion(value))).records
    assert isinstance(found, Completion) and str(found.captures["body.x"]) == str(value)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [nested(5000), [nested(5000), "\ud800"], 10**5000], ids=["deep", "deep-and-odd", "long"]
)
def test_a_value_that_cannot_be_written_down_is_refused_without_quoting_it(value: object) -> None:
    with pytest.raises(UnrecordableError) as refusal:
        encode(0, completion([value, "made-up-secret"]))
    error = refusal.value
    assert error.code == "unrecordable_value" and error.hint and error.__suppress_context__
    assert "made-up" not in error.message + error.cause


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", {"\udfff": [Decimal("1.10"), "ä\n"]}])
def test_half_of_a_surrogate_pair_survives_with_all_that_is_around_it(sample: Sample, value: object) -> None:
    finished = sample.records[1]
    assert isinstance(finished, Completion)
    record = msgspec.structs.replace(completion(value), record=finished.record)
    assert read_journal(file_header() + encode(0, record)).records == (record,)


def test_a_field_that_a_later_version_added_at_the_end_does_no_harm() -> None:
    payload = msgspec.json.encode([*msgspec.json.decode(msgspec.json.encode(completion(1))), "new"])
    assert decode(Frame(sequence=0, kind=2, payload=payload, end=0)) == completion(1)
    assert decode(Frame(sequence=0, kind=1, payload=payload, end=0)) is None
