"""Copies of the example workspaces that call a test's own API, and the environment of commands that use them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
EXAMPLE_URL = "http://127.0.0.1:8480"
CLIENT_SECRET = "made-up-client-secret"


def copy_example(name: str, target: Path, url: str) -> Path:
    """A copy of an example workspace at `target`, with the demo API at `url`."""
    shutil.copytree(EXAMPLES / name, target)
    for path in target.rglob("*.yaml"):
        text = path.read_text()
        if EXAMPLE_URL in text:
            path.write_text(text.replace(EXAMPLE_URL, url))
    return target


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a command run in a process of its own: no colours, and the made-up secret."""
    return {**os.environ, "NO_COLOR": "1", "SHOP_CLIENT_SECRET": CLIENT_SECRET, **extra}
