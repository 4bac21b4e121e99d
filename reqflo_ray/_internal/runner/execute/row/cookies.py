"""Holds the cookies of a row while it runs: every hop reads and stores them, changes go to the journal, and ignored
cookies to the log. It must not know what a cookie means, which the engine decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reqflo_ray._internal.engine.requests.cookies import CookieJar
from reqflo_ray._internal.engine.requests.set_cookie import sender_of
from reqflo_ray._internal.model.http.exchange import Headers
from reqflo_ray._internal.model.journal import Cookie


class RowCookies:
    """A `CookieStore` for the jar of a row. `now_us` is the worker's clock; `log` takes the kind and text of a line."""

    def __init__(self, now_us: Callable[[], int], log: Callable[[str, str], None]) -> None:
        self._jar = CookieJar()
        self._now_us = now_us
        self._log = log
        self._changes: list[Cookie] = []

    def header(self, url: str, own: str) -> str:
        """See `CookieStore.header`."""
        return self._jar.header(url, self._now_us(), own)

    def receive(self, url: str, headers: Headers) -> None:
        """See `CookieStore.receive`."""
        changes, refused = self._jar.store(url, headers, self._now_us())
        self._changes += changes
        for name, reason in refused:
            cookie = f"the cookie `{name}`" if name else "a cookie"
            self._log("cookie", f"{cookie} from {sender_of(url).host} is ignored: {reason}")

    def take_changes(self) -> tuple[Cookie, ...]:
        """Return the changes since the last call, in order."""
        changes = tuple(self._changes)
        self._changes.clear()
        return changes

    def restore(self, cookies: Iterable[Cookie]) -> None:
        """Apply changes from the journal."""
        self._jar.restore(cookies)
