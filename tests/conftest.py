"""What tests of several folders share: the demo API as a real process, and workspaces that point at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reqflo_ray.demo.process import DemoServer

ROOT = Path(__file__).parent.parent
EXAMPLE_URL = "http://127.0.0.1:8480"
CLIENT_SECRET = "made-up-client-secret"


@pytest.fixture(scope="session")
def shared_shop() -> Iterator[DemoServer]:
    with DemoServer() as server:
        yield server


@pytest.fixture
def shop(shared_shop: DemoServer) -> DemoServer:
    """The demo API with an empty ledger."""
    shared_shop.reset()
    return shared_shop


@pytest.fixture
def example(tmp_path: Path, shop: DemoServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Copies an example workspace and lets it call the test's own demo API."""
    monkeypatch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)

    def copy(name: str) -> Path:
        return copy_example(name, tmp_path / name, shop.url)

    return copy


def copy_example(name: str, target: Path, url: str) -> Path:
    """A copy of an example workspace at `target`, with the demo API at `url`."""
    shutil.copytree(ROOT / "examples" / name, target)
    for path in target.rglob("*.yaml"):
        text = path.read_text()
        if EXAMPLE_URL in text:
            path.write_text(text.replace(EXAMPLE_URL, url))
    return target


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a command run in a process of its own: no colours, and the made-up secret."""
    return {**os.environ, "NO_COLOR": "1", "SHOP_CLIENT_SECRET": CLIENT_SECRET, **extra}
