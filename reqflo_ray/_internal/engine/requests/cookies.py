"""A row's cookies (RFC 6265): kept from responses, sent with requests. It must not know time, files or other rows."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from reqflo_ray._internal.model.exchange import Headers
from reqflo_ray._internal.model.journal import Cookie

_MOST_COOKIES: Final = 300
_LONGEST_COOKIE: Final = 4096
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class CookieJar:
    """The cookies of one row, in the order in which they were first set."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def store(self, url: str, headers: Headers) -> tuple[Cookie, ...]:
        """Take the cookies of a response to `url`; returns what has changed, deletions as cookies without a value.

        An expiry deletes at once if it has passed by the response's own `Date` (without one: if it is before 2000,
        as servers write it to delete); else the cookie lives as long as the row.
        """
        target = urlsplit(url)
        host = (target.hostname or "").lower()
        date = _moment(next((value for name, value in headers if name.lower() == "date"), ""))
        changed = []
        for name, value in headers:
            if name.lower() == "set-cookie":
                cookie = _parse(value, host, target.path, target.scheme == "https", date or _LONG_AGO)
                if cookie is not None:
                    changed.append(cookie)
        self.restore(changed)
        return tuple(changed)

    def restore(self, cookies: Iterable[Cookie]) -> None:
        """Apply what `store` has returned before."""
        for cookie in cookies:
            key = (cookie.domain, cookie.path, cookie.name)
            if cookie.value is None:
                self._cookies.pop(key, None)
            else:
                self._cookies[key] = cookie
        while len(self._cookies) > _MOST_COOKIES:
            del self._cookies[next(iter(self._cookies))]

    def header(self, url: str) -> str:
        """The value of the Cookie header for a request to `url`, "" for none; longer paths come first."""
        if not self._cookies:
            return ""
        target = urlsplit(url)
        host, path = (target.hostname or "").lower(), target.path or "/"
        fitting = [
            cookie
            for cookie in self._cookies.values()
            if (host == cookie.domain if cookie.host_only else _domain_matches(host, cookie.domain))
            and _path_matches(path, cookie.path)
            and (target.scheme == "https" or not cookie.secure)
        ]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" if cookie.name else f"{cookie.value}" for cookie in fitting)


_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


def _parse(line: str, host: str, path: str, secure: bool, now: datetime) -> Cookie | None:
    """The cookie of one Set-Cookie line, None if it must be ignored."""
    if _CONTROL.search(line):
        return None
    pair, *rest = line.split(";")
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    if not equals or not name or len(name) + len(value) > _LONGEST_COOKIE:
        return None
    attributes = {}
    for attribute in rest:
        key, _, text = attribute.partition("=")
        attributes[key.strip(" \t").lower()] = text.strip(" \t")  # of a repeated attribute, the last one counts
    domain, host_only = _domain(attributes.get("domain", ""), host)
    if domain is None or ("secure" in attributes and not secure):
        return None
    cookie_path = attributes.get("path", "")
    return Cookie(
        name=name,
        value=None if _has_expired(attributes, now) else value,
        domain=domain,
        host_only=host_only,
        path=cookie_path if cookie_path.startswith("/") else _default_path(path),
        secure="secure" in attributes,
    )


def _domain(attribute: str, host: str) -> tuple[str | None, bool]:
    """The domain that a cookie is for, and whether it is for this host only; (None, …) if it may not be set."""
    wanted = attribute.lower().removeprefix(".").rstrip(".")
    if not wanted or wanted == host:
        # A host that names itself with a Domain means its subdomains too, unless it has none.
        return host, not wanted or "." not in wanted or _is_address(host)
    if "." not in wanted or not _domain_matches(host, wanted):
        return None, False
    return wanted, False


def _domain_matches(host: str, domain: str) -> bool:
    return host == domain or (host.endswith(f".{domain}") and not _is_address(host))


def _path_matches(path: str, prefix: str) -> bool:
    return path == prefix or (path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/"))


def _default_path(path: str) -> str:
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _has_expired(attributes: dict[str, str], now: datetime) -> bool:
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age):
        return age.startswith("-") or not age.strip("0")
    expires = _moment(attributes.get("expires", ""))
    return expires is not None and expires <= now


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
