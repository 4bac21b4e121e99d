"""How an instant is written and read: RFC 3339 in UTC. It knows texts; what time it is, it must not know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def written(instant: datetime, timespec: str = "milliseconds") -> str:
    """`instant` as in `2026-11-28T23:12:35.120Z`. One without a zone is UTC.

    Args:
        timespec: as that of `datetime.isoformat`; `auto` writes microseconds where there are any.
    """
    return _in_utc(instant).isoformat(timespec=timespec).replace("+00:00", "Z")


def read(text: str) -> datetime:
    """The instant that `written` has written, in UTC. Raises `ValueError` if it is none."""
    try:
        return _in_utc(datetime.fromisoformat(text))
    except OverflowError:
        raise ValueError(f"{text!r} is out of all range") from None


def read_or_long_ago(text: str) -> datetime:
    """As `read`; what cannot be read counts as very old."""
    try:
        return read(text)
    except ValueError:
        return _LONG_AGO


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
