"""A row's cookies (RFC 6265): taken from responses, sent with requests. It must not know files, clocks, or other
rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from reqflo_ray._internal.engine.requests.set_cookie import (
    Refused,
    Sender,
    cookie_date_us,
    domain_matches,
    path_matches,
    read_set_cookie,
    sender_of,
)
from reqflo_ray._internal.model.http.exchange import Headers
from reqflo_ray._internal.model.journal import Cookie

_MOST_COOKIES: Final = 300


class Received(NamedTuple):
    """The effect of a response on a jar: changes (a cookie without a value is a deletion) and cookies not kept."""

    changes: tuple[Cookie, ...]
    refused: tuple[Refused, ...]


class CookieJar:
    """The cookies of one row, in the order in which they were first set. Times: microseconds since the epoch."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def store(self, url: str, headers: Headers, now_us: int) -> Received:
        """Keep the cookies of a response to `url` that arrived at `now_us`.

        An expiry refers to the response's own `Date`, if it has one, so that clocks need not agree.
        """
        lines = [value for name, value in headers if name.lower() == "set-cookie"]
        if not lines:
            return _NOTHING
        sender = sender_of(url)
        date_us = cookie_date_us(next((value for name, value in headers if name.lower() == "date"), ""))
        changes: list[Cookie] = []
        refused: list[Refused] = []
        for line in lines:
            read = read_set_cookie(line, sender, now_us, date_us)
            if isinstance(read, Cookie) and self._would_hide_a_secure_one(read, sender):
                read = Refused(read.name, "it would hide a Secure cookie, but came over plain HTTP")
            if isinstance(read, Refused):
                refused.append(read)
            else:
                changes.append(read)
                refused += [
                    Refused(gone.name, f"the row has {_MOST_COOKIES} newer cookies") for gone in self.restore((read,))
                ]
        return Received(tuple(changes), tuple(refused))

    def restore(self, cookies: Iterable[Cookie]) -> list[Cookie]:
        """Apply changes that `store` has returned, and return the cookies that had to be dropped for lack of room."""
        gone: list[Cookie] = []
        for cookie in cookies:
            key = (cookie.domain, cookie.path, cookie.name)
            if cookie.value is None:
                self._cookies.pop(key, None)
            else:
                self._cookies[key] = cookie  # one that is set again keeps its place
            while len(self._cookies) > _MOST_COOKIES:
                gone.append(self._cookies.pop(next(iter(self._cookies))))
        return gone

    def header(self, url: str, now_us: int, own: str = "") -> str:
        """Return the value of the one Cookie header of a request to `url`, "" for none; longer paths come first.

        `own` is the request's own header: it comes first, and its names are not sent a second time.
        """
        if not self._cookies:
            return own
        sender = sender_of(url)
        named = {pair.partition("=")[0].strip(" \t") for pair in own.split(";")}
        fitting = [
            cookie
            for cookie in self._cookies.values()
            if (sender.host == cookie.domain if cookie.host_only else domain_matches(sender.host, cookie.domain))
            and path_matches(sender.path, cookie.path)
            and (sender.trusted or not cookie.secure)
            and (cookie.expires_us is None or cookie.expires_us > now_us)
            and cookie.name not in named
        ]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        pairs = [f"{cookie.name}={cookie.value}" for cookie in fitting]
        return "; ".join((own, *pairs) if own else pairs)

    def _would_hide_a_secure_one(self, cookie: Cookie, sender: Sender) -> bool:
        """Return whether plain HTTP would replace or hide a cookie that came over https (by the rule of browsers)."""
        return not sender.trusted and any(
            kept.secure
            and kept.name == cookie.name
            and (domain_matches(kept.domain, cookie.domain) or domain_matches(cookie.domain, kept.domain))
            and path_matches(cookie.path, kept.path)
            for kept in self._cookies.values()
        )


_NOTHING: Final = Received((), ())
