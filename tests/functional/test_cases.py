"""Every folder of `cases/`: a person types a command, and reads exactly this. See the README there."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from echo_api import EchoApi

from reqflo_ray._internal.demo.process import DemoServer

CASES = Path(__file__).parent / "cases"
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SHOP_URL, ECHO_URL = "http://127.0.0.1:8480", "http://127.0.0.1:8481"
_HOLE = re.compile(r"<<<(.*?)>>>")


def _names() -> list[str]:
    return sorted(path.parent.name for path in CASES.glob("*/command"))


def _text(case: Path, name: str) -> str | None:
    file = case / name
    return file.read_text(encoding="utf-8") if file.exists() else None


def _workspace(case: Path, target: Path, places: dict[str, str]) -> Path:
    target.mkdir()
    sources = [case / "workspace"]
    if example := _text(case, "example"):
        sources.insert(0, EXAMPLES / example.strip())
    for source in sources:
        if source.exists():
            shutil.copytree(source, target, dirs_exist_ok=True)
    for path in target.rglob("*.yaml"):
        text = path.read_bytes()
        for written, actual in places.items():
            text = text.replace(written.encode(), actual.encode())
        path.write_bytes(text)
    return target


def _as_written(shown: str, workspace: Path, places: dict[str, str]) -> str:
    for written, actual in places.items():
        shown = shown.replace(actual.removeprefix("http://"), written.removeprefix("http://"))
    return shown.replace(str(workspace), "WORKSPACE")


def _pattern(expected: str) -> str:
    pieces = _HOLE.split(expected)
    return "".join(piece if index % 2 else re.escape(piece) for index, piece in enumerate(pieces))


@pytest.mark.parametrize("name", _names())
def test_a_case_reads_and_ends_as_expected(
    name: str,
    shop: DemoServer,
    echo: EchoApi,
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES / name
    places = {SHOP_URL: shop.url, ECHO_URL: echo.url}
    workspace = _workspace(case, tmp_path / "workspace", places)
    monkeypatch.chdir(workspace)
    monkeypatch.delenv("SHOP_CLIENT_SECRET", raising=False)
    for line in (_text(case, "environment") or "").splitlines():
        variable, _, value = line.partition("=")
        monkeypatch.setenv(variable, value)
    *before, last = [line for line in (case / "command").read_text(encoding="utf-8").splitlines() if line.strip()]
    for line in before:
        command(*shlex.split(line))
    ended = command(*shlex.split(last))
    for stream, shown in (("stdout", ended.out), ("stderr", ended.err)):
        expected = _text(case, stream)
        if expected is None:
            continue
        seen = _as_written(shown, workspace, places)
        assert re.fullmatch(_pattern(expected), seen, re.DOTALL), f"{stream} reads:\n{seen}\nexpected:\n{expected}"
    assert f"{ended.code}\n" == (case / "exit").read_text(), ended.err


def test_at_least_as_many_things_go_wrong_as_right() -> None:
    codes = [(CASES / name / "exit").read_text().strip() for name in _names()]
    assert codes.count("0") <= len(codes) / 2
