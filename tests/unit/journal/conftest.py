"""A sample journal, and a log file that can fail."""

from __future__ import annotations

import pytest
from sample_journals import Disk, Sample, sample_records

from reqflo_ray._internal.journal.records import encode, file_header


@pytest.fixture(scope="session")
def sample() -> Sample:
    """The sample journal."""
    records = sample_records()
    frames = tuple(encode(sequence, record) for sequence, record in enumerate(records))
    return Sample(records, frames, file_header() + b"".join(frames))


@pytest.fixture
def disk() -> Disk:
    """An empty log file that works."""
    return Disk()
