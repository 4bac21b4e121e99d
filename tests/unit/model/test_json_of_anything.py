"""The law of values: what an API, a dataset or an environment can hold is written and read again as it was, or refused
with a reason; never changed, and never by an error that nobody expects."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.journal import Completion, Cookie
from reqflo_ray._internal.model.results import Status


def _as_utf16(text: str) -> str:
    # To JSON, whose texts are UTF-16, the two halves of a pair side by side are one character.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


# Any code point: NUL, controls, non-characters, halves of pairs.
TEXTS = st.text(st.characters(codec=None)).map(_as_utf16) | st.sampled_from(
    ["\ud83d", "\ude00x", "\x00", "\uffff\ufdd0", "\u2028", '"\\', "\\ud83d", "NaN", "Infinity", "\x7f\x85"]
)
NUMBERS = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Decimal(digits) for digits in ("1E+999999", "-0.0", "1E-8", "9" * 5000, "0.10")])
    | st.sampled_from([10**3999, -(2**64), 2**63])
)
ODD_NUMBERS = st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")])


def values(numbers: Any) -> Any:
    return st.recursive(
        st.none() | st.booleans() | numbers | TEXTS,
        lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
        max_leaves=8,
    )


def _same(left: Any, right: Any) -> bool:
    """The same JSON value: of numbers every digit, a float for the text that it is written as."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(map(_same, left.values(), right.values()))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, float | Decimal) or isinstance(right, float | Decimal):
        return str(Decimal(str(left))) == str(Decimal(str(right)))
    return type(left) is type(right) and bool(left == right)


@given(values(NUMBERS))
@example({"\ud83d": ["\udfff", Decimal("9" * 5000)]})
def test_whatever_is_written_is_read_again_as_it_was(value: Any) -> None:
    written = json_text.encode(value)
    assert _same(json_text.decode(written).value, value)
    assert json_text.describe(value).encode() == written
    written.decode()  # also what UTF-8 cannot hold is written in it


@given(values(NUMBERS | ODD_NUMBERS))
def test_a_record_comes_back_from_its_own_json_as_it_was(value: Any) -> None:
    record = Completion(
        row=1,
        step="s",
        attempt=1,
        status=Status.PASSED,
        final=True,
        captures={"body": value},
        cookies=(Cookie(name="n", value="v\ud83d", domain="d", host_only=True, path="/", secure=False),),
    )
    again = json_text.reader(Completion)(json_text.encode_exactly(record))
    assert _same(again.captures, record.captures)
    assert again.cookies == record.cookies


@given(values(NUMBERS | ODD_NUMBERS))
def test_for_people_there_is_always_a_json_text(value: Any) -> None:
    read = json.loads(json_text.describe(value), parse_int=str, parse_constant=pytest.fail)
    assert [isinstance(read, kind) for kind in (list, dict)] == [isinstance(value, kind) for kind in (list, dict)]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_json_has_no_form_for_is_kept_for_ourselves_and_sent_to_nobody(number: str) -> None:
    value = json_text.decode(f'{{"ratio": {number}, "text": "{number}"}}').value
    assert str(value["ratio"]) == number
    assert json_text.reader(dict)(json_text.encode_exactly(value)).keys() == value.keys()
    with pytest.raises(ValueError, match=f"{number} is not a JSON number"):
        json_text.encode(value)
    assert json_text.describe(value) == f'{{"ratio":"{number}","text":"{number}"}}'
    assert json_text.encode({"text": number}) == f'{{"text":"{number}"}}'.encode()


@pytest.mark.parametrize("levels", [10, 300, 500, 700])
def test_what_could_be_read_can_be_written_far_deeper_in_the_stack(levels: int) -> None:
    text = "[" * levels + '"\\ud83d"' + "]" * levels
    value = json_text.decode(text).value

    def below(frames: int) -> bytes:
        return below(frames - 1) if frames else json_text.encode_exactly(value)

    assert below(100) == text.encode()
    assert json_text.decode(below(100)).value == value


@pytest.mark.parametrize("levels", [950, 5_000, 100_000])
@pytest.mark.parametrize("inside", ["1", '"\\ud83d"', "NaN"])
def test_what_is_nested_deeper_is_refused_in_every_way_of_reading(levels: int, inside: str) -> None:
    text = "[" * levels + inside + "]" * levels
    for read in (json_text.decode, json_text.decode_strictly):
        with pytest.raises(json_text.NotJson):
            read(text)
    if levels > 1_000:  # what was written before may have been nested a little deeper
        with pytest.raises(ValueError):
            json_text.reader(list)(text)


def test_an_integer_of_thousands_of_digits_keeps_all_of_them() -> None:
    digits = "9" * 5000
    assert json_text.decode(f'{{"n": {digits}}}') == ({"n": Decimal(digits)}, True)
    assert json_text.decode_strictly(digits) == Decimal(digits)
    assert json_text.encode_text(json_text.decode(digits).value) == digits


@pytest.mark.parametrize("text", ['"\\ud83d"', "NaN", "\ufeff1", '["' + "9" * 5 + '\\udc00"]', "9" * 5000 + "x"])
def test_strict_reading_takes_nothing_but_the_standard(text: str) -> None:
    with pytest.raises(json_text.NotJson):
        json_text.decode_strictly(text)


@given(st.text(st.characters(codec=None)))
def test_a_well_formed_text_is_utf8_and_only_halves_of_pairs_are_changed(text: str) -> None:
    shown = json_text.well_formed(text)
    shown.encode()
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert shown == text


@given(st.binary())
@example(b"\xed\xa0\xbd\xed\xb8\x80")
@example(b'{"a":"\xed\xa0"}')
@example(b"\xff\xfe{\x00")
@example(b"\x00\x00\xfe\xff")
def test_no_bytes_at_all_raise_anything_but_what_is_told(data: bytes) -> None:
    try:
        value = json_text.decode(data).value
    except json_text.NotJson as problem:
        assert str(problem)
    else:
        json_text.encode_exactly(value)
