"""What is made of Ray's refusals to join a cluster."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.ray_cluster.connection import refusal

MISMATCH = """\
Version mismatch: The cluster was started with:
    Ray: 2.59.1
    Python: 3.11.9
This process on node 10.0.0.1 was started with:
    Ray: 2.60.0
    Python: 3.12.1
"""


def test_two_versions_are_told_apart_and_named() -> None:
    error = refusal("head:6379", RuntimeError(MISMATCH))
    assert (error.code, error.exit_code) == ("ray_version_skew", 3)
    assert (
        error.message
        == "the cluster runs Ray 2.59.1 on Python 3.11.9, and this machine has Ray 2.60.0 on Python 3.12.1"
    )


@pytest.mark.parametrize("text", ["", "no such host\nand more", MISMATCH.splitlines()[0], "  Ray: 2.59.1\n"])
def test_any_other_refusal_is_a_cluster_that_cannot_be_reached(text: str) -> None:
    error = refusal("head:6379", ConnectionError(text))
    assert error.code == "cluster_unreachable" and "head:6379" in error.message and "\n" not in error.cause
