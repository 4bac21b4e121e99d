"""The grammar of `{{ … }}`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.compiler.values.expressions import Expression, ExpressionError, parse_text, path_text


def test_text_without_braces_is_one_part() -> None:
    assert parse_text("plain } text {") == ("plain } text {",)
    assert parse_text("") == ()


def test_both_spellings_mean_the_same() -> None:
    (plain,) = parse_text("{{ inputs.x }}")
    (dollar,) = parse_text("${{inputs.x}}")
    assert isinstance(plain, Expression)
    assert isinstance(dollar, Expression)
    assert plain.segments == dollar.segments == ("inputs", "x")


def test_a_path_has_names_indexes_and_quoted_keys() -> None:
    (found,) = parse_text("""{{ steps.a-b.body.items[0]['odd key']["}}"].x_1 }}""")
    assert isinstance(found, Expression)
    assert found.segments == ("steps", "a-b", "body", "items", 0, "odd key", "}}", "x_1")


def test_expressions_inside_text_have_their_offsets() -> None:
    parts = parse_text("a {{ x.y }} b ${{ z.w }}")
    assert [part if isinstance(part, str) else part.written for part in parts] == [
        "a ",
        "{{ x.y }}",
        " b ",
        "${{ z.w }}",
    ]
    assert [part.offset for part in parts if isinstance(part, Expression)] == [2, 14]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("{{ }}", 0),
        ("{{", 0),
        ("x {{ a.b", 2),
        ("{{ a | upper }}", 5),
        ("{{ a + 1 }}", 5),
        ("{{ f() }}", 4),
        ("{{ 'text' }}", 3),
        ("{{ 12 }}", 3),
        ("{{ a..b }}", 5),
        ("{{ a.0 }}", 5),
        ("{{ a[-1] }}", 4),
        ("{{ a[x] }}", 4),
        ("{{ {{ a }} }}", 3),
        ("{{ a.b } }", 7),
        ("{{ a.__class__() }}", 14),
        ("{% if x %}{{ a b }}", 15),
    ],
)
def test_an_expression_other_than_a_path_is_refused_at_its_place(text: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_text(text)
    assert caught.value.offset == offset
    assert caught.value.hint


segments = st.lists(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
    | st.integers(0, 10**6)
    | st.text(st.characters(codec="utf-8", exclude_characters="\"'\\"), max_size=8),
    max_size=6,
)


@given(st.from_regex(r"[a-z]{1,8}", fullmatch=True), segments)
def test_the_normal_form_of_a_path_is_parsed_to_the_same_path(root: str, rest: list[str | int]) -> None:
    (found,) = parse_text("{{ " + path_text((root, *rest)) + " }}")
    assert isinstance(found, Expression)
    assert found.segments == (root, *rest)


@given(st.text(max_size=60))
def test_the_parts_of_any_text_joined_are_the_text(text: str) -> None:
    try:
        parts = parse_text(text)
    except ExpressionError:
        return
    assert "".join(part if isinstance(part, str) else part.written for part in parts) == text
