"""Every example of README and of the documents runs, from the top of a page to its end, in an empty folder.

`UPDATE_DOCS=1` writes what a command prints into the blocks that show it.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from command_line import STEERING
from doc_page import Fence, Reader, essence, fences, relative_links

import reqflo_ray
from reqflo_ray._internal.cli.main import COMMANDS, build_application
from reqflo_ray._internal.demo.process import DemoServer

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
# What `reference` and `language` hold is generated, and has tests of its own.
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if DOCS / "reference" not in path.parents)]
TEXTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
SHOWN_ONLY = {"text", "hurl", "javascript", "json", "groovy", ""}
COMMAND_NAMES = {entry.name for entry in COMMANDS}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _runnable(path: Path) -> bool:
    return any(fence.title or _is_run(fence) for fence in fences(path.read_text(encoding="utf-8")))


def _is_run(fence: Fence) -> bool:
    return fence.language not in SHOWN_ONLY and not fence.not_run


@pytest.fixture
def reader(tmp_path: Path, shop: DemoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    kept = dict(os.environ)
    for name in (*STEERING, "SHOP_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield Reader(tmp_path, shop.url)
    os.environ.clear()
    os.environ.update(kept)


@pytest.mark.parametrize("page", [page for page in PAGES if _runnable(page)], ids=_name)
def test_a_page_runs_from_its_top_to_its_end(page: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    names: dict[str, Any] = {}
    text = page.read_text(encoding="utf-8")
    for fence in fences(text):
        where = f"{_name(page)}:{fence.line}"
        if fence.title:
            reader.write(fence.title, fence.body)
        if not _is_run(fence) or fence.title:
            continue
        if fence.language == "sh":
            _type_all(reader, fence, where)
        elif fence.language == "console":
            text = _compare(reader, fence, text, where)
        elif fence.language == "python":
            exec(compile(fence.body, where, "exec"), names)  # noqa: S102 - what a reader would run
        elif fence.language == "sql":
            assert reqflo_ray.open_store().query(fence.body).rows(), f"{where}: the query finds nothing"
        else:
            pytest.fail(f"{where}: a block of `{fence.language}` needs a title, or a reason why it is not run")
    _compile_what_is_written(reader)
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(text, encoding="utf-8")


def _type_all(reader: Reader, fence: Fence, where: str) -> None:
    *before, last = fence.commands()
    for command in before:
        code, shown = reader.type(command)
        assert code == 0, f"{where}: `{command}` exits with {code}:\n{shown}"
    type_last = reader.type_and_interrupt if "data-interrupted" in fence.options else reader.type
    code, shown = type_last(last)
    assert code == fence.exit_code, f"{where}: `{last}` exits with {code}:\n{shown}"


def _compare(reader: Reader, fence: Fence, text: str, where: str) -> str:
    """Type the commands of the block and compare what they print; the page's text, with what they print now."""
    sessions = fence.sessions()
    for position, (command, expected) in enumerate(sessions):
        code, shown = reader.type(command)
        wanted = fence.exit_code if position == len(sessions) - 1 else 0
        assert code == wanted, f"{where}: `{command}` exits with {code}:\n{shown}"
        if essence(shown) == essence(expected):
            continue
        assert os.environ.get("UPDATE_DOCS"), f"{where}: `{command}` prints:\n{shown}\nthe page shows:\n{expected}"
        blank = "\n" if position < len(sessions) - 1 else ""
        text = text.replace(f"$ {command}\n{expected}", f"$ {command}\n{shown.strip()}\n{blank}", 1)
    return text


def _compile_what_is_written(reader: Reader) -> None:
    """Every journey of every workspace that the page made compiles, also those that no command of it runs."""
    for settings in Path(reader.home).rglob("reqflo.yaml"):
        for file in settings.parent.rglob("*.yaml"):
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                if journey := (document or {}).get("journey"):
                    code, shown = reader.type(shlex.join(_compiled(journey["name"], settings.parent)))
                    assert code == 0, f"{file}: {shown}"


def _compiled(journey: str, workspace: Path) -> list[str]:
    return ["reqflo-ray", "compile", journey, "--workspace", str(workspace)]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_what_is_not_run_says_why_and_is_well_formed(page: Path) -> None:
    for fence in fences(page.read_text(encoding="utf-8")):
        if fence.not_run is None:
            continue
        assert fence.not_run, f"{_name(page)}:{fence.line} gives no reason"
        if fence.language in ("sh", "console", "yaml"):
            for command, word in _options(fence.body):
                assert word in _known_options(command), f"{_name(page)}:{fence.line}: `{command}` has no `{word}`"
        if fence.language == "yaml":
            assert list(yaml.safe_load_all(fence.body))
        if fence.language == "python":
            compile(fence.body, _name(page), "exec")


def _options(text: str) -> Iterator[tuple[str, str]]:
    """The options of every command of ours in a text, also in the middle of another program's line."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in line.split("reqflo-ray ")[1:]:
            command = part.split()[0]
            if command in COMMAND_NAMES:
                words = re.findall(r"(?<=\s)--[a-z][a-z-]*", re.split(r"[|;]", part)[0])
                yield from ((command, word) for word in words)
            else:
                assert command in ("--help", "--version") or not command.isalpha(), f"no command `{command}`"


def _known_options(command: str) -> set[str]:
    program: Any = typer.main.get_command(build_application({command}))
    return {name for option in program.commands[command].params for name in option.opts}


@pytest.mark.parametrize("page", TEXTS, ids=_name)
def test_the_links_of_a_text_lead_to_files(page: Path) -> None:
    for link in relative_links(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_documents_link_to_one_another(page: Path) -> None:
    for link in relative_links(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_picture_of_the_terminal_shows_no_path_of_a_machine() -> None:
    picture = (DOCS / "terminal" / "first-run.svg").read_text(encoding="utf-8")
    assert "~/shop/.reqflo" in picture
    assert not re.search(r"/(tmp|home|root|work|Users)/", picture)
