from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray.engine.hosts import common_hosts, host_allowed


@pytest.mark.parametrize(
    ("pattern", "host"),
    [("api.shop.example", "API.shop.example"), ("*.shop.example", "a.shop.example"),
     ("*.shop.example", "a.b.shop.example"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"),
     ("shop.example.", "shop.example")],
)  # fmt: skip
def test_a_host_that_a_pattern_allows(pattern: str, host: str) -> None:
    assert host_allowed((pattern,), host)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [("*.shop.example", "shop.example"), ("*.shop.example", "evilshop.example"), ("shop.example", "a.shop.example"),
     ("*.shop.example", "a.shop.example.evil.example"), ("shop.example", "shop.example.evil"),
     ("*.shop.example", ".shop.example")],
)  # fmt: skip
def test_a_host_that_a_pattern_refuses(pattern: str, host: str) -> None:
    assert not host_allowed((pattern,), host)


def test_no_pattern_allows_no_host() -> None:
    assert not host_allowed((), "a.example")


LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)
PATTERNS = st.lists(LABELS | LABELS.map("*.{}".format), max_size=3).map(tuple)


@given(PATTERNS, PATTERNS, LABELS)
def test_common_patterns_allow_exactly_what_both_allow(one: tuple[str, ...], other: tuple[str, ...], host: str) -> None:
    common = common_hosts(one, other)
    assert common is not None
    assert host_allowed(common, host) is (host_allowed(one, host) and host_allowed(other, host))


@given(PATTERNS)
def test_no_bound_leaves_the_other_one(patterns: tuple[str, ...]) -> None:
    assert common_hosts(None, patterns) == common_hosts(patterns, None) == patterns
