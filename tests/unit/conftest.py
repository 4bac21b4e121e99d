"""Stores and sample runs for tests of all rooms that read or write a store."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sample_runs import RunMaker, sample_shard, sample_steps

from reqflo_ray._internal.model.results import RowResult, StepRecord
from reqflo_ray._internal.storage.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    """A store that does not exist yet."""
    return LocalStorage(tmp_path / "store")


@pytest.fixture
def runs(storage: LocalStorage) -> RunMaker:
    """Makes runs in `storage`."""
    return RunMaker(storage)


@pytest.fixture(scope="session")
def run_maker() -> type[RunMaker]:
    """For fixtures that make a store once for many tests."""
    return RunMaker


@pytest.fixture
def shard_records() -> Callable[..., tuple[list[RowResult], list[StepRecord]]]:
    """Makes the results and steps of a shard: `shard_records(shard, rows, fail_every=0)`."""
    return sample_shard


@pytest.fixture
def one_step() -> Callable[..., StepRecord]:
    """Makes one step that differs from a plain one in the given fields."""
    plain = sample_steps(0, "ref-0", random.Random(0))[0]
    return lambda **fields: msgspec.structs.replace(plain, **fields)
