"""Checks of runs over a folder of the test."""

from __future__ import annotations

from pathlib import Path

import pytest
from checked_runs import Checker


@pytest.fixture
def check(tmp_path: Path) -> Checker:
    return Checker(tmp_path)
