"""What the registry holds of each code. It imports nothing of the project."""

from __future__ import annotations

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """A code with what it means and what helps, each in one sentence. The message of a case says more of that case."""

    name: str
    cause: str
    remedy: str
