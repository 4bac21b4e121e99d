"""Our own strings break what strings can break: none of a kind is forgotten when the list changes."""

from __future__ import annotations

import pytest
from data_sets import OWN_SETS, naughty_strings


@pytest.mark.parametrize(
    "characters",
    [range(0x01, 0x20), range(0x7F, 0xA0), range(0x202A, 0x202F), range(0x2066, 0x206A), (0x200E, 0x200F, 0x61C)],
    ids=["C0", "C1", "embeddings", "isolates", "marks"],
)
def test_every_character_that_steers_a_terminal_is_there(characters: range | tuple[int, ...]) -> None:
    assert set(map(chr, characters)) <= set("".join(naughty_strings("own")))


def test_no_string_is_there_twice_or_empty_or_no_text_of_a_file() -> None:
    strings = naughty_strings("own")
    assert len(set(strings)) == len(strings) > 300
    assert all(text and "\0" not in text and text.encode() for text in strings)


def test_the_list_cannot_be_misread_by_an_editor() -> None:
    assert (OWN_SETS / "strings" / "naughty.json").read_bytes().isascii()


def test_the_list_of_others_is_whole() -> None:
    assert len(naughty_strings("others")) > 400
