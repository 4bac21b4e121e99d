"""Writes the generated pages of `docs/reference/`, or with `--check` says which of them are not current.

A module of this package that has a function `pages` generates pages; it returns the Markdown of each by its path below
`docs/reference/`. What is in a page, this module does not know.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

FOLDER: Final = Path(__file__).parent.parent / "reference"


@cache
def all_pages() -> Mapping[str, str]:
    """Return the Markdown of every generated page by its path below `docs/reference/`.

    Raises:
        ValueError: two modules generate the same page.
    """
    found: dict[str, str] = {}
    for module in iter_modules([str(Path(__file__).parent)], "docs.generate."):
        if module.name.endswith(".__main__"):
            continue
        generated: Mapping[str, str] = getattr(import_module(module.name), "pages", dict)()
        if repeated := found.keys() & generated:
            raise ValueError(f"`{module.name}` generates pages that another module generates too: {sorted(repeated)}")
        found |= generated
    return found


def outdated_pages(folder: Path, pages: Mapping[str, str]) -> list[str]:
    """Return the paths of pages in `folder` that differ from `pages`, are missing, or are not generated any more."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    changed = [path for path, text in pages.items() if path not in there or (folder / path).read_text() != text]
    return sorted([*changed, *(there - pages.keys())])


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """Make the pages in `folder` be `pages`, and no others."""
    for path in outdated_pages(folder, pages):
        if path not in pages:
            (folder / path).unlink()
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(pages[path])


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="Write nothing; exit with 1 if a page is not current.")
    if not parser.parse_args(arguments).check:
        write_pages(FOLDER, all_pages())
        return 0
    outdated = outdated_pages(FOLDER, all_pages())
    for path in outdated:
        print(f"docs/reference/{path} is not current; `make docs` writes it", file=sys.stderr)  # noqa: T201
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
