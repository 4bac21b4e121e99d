"""Host patterns, as in `hosts:` of a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.model.http.hosts import ascii_host, common_hosts, host_allowed

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
# Few labels, so that patterns and hosts often meet.
NEAR_HOST = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)
NEAR_PATTERNS = st.lists(NEAR_HOST | NEAR_HOST.map("*.{}".format), max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("API.example.com", "api.EXAMPLE.com"),
        ("*.example.com", "api.example.com"),
        ("*.example.com", "a.b.example.com"),
        ("*.Example.com", "API.example.COM"),
        ("example.com", "example.com."),
        ("example.com.", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("*.localhost", "api.localhost"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::1", "[::1]"),
    ],
)
def test_a_pattern_names_these_hosts(pattern: str, host: str) -> None:
    assert host_allowed([pattern], host)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*.example.com", "example.com"),
        ("*.example.com", "evilexample.com"),
        ("*.example.com", ".example.com"),
        ("*.example.com", "api.example.com.evil.net"),
        ("example.com", "api.example.com"),
        ("example.com", "example.com.evil"),
        ("example.com", "example.com.."),
        ("example.com", "example.com:443"),
        ("example.com:443", "example.com"),
        ("*", "example.com"),
        ("*.", "example.com"),
        ("a*.example.com", "ab.example.com"),
        ("", "example.com"),
        ("example.com", ""),
        ("", ""),
    ],
)
def test_a_pattern_does_not_name_these_hosts(pattern: str, host: str) -> None:
    assert not host_allowed([pattern], host)


@given(HOST)
def test_a_host_matches_itself_and_never_its_own_wildcard(host: str) -> None:
    assert host_allowed([host], host.upper())
    assert not host_allowed([f"*.{host}"], host)


@given(HOST, HOST)
def test_a_wildcard_matches_every_host_below_it(domain: str, label: str) -> None:
    assert host_allowed([f"*.{domain}"], f"{label}.{domain}")


def test_no_patterns_at_all_allow_everything_and_an_empty_list_nothing() -> None:
    assert host_allowed(None, "example.com")
    assert not host_allowed((), "example.com")
    assert host_allowed(("other.net", "*.example.com"), "api.example.com")


@given(NEAR_PATTERNS, NEAR_PATTERNS, NEAR_HOST)
def test_common_patterns_allow_exactly_what_both_allow(one: tuple[str, ...], other: tuple[str, ...], host: str) -> None:
    common = common_hosts(one, other)
    assert common is not None
    assert host_allowed(common, host) is (host_allowed(one, host) and host_allowed(other, host))


@given(NEAR_PATTERNS)
def test_what_has_no_bound_leaves_the_other_one(patterns: tuple[str, ...]) -> None:
    assert common_hosts(None, patterns) == common_hosts(patterns, None) == patterns
    assert common_hosts(None, None) is None


@pytest.mark.parametrize(
    ("name", "ascii_name"),
    [
        ("faß.example", "xn--fa-hia.example"),  # in IDNA 2003 this was fass.example, another host
        ("βόλος.com", "xn--nxasmm1c.com"),  # of UTS 46, table 1
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("under_score.bücher.example", "under_score.xn--bcher-kva.example"),
        ("Plain_Name.example", "Plain_Name.example"),
        ("１２７.0.0.1", "127.0.0.1"),
    ],
)
def test_a_host_name_becomes_ascii_as_idna_2008_has_it(name: str, ascii_name: str) -> None:
    assert ascii_host(name) == ascii_name


@pytest.mark.parametrize(
    "name", ["☃.example", "a\u200db.example", "ü" * 70 + ".example", "-ü.example", "\ud800.example"]
)
def test_a_name_that_idna_2008_does_not_know_has_no_ascii_form(name: str) -> None:
    with pytest.raises(ValueError, match=r"not allowed|too long|hyphen"):
        ascii_host(name)


def test_a_pattern_may_be_written_in_the_letters_of_its_language() -> None:
    assert host_allowed(["*.bücher.example"], "api.xn--bcher-kva.example")
    assert host_allowed(["faß.example"], "xn--fa-hia.example")
    assert not host_allowed(["faß.example"], "fass.example")
    assert not host_allowed(["☃.example"], "example")
