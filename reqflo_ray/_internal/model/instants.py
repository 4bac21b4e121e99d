"""Writes and reads instants as RFC 3339 in UTC. It must not know the current time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def written(instant: datetime, timespec: str = "milliseconds") -> str:
    """Write `instant` as in `2026-11-28T23:12:35.120Z`. One without a time zone is in UTC.

    Args:
        timespec: as in `datetime.isoformat`; `auto` writes microseconds if there are any.
    """
    return _in_utc(instant).isoformat(timespec=timespec).replace("+00:00", "Z")


def read(text: str) -> datetime:
    """Read an instant, in UTC. Raises `ValueError` if `text` is not an instant."""
    try:
        return _in_utc(datetime.fromisoformat(text))
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None


def read_or_long_ago(text: str) -> datetime:
    """Read an instant; return 1970-01-01 for text that cannot be read."""
    try:
        return read(text)
    except ValueError:
        return _LONG_AGO


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
