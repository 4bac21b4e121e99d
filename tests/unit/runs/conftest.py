"""The folder of a run that does not exist yet."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.storage.local import LocalStorage


@pytest.fixture
def folder(storage: LocalStorage) -> RunFolder:
    return RunFolder(storage, "r1")
