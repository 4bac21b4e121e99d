"""The entry of one error code in the registry. Imports nothing of the project."""

from __future__ import annotations

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """A code with its general cause and what to do, each in one line. The message of a finding is more specific."""

    name: str
    cause: str
    remedy: str
