"""The generated pages of the reference are those that the product generates now."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate import __main__ as generate


def test_every_generated_page_is_current() -> None:
    outdated = generate.outdated_pages(generate.FOLDER, generate.all_pages())
    assert outdated == [], "`make docs` writes them"


def test_a_page_that_differs_is_missing_or_is_left_over_is_outdated(tmp_path: Path) -> None:
    pages = {"same.md": "same\n", "sub/changed.md": "new\n", "sub/missing.md": "new\n"}
    (tmp_path / "sub").mkdir()
    (tmp_path / "same.md").write_text("same\n")
    (tmp_path / "sub/changed.md").write_text("old\n")
    (tmp_path / "sub/left-over.md").write_text("old\n")
    assert generate.outdated_pages(tmp_path, pages) == ["sub/changed.md", "sub/left-over.md", "sub/missing.md"]

    generate.write_pages(tmp_path, pages)
    assert generate.outdated_pages(tmp_path, pages) == []
    assert (tmp_path / "sub/missing.md").read_text() == "new\n"
    assert not (tmp_path / "sub/left-over.md").exists()


def test_a_check_names_the_outdated_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    monkeypatch.setattr(generate, "all_pages", lambda: {"cli.md": "new\n"})
    assert generate.main(["--check"]) == 1
    assert "docs/reference/cli.md is not current" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
