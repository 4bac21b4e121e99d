"""The documentation builds without a warning, and asks nothing of another host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a browser loads when it opens a page: scripts, styles, images, and what a style refers to.
LOADED = re.compile(r"""(?:\ssrc=|<link [^>]*href=|url\(|@import )["']?(?:https?:)?//[^"')> ]+""")

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    built.stdout, built.stderr = _COLORS.sub("", built.stdout), _COLORS.sub("", built.stderr)
    return built


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources of the site."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_site_builds_without_a_warning_and_works_offline(site: Path) -> None:
    built = build(site)
    assert built.returncode == 0, built.stdout + built.stderr

    pages = sorted((site / "build/docs").rglob("*.html"))
    sources = list((site / "docs").rglob("*.md"))
    assert len(pages) == len(sources) + 1, "a page for each source, and that for what is not found"
    files = [*pages, *(site / "build/docs").rglob("*.css")]
    assert [found for file in files for found in LOADED.findall(file.read_text())] == []

    # A page that is opened from a folder cannot fetch: the search's index must be a script too.
    assert "Your own API" in (site / "build/docs/search.js").read_text()
    assert not list((site / "build/docs").rglob("*.py")), "what generates pages is not published"


def test_a_broken_link_or_anchor_fails_the_build(site: Path) -> None:
    (site / "docs/broken.md").write_text("# Broken\n\n[a page](missing.md), [a heading](index.md#missing)\n")
    built = build(site)
    assert built.returncode != 0
    assert "page does not exist" in built.stdout + built.stderr
    assert "anchor does not exist" in built.stdout + built.stderr
