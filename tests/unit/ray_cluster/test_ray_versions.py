"""Which versions of Ray are supported, and which two may talk to each other."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from reqflo_ray._internal.ray_cluster.ray_versions import NEWEST, OLDEST, SUPPORTED, can_submit, is_supported

ROOT = Path(__file__).parents[3]


def test_the_range_is_that_of_the_dependency_and_holds_what_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [dependency] = [line for line in project["dependencies"] if line.startswith("ray[")]
    (major, minor), (_, last) = OLDEST, NEWEST
    assert dependency == f"ray[data,default]>={major}.{minor},<{major}.{last + 1}"
    assert f"{major}.{minor} to {major}.{last}" == SUPPORTED
    assert is_supported(version("ray"))
    assert f" ray=={major}.{minor}.0\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("text", ["2.58.0", "2.58.1", "2.59.0", "2.60.0", "2.60", "2.60.3.post1", "2.59.0+vendor.7"])
def test_releases_within_the_range_are_supported(text: str) -> None:
    assert is_supported(text)


@pytest.mark.parametrize(
    "text", ["2.57.9", "2.61.0", "1.59.0", "3.59.0", "2.5", "2.60.0rc1", "2.60.0.dev0", "2.600.0", "", "2", "x2.60.0"]
)
def test_what_lies_outside_or_is_no_release_is_not(text: str) -> None:
    assert not is_supported(text)


@pytest.mark.parametrize(
    ("ours", "theirs", "can"),
    [
        ("2.60.0", "2.58.0", True),
        ("2.58.1", "2.60.0", True),
        ("2.60.0", "2.57.0", False),
        ("2.61.0", "2.60.0", False),
        ("2.61.0", "2.61.0", True),  # nobody tested it, but the two are one
        ("3.0.0.dev0", "3.0.0.dev0", True),
        ("2.61.0", "2.61.1", False),
    ],
)
def test_client_and_cluster_may_differ_within_the_range_only(ours: str, theirs: str, can: bool) -> None:
    assert can_submit(ours, theirs) is can
