"""Buckets of real servers on loopback, shared by the folders whose tests use object storage."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gcs_server import BUCKET, GcsServer

S3_KEY = "made-up-access-key"
S3_SECRET = "made-up-secret-key"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Bucket:
    """A place of its own in a bucket: `uri` for `--store`, and the environment that leads there."""

    scheme: str
    environment: dict[str, str]
    prefix: str = field(default_factory=lambda: f"test-{next(_numbers)}/stores")

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{BUCKET}/{self.prefix}"


def s3_environment(url: str) -> dict[str, str]:
    """What leads to the buckets of the server at `url`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": S3_KEY,
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        "AWS_REGION": "us-east-1",
    }


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of Moto's S3 server, in a process of its own."""
    script = Path(__file__).parent.parent / "apps" / "s3_server.py"
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AWS_ACCESS_KEY_ID": S3_KEY, "AWS_SECRET_ACCESS_KEY": S3_SECRET},
    )
    assert process.stdin and process.stdout
    try:
        url = process.stdout.readline().strip()
        assert url, "the server did not start"
        yield url
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[GcsServer]:
    """A server that speaks as Google Cloud Storage does."""
    with GcsServer() as server:
        yield server


@pytest.fixture
def cloudless(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that leads to no cloud, whatever the machine's own says."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "STORAGE_EMULATOR_HOST", "GCE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    return monkeypatch


@pytest.fixture
def s3_bucket(s3_url: str, cloudless: pytest.MonkeyPatch) -> Bucket:
    """A place in a bucket of S3."""
    return _entered(Bucket("s3", s3_environment(s3_url)), cloudless)


@pytest.fixture
def gs_bucket(gcs_server: GcsServer, cloudless: pytest.MonkeyPatch) -> Bucket:
    """A place in a bucket of Google Cloud Storage."""
    return _entered(Bucket("gs", {"STORAGE_EMULATOR_HOST": gcs_server.url}), cloudless)


@pytest.fixture(params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """A place in a bucket of each service."""
    place: Bucket = request.getfixturevalue(f"{request.param}_bucket")
    return place


def _entered(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return bucket
