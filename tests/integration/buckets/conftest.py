"""Buckets on loopback, and a storage of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from bucket_fixtures import bucket, cloudless, gcs_server, gs_bucket, s3_bucket, s3_url

from reqflo_ray._internal.storage.open import open_storage
from reqflo_ray._internal.storage.protocol import Storage

__all__ = ["bucket", "cloudless", "gcs_server", "gs_bucket", "s3_bucket", "s3_url"]


@pytest.fixture(params=["local", "s3", "gs"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty store of each kind."""
    if request.param == "local":
        return open_storage(str(tmp_path / "store"))
    return open_storage(request.getfixturevalue(f"{request.param}_bucket").uri)
