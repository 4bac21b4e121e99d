"""Turns docstrings with `Args:`, `Returns:` and `Raises:` into Markdown. It must not know what they document."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Final

from docs.generate.markdown import block, code, text

_SECTION: Final = re.compile(r"(Args|Returns|Yields|Raises):")
_ENTRY: Final = re.compile(r"(\*{0,2}\w+(?:, \w+)*): (.+)", re.DOTALL)
_TITLES: Final = {"Args": "Parameters"}


def markdown_of(docstring: str) -> str:
    """Return a docstring as Markdown: paragraphs, indented code, and a list for each section."""
    return "\n\n".join(_parts(inspect.cleandoc(docstring)))


def _parts(docstring: str) -> Iterator[str]:
    section = ""
    for paragraph in docstring.split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if found := _SECTION.fullmatch(first.strip()):
            section = found[1]
            yield f"**{_TITLES.get(section, section)}**"
            yield _entries(inspect.cleandoc("\n" + rest))
        elif section and paragraph.startswith(" "):
            yield _entries(inspect.cleandoc("\n" + paragraph))
        elif paragraph.startswith("    "):
            yield block(inspect.cleandoc("\n" + paragraph), "python")
        else:
            section = ""
            yield text(paragraph)


def _entries(lines: str) -> str:
    """Return `name: description` of each entry, whose further lines are indented, as a list."""
    entries = re.split(r"\n(?=\S)", lines)
    if not all(_ENTRY.fullmatch(entry) for entry in entries):
        return text(lines)
    found = (_ENTRY.fullmatch(entry) for entry in entries)
    return "\n".join(f"- {code(entry[1])}: {text(entry[2])}" for entry in found if entry)
