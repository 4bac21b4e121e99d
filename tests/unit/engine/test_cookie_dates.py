"""The dates of cookies: whatever a server writes, read as RFC 6265, 5.1.1 has it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reqflo_ray._internal.engine.requests.set_cookie import cookie_date_us


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
     "Sun, 06-Nov-1994 08:49:37 GMT", "6 Nov 1994 8:49:37", "1994 nov 6th 08:49:37Z", "08:49:37 06 NOVEMBER 1994",
     "Nov/6/1994;08:49:37", "Sun, 06 Nov 1994 08:49:37 +0500", "Mon, 6 Nov 94 08:49:37.123 UTC",
     "06 Nov 1994 08:49:37 07 Dec 1995 09:00:00"],
)  # fmt: skip
def test_a_date_in_any_form_is_one_instant(text: str) -> None:
    assert cookie_date_us(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp() * 1_000_000


@pytest.mark.parametrize(("written", "year"), [("69", 2069), ("70", 1970), ("99", 1999), ("00", 2000), ("1601", 1601)])
def test_a_year_of_two_digits_is_of_this_century_or_the_last(written: str, year: int) -> None:
    moment = cookie_date_us(f"01 Jan {written} 00:00:00")
    assert moment == (datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000


@pytest.mark.parametrize(
    "text",
    ["", "never", "0", "06 Nov 1994", "08:49:37", "Nov 1994 08:49:37", "06 1994 08:49:37", "06 Nov 08:49:37",
     "31 Feb 2026 00:00:00", "00 Jan 2026 00:00:00", "32 Jan 2026 00:00:00", "01 Jan 1600 00:00:00",
     "01 Jan 2026 24:00:00", "01 Jan 2026 00:60:00", "01 Jan 2026 00:00:60", "01 Jan 20260 00:00:00",
     "01 Jan 2026 00:00", "01 Jan 2026 000:00:00", "1784728800", "2026-01-01T00:00:00Z", "01 Jän 2026 00:00:00"],
)  # fmt: skip
def test_what_is_no_date_has_no_instant(text: str) -> None:
    assert cookie_date_us(text) is None
