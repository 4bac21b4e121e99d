"""What the generated pages are written with: text of the product is shown as it is, in tables too."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from docs.generate import markdown
from docs.generate.__main__ import all_pages
from docs.generate.docstrings import markdown_of


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a <b> of *two*\n  lines", r"a \<b\> of \*two\* lines"),
        ("set `A_B`, not A_B", r"set `A_B`, not A\_B"),
        ("one | two", r"one \| two"),
        ("`csv|<json>`", "<code>csv&#124;&lt;json&gt;</code>"),
    ],
)
def test_markup_of_the_text_is_shown_and_not_obeyed(words: str, shown: str) -> None:
    assert markdown.text(words) == shown


def test_a_column_without_content_is_left_out() -> None:
    assert markdown.table(("A", "B", "C"), [("1", "", "3"), ("4", "", "6")]).splitlines() == [
        "| A | C |",
        "| --- | --- |",
        "| 1 | 3 |",
        "| 4 | 6 |",
    ]


def test_every_row_of_every_table_has_as_many_cells_as_its_heading() -> None:
    pages: Mapping[str, str] = all_pages()
    for path, page in pages.items():
        for found in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            sizes = {len(re.findall(r"(?<!\\)\|", line)) for line in found.splitlines()}
            assert len(sizes) == 1, f"{path}: {found}"


def test_a_docstring_keeps_its_paragraphs_code_and_sections() -> None:
    docstring = """Read a file.

    More about it:

        read("a.txt")

    Args:
        path: where it is,
            relative to the folder.
        mode: `r` or `w`.

    Raises:
        OSError: it is missing.
    """
    assert markdown_of(docstring).split("\n\n") == [
        "Read a file.",
        "More about it:",
        '```python\nread("a.txt")\n```',
        "**Parameters**",
        "- `path`: where it is, relative to the folder.\n- `mode`: `r` or `w`.",
        "**Raises**",
        "- `OSError`: it is missing.",
    ]
