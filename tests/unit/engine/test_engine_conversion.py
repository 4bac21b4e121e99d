from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.engine.values.conversion import ConversionError, convert
from reqflo_ray._internal.model.values import ValueType, WrittenNumber

NUMBER, INTEGER, BOOLEAN, STRING, JSON = (
    ValueType.NUMBER,
    ValueType.INTEGER,
    ValueType.BOOLEAN,
    ValueType.STRING,
    ValueType.JSON,
)
SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "type", "value"),
    [
        ("198.72", NUMBER, 198.72),
        ("198.70", NUMBER, Decimal("198.70")),
        ("0", NUMBER, 0),
        ("-0", NUMBER, 0),
        ("1e5", NUMBER, WrittenNumber("1e5")),
        ("1E-5", NUMBER, WrittenNumber("1E-5")),
        ("123456789012345678901234567890", INTEGER, 123456789012345678901234567890),
        ("0.1234567890123456789012345678", NUMBER, Decimal("0.1234567890123456789012345678")),
        ("true", BOOLEAN, True),
        ("false", BOOLEAN, False),
        ("TRUE", BOOLEAN, True),
        ("FALSE", BOOLEAN, False),
        ("True", BOOLEAN, True),
        ("False", BOOLEAN, False),
        ("007", STRING, "007"),
        ("", STRING, ""),
        ('{"a": [1, 2.50]}', JSON, {"a": [1, Decimal("2.50")]}),
        (" null ", JSON, None),
    ],
)
def test_text_is_read_by_the_grammar_of_json(text: str, type: ValueType, value: Any) -> None:
    result = convert(text, type)
    assert result == value
    assert str(result) == str(value)


@pytest.mark.parametrize(
    "text",
    ["1_000", "NaN", "Infinity", "-Infinity", " 1", "1 ", "1\n", "+1", ".5", "5.", "01", "-01", "1e", "0x10", "١٢", "½",
     "1,5", "", "-", "--1", "1.2.3", "1e5.5", "true", "null"],
)  # fmt: skip
def test_what_is_no_json_number_is_refused(text: str) -> None:
    with pytest.raises(ConversionError, match="is not a number as JSON writes it"):
        convert(text, NUMBER)


@pytest.mark.parametrize("text", ["1.0", "1e3", "1.", "1_0", "", "true", "0b1", "٣"])
def test_what_is_no_json_integer_is_refused(text: str) -> None:
    with pytest.raises(ConversionError):
        convert(text, INTEGER)


@pytest.mark.parametrize("text", ["tRUE", "WAHR", "VRAI", "yes", "no", "on", "1", "0", " true", "false\n", ""])
def test_only_true_and_false_are_booleans(text: str) -> None:
    with pytest.raises(ConversionError, match="is not `true` or `false`"):
        convert(text, BOOLEAN)


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "NaN", "[1,]", "01", "abc", "\ufeff1"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ConversionError, match="is not JSON"):
        convert(text, JSON)


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (5, STRING), (True, STRING), ({}, STRING), (1.5, STRING),
        (True, NUMBER), ([], NUMBER), (False, INTEGER), (1.0, INTEGER), (Decimal("1.0"), INTEGER),
        (1, BOOLEAN), (0, BOOLEAN), ({}, BOOLEAN),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_and_never_changed(value: Any, type: ValueType) -> None:
    with pytest.raises(ConversionError):
        convert(value, type)


@pytest.mark.parametrize(
    ("value", "type"),
    [(5, NUMBER), (5, INTEGER), (1.5, NUMBER), (Decimal("1.50"), NUMBER), (True, BOOLEAN), ({"a": 1}, JSON), (3, JSON)],
)
def test_a_value_of_the_type_stays_the_same(value: Any, type: ValueType) -> None:
    assert convert(value, type) is value


@pytest.mark.parametrize("type", list(ValueType))
def test_null_is_of_every_type(type: ValueType) -> None:
    assert convert(None, type) is None


def test_an_integer_longer_than_python_reads_keeps_every_digit() -> None:
    digits = "7" * 5000
    assert str(convert(digits, INTEGER)) == digits


def test_an_exponent_out_of_all_range_is_refused() -> None:
    with pytest.raises(ConversionError, match="out of range"):
        convert("1e99999999999999999999", NUMBER)


@given(st.text(min_size=1, max_size=400))
def test_an_error_quotes_at_most_60_characters_on_one_line(text: str) -> None:
    try:
        convert(text, BOOLEAN)
    except ConversionError as error:
        quote = str(error).removesuffix(f" {error.reason}")
        assert len(quote) <= 60
        assert "\n" not in str(error) and "\x1b" not in str(error)
        assert error.reason == "is not `true` or `false`"


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ConversionError, match="nested too deeply"):
        convert("[" * 100_000, JSON)


@given(st.text(alphabet="0123456789+-.eE_ \u0661", max_size=12))
def test_number_text_is_accepted_exactly_where_json_accepts_it(text: str) -> None:
    try:
        expected = json.loads(text, parse_float=Decimal) if text == text.strip() else None
    except ValueError:
        expected = None
    if expected is None:
        with pytest.raises(ConversionError):
            convert(text, NUMBER)
    else:
        result = convert(text, NUMBER)
        assert (Decimal(repr(result)) if isinstance(result, float) else result) == expected


@given(SOME_JSON)
def test_json_text_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    assert convert(json.dumps(value), JSON) == value


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1,5", "decimal point"), ("-0,50", "decimal point"), ("1.234,50", "decimal point"),
        ("1\u00a0234,50", "decimal point"), ("1,234.50", "between thousands"), ("1'234", "between thousands"),
        ("1_000", ""), ("007", "leading zeros"), ("-01.50", "leading zeros"), ("+5", "plus sign"),
        (" 5", "blanks"), ("5\n", "blanks"), ("", ""), ("abc", ""), ("1,2,3", ""), ("1e5x", ""), (".5", ""),
    ],
)  # fmt: skip
def test_what_is_almost_a_number_gets_a_hint_that_shows_nothing_of_it(text: str, hint: str) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(text, NUMBER)
    assert hint in caught.value.hint
    assert bool(caught.value.hint) is bool(hint)
    assert not any(character.isdigit() for character in caught.value.hint)
