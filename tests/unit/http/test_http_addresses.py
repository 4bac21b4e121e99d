"""Which addresses are out of reach."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.http.addresses.networks import is_blocked, is_blocked_name, odd_ipv4


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "169.254.170.2",
        "100.100.100.200",
        "fe80::1",
        "fe80::1%eth0",
        "febf::ffff",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::ffff:100.100.100.200",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
    ],
)
def test_link_local_and_metadata_addresses_are_blocked(address: str) -> None:
    assert is_blocked(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "fd00::1",
        "100.100.100.201",
        "169.253.255.255",
        "169.255.0.0",
        "8.8.8.8",
        "2001:db8::1",
        "fec0::1",
        "::ffff:127.0.0.1",
        "64:ff9b::8.8.8.8",
    ],
)
def test_loopback_private_and_public_addresses_are_not(address: str) -> None:
    assert not is_blocked(address)


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="example"):
        is_blocked("example.com")


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_like_the_plain_one(address: ipaddress.IPv4Address) -> None:
    expected = is_blocked(str(address))
    number = int(address)
    for embedded in (
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address((0x0064_FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
    ):
        assert is_blocked(str(embedded)) is expected


@pytest.mark.parametrize(
    "host",
    ["2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe", "169.254.43518", "169.16689662"],
)
def test_odd_notations_of_an_address_are_read(host: str) -> None:
    assert odd_ipv4(host) == "169.254.169.254"


@pytest.mark.parametrize("host", ["169.254.169.254", "example.com", "1.example", "", "a.b", "::1", "9999999999", "0x"])
def test_ordinary_hosts_are_no_odd_notation(host: str) -> None:
    assert odd_ipv4(host) is None


def test_a_trailing_dot_makes_an_odd_notation() -> None:
    assert odd_ipv4("169.254.169.254.") == "169.254.169.254"


def test_names_of_metadata_services_are_known() -> None:
    assert is_blocked_name("Metadata.Google.Internal.")
    assert not is_blocked_name("metadata.example.com")
