"""Instants are written and read in one way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from reqflo_ray._internal.model import instants

NOON = datetime(2026, 11, 28, 12, 0, 0, 120_450, tzinfo=UTC)


def test_an_instant_is_written_in_utc_with_milliseconds() -> None:
    assert instants.written(NOON) == "2026-11-28T12:00:00.120Z"


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    assert instants.written(NOON.astimezone(timezone(timedelta(hours=-5)))) == "2026-11-28T12:00:00.120Z"


def test_an_instant_without_a_zone_is_taken_for_utc() -> None:
    assert instants.written(NOON.replace(tzinfo=None)) == "2026-11-28T12:00:00.120Z"
    assert instants.read("2026-11-28T12:00:00.120450") == NOON


def test_microseconds_are_written_where_they_are_asked_for_and_there_are_any() -> None:
    assert instants.written(NOON, "auto") == "2026-11-28T12:00:00.120450Z"
    assert instants.written(NOON.replace(microsecond=0), "auto") == "2026-11-28T12:00:00Z"


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_what_is_written_is_read_again(zone: str) -> None:
    assert instants.read(f"2026-11-28T12:00:00.120450{zone}") == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_instant_is_refused_or_very_old(text: str) -> None:
    with pytest.raises(ValueError):
        instants.read(text)
    assert instants.read_or_long_ago(text) == datetime(1970, 1, 1, tzinfo=UTC)
