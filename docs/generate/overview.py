"""The page that opens the reference. It must not know what the pages that it lists say."""

from __future__ import annotations

from collections.abc import Mapping


def pages() -> Mapping[str, str]:
    """Return the opening page."""
    return {"index.md": "# Reference\n\nEvery word of the language, the commands, the results, and the Python API.\n"}
