"""One real cluster for all tests of this folder, started when the first of them asks for it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_fixtures import cloudless, s3_bucket, s3_environment, s3_url
from disturbed_fixtures import make_run, note_fault, undisturbed, unhurried_shop
from example_workspace import CLIENT_SECRET

__all__ = ["cloudless", "make_run", "note_fault", "s3_bucket", "s3_url", "undisturbed", "unhurried_shop"]


@pytest.fixture(scope="session")
def cluster_environment(s3_url: str) -> dict[str, str]:
    """What a process needs to join the cluster; with it, nodes reach the bucket of `s3_bucket`."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",
        "SHOP_CLIENT_SECRET": CLIENT_SECRET,
        **s3_environment(s3_url),
    }


@pytest.fixture(autouse=True)
def _joinable(cluster_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process that a test of this folder starts can join the cluster; tests elsewhere see nothing of it."""
    for name, value in cluster_environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def cluster(cluster_environment: dict[str, str]) -> Iterator[str]:
    """The address of a cluster with two cores, in a process of its own."""
    script = Path(__file__).parent.parent / "apps" / "ray_cluster.py"
    process = subprocess.Popen(
        [sys.executable, str(script), "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **cluster_environment},
    )
    assert process.stdin and process.stdout
    try:
        address = process.stdout.readline().strip()
        assert address, "the cluster did not start"
        yield address
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()
