"""Every run that an example's `expected.json` tells of, as its README says to type it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
_COUNTS = ("rows", "passed", "failed", "error", "inconclusive", "retries")


def _runs() -> list[Any]:
    return [
        pytest.param(path.parent.name, run, id=f"{path.parent.name}: {' '.join(run['command'])}")
        for path in sorted(EXAMPLES.glob("*/expected.json"))
        for run in json.loads(path.read_text())["runs"]
    ]


@pytest.mark.parametrize(("name", "expected"), _runs())
def test_an_example_gives_what_it_says(
    name: str,
    expected: dict[str, Any],
    example: Callable[[str], Path],
    command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(example(name))
    for variable, value in expected.get("environment", {}).items():
        monkeypatch.setenv(variable, value)
    ended = command(*expected["command"], "--json")
    assert ended.code == expected["exit_code"], ended.err
    if ended.code != 2:
        counts = ended.json["counts"]
        assert {name: counts[name] for name in _COUNTS if name in expected} == {
            name: expected[name] for name in _COUNTS if name in expected
        }


def test_every_example_says_what_it_gives() -> None:
    workspaces = {path.parent.name for path in EXAMPLES.glob("*/reqflo.yaml")}
    assert workspaces == {path.parent.name for path in EXAMPLES.glob("*/README.md")}
    assert workspaces - {"orders"} == {path.parent.name for path in EXAMPLES.glob("*/expected.json")}


def test_the_commands_of_the_readmes_are_those_that_are_tested() -> None:
    for path in EXAMPLES.glob("*/expected.json"):
        told = (path.parent / "README.md").read_text()
        first = json.loads(path.read_text())["runs"][0]["command"]
        typed = " ".join(f'"{word}"' if " " in word else word for word in first)
        assert f"reqflo-ray {typed}" in told
