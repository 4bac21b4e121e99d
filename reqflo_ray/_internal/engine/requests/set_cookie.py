"""Reads one `Set-Cookie` line as browsers do: RFC 6265, 5.1 and 5.2, with the name prefixes of its revision.

It must not know other cookies.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from reqflo_ray._internal.model.journal import Cookie

_LONGEST_COOKIE: Final = 4096  # bytes of name and value
_LONGEST_ATTRIBUTE: Final = 1024
_LONGEST_SHOWN: Final = 100
# A longer life makes no difference to a row.
_LONGEST_LIFE_SECONDS: Final = 400 * 24 * 3600

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_AGE: Final = re.compile(r"-?[0-9]+")
# A cookie's date (5.1.1): tokens in any order; the first one that matches is the time, the day, the month, the year.
_DELIMITERS: Final = re.compile(r"[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY: Final = re.compile(r"[0-9]{1,2}(?![0-9])")
_YEAR: Final = re.compile(r"[0-9]{2,4}(?![0-9])")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Sender(NamedTuple):
    """The server of a URL. `path` is as sent; `trusted`: nobody else can listen, as with https and on loopback."""

    host: str
    path: str
    trusted: bool


class Refused(NamedTuple):
    """A cookie that is not kept: its name ("" if it has none that can be shown) and the reason, without its value."""

    name: str
    reason: str


def sender_of(url: str) -> Sender:
    """Return the server that a request to `url` reaches."""
    target = urlsplit(url)
    host = (target.hostname or "").rstrip(".")
    return Sender(host, target.path or "/", target.scheme == "https" or _is_loopback(host))


def read_set_cookie(line: str, sender: Sender, now_us: int, date_us: int | None) -> Cookie | Refused:
    """Return the cookie of one Set-Cookie line, without a value if it deletes one.

    Args:
        now_us: when the line arrived, in microseconds since the epoch.
        date_us: the same instant by the clock of the server, to which `Expires` refers; None if unknown.
    """
    pair, *rest = line.split(";")
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    shown = name if equals and len(name) <= _LONGEST_SHOWN else ""
    if _CONTROL.search(line):
        return Refused("", "it contains a control character")
    if not equals or not name:
        return Refused("", "it has no name")
    if len((name + value).encode("utf-8", "surrogateescape")) > _LONGEST_COOKIE:
        return Refused(shown, f"its name and value have more than {_LONGEST_COOKIE} bytes")
    attributes = _attributes(rest, now_us if date_us is None else date_us)
    domain = attributes.domain
    problem = _problem(name, attributes, sender)
    if problem:
        return Refused(shown, problem)
    life = attributes.life_seconds
    return Cookie(
        name=name,
        value=value if life is None or life > 0 else None,
        domain=domain or sender.host,
        # A Domain equal to the host includes its subdomains, unless the host cannot have any.
        host_only=not domain or "." not in domain or _is_address(domain),
        path=attributes.path or default_path(sender.path),
        secure=attributes.secure,
        expires_us=None if life is None or life <= 0 else now_us + int(life * 1_000_000),
    )


def domain_matches(host: str, domain: str) -> bool:
    """Return whether `host` is `domain` or a name below it (RFC 6265, 5.1.3)."""
    return host == domain or (host.endswith(f".{domain}") and not _is_address(host))


def path_matches(path: str, prefix: str) -> bool:
    """Return whether `path` is `prefix` or is below it (RFC 6265, 5.1.4)."""
    return path == prefix or (path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/"))


def default_path(path: str) -> str:
    """Return the path of a cookie that names none (RFC 6265, 5.1.4)."""
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def cookie_date_us(text: str) -> int | None:
    """Return the instant of a cookie's date (RFC 6265, 5.1.1), in microseconds since the epoch; None if invalid."""
    time: re.Match[str] | None = None
    day = month = year = -1
    for token in _DELIMITERS.split(text):
        if time is None and (found := _TIME.match(token)):
            time = found
        elif day < 0 and (found := _DAY.match(token)):
            day = int(found[0])
        elif month < 0 and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year < 0 and (found := _YEAR.match(token)):
            year = int(found[0])
    if 0 <= year < 100:
        year += 1900 if year >= 70 else 2000
    if time is None or year < 1601:
        return None
    try:
        moment = datetime(year, month, day, int(time[1]), int(time[2]), int(time[3]), tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1)


class _Attributes(NamedTuple):
    """The attributes of a cookie. `life_seconds` is None if it lives as long as the row."""

    domain: str = ""
    path: str = ""
    secure: bool = False
    life_seconds: float | None = None


def _attributes(written: list[str], now_us: int) -> _Attributes:
    """Read the attributes. The last one of a repeated attribute counts, and an unreadable one is ignored."""
    read = _Attributes()
    age: float | None = None
    for attribute in written:
        key, _, text = (part.strip(" \t") for part in attribute.partition("="))
        if len(text) > _LONGEST_ATTRIBUTE:
            continue
        match key.lower():
            case "domain" if text:
                read = read._replace(domain=text.lower().removeprefix(".").rstrip(".").strip("[]"))
            case "path":
                read = read._replace(path=text if text.startswith("/") else "")
            case "secure":
                read = read._replace(secure=True)
            case "max-age" if _AGE.fullmatch(text):
                age = float(min(int(text[:20]), _LONGEST_LIFE_SECONDS))
            case "expires" if (moment := cookie_date_us(text)) is not None:
                read = read._replace(life_seconds=min((moment - now_us) / 1_000_000, _LONGEST_LIFE_SECONDS))
    return read if age is None else read._replace(life_seconds=age)


def _problem(name: str, attributes: _Attributes, sender: Sender) -> str:
    """Return why a cookie must not be kept, "" if it may be."""
    domain, secure = attributes.domain, attributes.secure
    if domain and domain != sender.host:
        shown = f" `{domain}`" if len(domain) <= _LONGEST_SHOWN else ""
        if not domain_matches(sender.host, domain):
            return f"its Domain{shown} is neither {sender.host} nor above it"
        if "." not in domain:
            return f"its Domain{shown} is a whole top-level domain"
    if secure and not sender.trusted:
        return "it is Secure, but came over plain HTTP"
    prefix = name[:9].lower()
    if prefix == "__secure-" and not secure:
        return "a name that begins with `__Secure-` requires Secure"
    if prefix.startswith("__host-") and not (secure and not domain and attributes.path == "/"):
        return "a name that begins with `__Host-` requires Secure, Path=/, and no Domain"
    return ""


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    """Return whether the text of `host` names this machine, as in browsers (Secure Contexts, 3.1)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback
