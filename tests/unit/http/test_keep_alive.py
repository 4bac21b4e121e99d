"""How long a connection may lie idle, by what servers say."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.http.exchange.keep_alive import MOST_IDLE_SECONDS, idle_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("timeout=5", 4.0), ("timeout=5, max=100", 4.0), ("max=7,timeout=5", 4.0), ("Timeout = 5 ; Max = 3", 4.0),
        ('timeout="5"', 4.0), ("timeout=2", 1.0), ("timeout=1", 0.5), ("timeout=0", 0.0), ("timeout=3600", 15.0),
        ("max=0", 0.0), ("timeout=5, max=0", 0.0), ("max=1", 15.0), ("timeout=9, timeout=3", 2.0),
    ],
)  # fmt: skip
def test_a_connection_is_used_for_less_than_the_server_keeps_it(value: str, seconds: float) -> None:
    assert idle_seconds((("Content-Type", "text/plain"), ("KEEP-alive", value))) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "timeout", "timeout=", "timeout=-1", "timeout=five", "timeout=1.5", "timeout=\u0663", "xtimeout=1",
     "timeout=1x", "5", "timeout=" + "9" * 400],
)  # fmt: skip
def test_what_makes_no_sense_says_nothing(value: str) -> None:
    assert idle_seconds((("Keep-Alive", value),)) == MOST_IDLE_SECONDS


def test_without_the_header_nothing_is_said() -> None:
    assert idle_seconds(()) == idle_seconds((("Connection", "keep-alive"),)) == MOST_IDLE_SECONDS


def test_the_shortest_of_several_counts() -> None:
    assert idle_seconds((("Keep-Alive", "timeout=9"), ("Keep-Alive", "timeout=3"), ("Keep-Alive", "max=9"))) == 2.0
