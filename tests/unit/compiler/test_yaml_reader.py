"""YAML text becomes trees: types, places, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.compiler.yaml.reader import read_documents
from reqflo_ray._internal.compiler.yaml.tree import YamlMapping, YamlScalar, YamlSequence, plain
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.values import WrittenNumber


def data_of(text: str) -> Any:
    return [plain(document) for document in read_documents(text.encode(), "x.yaml")]


def refusal_of(text: str | bytes) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        read_documents(text if isinstance(text, bytes) else text.encode(), "x.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("nUll", "nUll"),
        ("12", 12),
        ("-12", -12),
        ("+12", 12),
        ("0o17", 15),
        ("0xff", 255),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("1.5", 1.5),
        ("287.00", Decimal("287.00")),
        (".5", 0.5),
        ("1e3", WrittenNumber("1e3")),
        ("0.00000001", WrittenNumber("0.00000001")),
        ("007.50", Decimal("7.50")),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("1.2.3", "1.2.3"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("=", "="),
    ],
)
def test_a_scalar_has_its_yaml_1_2_type_with_every_digit(written: str, value: object) -> None:
    found = data_of(f"a: {written}")[0]["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_file_may_have_several_documents_and_empty_ones_are_ignored() -> None:
    assert data_of("a: 1\n---\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]
    assert data_of("") == []
    assert data_of("# nothing\n") == []


def test_keys_that_look_like_numbers_are_text_as_written() -> None:
    assert data_of("{404: a, 1.50: b, true: c, null: d}") == [{"404": "a", "1.50": "b", "true": "c", "null": "d"}]


def test_every_key_and_value_has_its_place() -> None:
    (document,) = read_documents(b"a:\n  - b: one\n    c: two\n", "x.yaml")
    assert isinstance(document, YamlMapping)
    listed = document.entries["a"]
    assert isinstance(listed, YamlSequence)
    item = listed.items[0]
    assert isinstance(item, YamlMapping)
    assert str(item.keys["c"].position) == "x.yaml:3:5"
    assert str(item.entries["c"].position) == "x.yaml:3:8"
    assert item.entries["c"].position.text == "    c: two"


def test_a_byte_order_mark_and_windows_line_ends_do_not_move_places() -> None:
    (document,) = read_documents(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "x.yaml")
    assert isinstance(document, YamlMapping)
    assert str(document.entries["b"].position) == "x.yaml:2:4"
    assert document.entries["b"].position.text == "b: 2"


def test_unusual_line_ends_do_not_separate_a_place_from_its_line() -> None:
    (document,) = read_documents("a: 'x\u2028y'\nb: 2\n".encode(), "x.yaml")
    assert isinstance(document, YamlMapping)
    assert document.entries["b"].position.text == "b: 2"


def test_a_snippet_is_found_inside_a_block_scalar() -> None:
    (document,) = read_documents(b"a: |\n  one\n  two {{ x }}\n", "x.yaml")
    assert isinstance(document, YamlMapping)
    scalar = document.entries["a"]
    assert isinstance(scalar, YamlScalar)
    assert str(scalar.position_of("{{ x }}")) == "x.yaml:3:7"
    assert scalar.position_of("not there") == scalar.position


def test_aliases_and_merge_keys_insert_what_they_refer_to() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 0}\nd: *b\n"
    assert data_of(text)[0]["c"] == {"x": 0, "y": 2, "z": 4}
    assert data_of(text)[0]["d"] == {"y": 3, "z": 4}


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate_key", "x.yaml:3:1"),
        ("a: {b: 1, b: 2}", "duplicate_key", "x.yaml:1:11"),
        ("a: [1", "yaml_syntax", "x.yaml:1:6"),
        ("a: b: c", "yaml_syntax", "x.yaml:1:5"),
        ("a:\n\tb: 1", "yaml_syntax", "x.yaml:2:1"),
        ("a: *nothing", "yaml_syntax", "x.yaml:1:4"),
        ("a: &x [*x]", "yaml_syntax", "x.yaml:1:8"),
        ("[a, b]: 1", "yaml_syntax", "x.yaml:1:1"),
        ("a: {{ inputs.x }}", "yaml_syntax", "x.yaml:1:5"),
        ("a: {<<: 1}", "yaml_syntax", "x.yaml:1:9"),
        ("%YAML 1.1\n---\na: no", "yaml_syntax", "x.yaml:2:1"),
        ("a: !!python/object:os.system {}", "yaml_tag", "x.yaml:1:4"),
        ('a: !!int "3"', "yaml_tag", "x.yaml:1:4"),
        ("a: !secret x", "yaml_tag", "x.yaml:1:4"),
        ("a: .nan", "wrong_type", "x.yaml:1:4"),
        ("a: -.inf", "wrong_type", "x.yaml:1:4"),
        ("a: " + "9" * 5000, "yaml_limit", "x.yaml:1:4"),
        ("a: 1e99999999999999999999", "yaml_limit", "x.yaml:1:4"),
        (b"a: 1\nb: \xff\xfe", "yaml_encoding", "x.yaml:2:1"),
        ("a: \x07", "yaml_syntax", "x.yaml:1:1"),
        (r'a: "\ud800"', "wrong_type", "x.yaml:1:4"),
    ],
)
def test_yaml_other_than_plain_data_is_refused_at_its_place(text: str | bytes, code: str, place: str) -> None:
    refusal = refusal_of(text)
    assert (refusal.code, str(refusal.position)) == (code, place)


def test_an_expression_without_quotes_gets_the_hint_to_quote_it() -> None:
    assert "quotes" in refusal_of("a: {{ inputs.x }}").hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text("abcxyz", max_size=3), children, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_json_is_read_as_the_same_data(value: Any) -> None:
    import json

    wrapped = {"v": value}
    assert data_of(json.dumps(wrapped, ensure_ascii=True)) == [wrapped]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_definition_error(text: str) -> None:
    try:
        read_documents(text.encode("utf-8", "surrogatepass"), "x.yaml")
    except DefinitionError as refusal:
        assert refusal.code
        assert refusal.position is not None


def test_the_hint_for_a_tab_is_not_to_quote_it() -> None:
    assert refusal_of("a:\n\tb: 1\n").hint.startswith("indent with spaces")
