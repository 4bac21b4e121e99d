"""Builds the exact URL of a request: ASCII, valid, encoded once. It must not know what the URL is for."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import quote, quote_plus

from reqflo_ray._internal.engine.values.expressions import to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.model.http.hosts import ascii_host
from reqflo_ray._internal.model.values import UNSET, JsonValue

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?", re.IGNORECASE
)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@\\%\s]+)(?::(?P<port>[0-9]{1,5})?)?")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")
# A percent sign that does not begin an escape, and whatever RFC 3986 does not allow.
_NOT_IN_PATH: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]")
# What cannot be in a request line. RFC 3986 does not allow brackets and braces in a query either, but browsers and curl
# send them as they are; an author who wants them encoded writes them so.
_NOT_IN_QUERY: Final = re.compile(r"[^\x21-\x7e]")
_NOT_IN_QUERY_OF_0_1_0: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]")


def absolute_url(text: str) -> str:
    """Return `text` as an exact URL, without fragment. What is already encoded stays as it is.

    Raises:
        RowFault: `invalid_request`, if it is not an absolute http or https URL, or names a user.
    """
    found = _URL.match(text.strip())
    if found is None:
        raise RowFault("invalid_request", "the URL is not absolute: it must begin with http:// or https:// and a host")
    query = found["query"] or ""
    return (
        f"{found['scheme'].lower()}://{exact_authority(found['authority'])}"
        f"{encode_path(found['path'])}{_escape(_NOT_IN_QUERY, query)}"
    )


def url_of_0_1_0(text: str) -> str:
    """Return `text` as `absolute_url` does, but also encode what RFC 3986 does not allow in a query: a request of an
    unfinished run of 0.1.0 must stay the same.

    Raises:
        RowFault: `invalid_request`, as `absolute_url`.
    """
    path, mark, query = absolute_url(text).partition("?")
    return path + mark + _escape(_NOT_IN_QUERY_OF_0_1_0, query)


def base_url(text: str) -> str:
    """Return `text` as an exact URL to which a path can be joined with a slash.

    Raises:
        RowFault: `invalid_request`, as `absolute_url`, or if it has a query.
    """
    url = absolute_url(text)
    if "?" in url:
        raise RowFault("invalid_request", "a base URL cannot have a query")
    return url.rstrip("/")


def encode_path(text: str) -> str:
    """Return a literal part of a path: spaces and the like are encoded, what is already encoded is kept."""
    return _escape(_NOT_IN_PATH, text)


def encode_query(text: str) -> str:
    """Return a literal query as it is, except that what cannot be in a request line is encoded."""
    return _escape(_NOT_IN_QUERY, text)


def encode_parameter(value: JsonValue, name: str) -> str:
    """Return a value for a path: everything that is not unreserved is encoded, including `/`. `name` is for messages.

    Raises:
        RowFault: `missing_value` without a value; `invalid_request` for an empty one, which would address something
            else, and for text that cannot be encoded as UTF-8.
    """
    if value is UNSET or value is None:
        raise RowFault("missing_value", f"a part of the path has no value: {name}")
    text = to_text(value)
    if not text:
        raise RowFault("invalid_request", f"a part of the path is empty: {name}")
    return _quoted(text)


def no_step(segment: str) -> str:
    """Return `segment` so that it is not a step to another segment: the dots of `.` and `..` are encoded."""
    # Hardly any segment begins like this, so the others cost nothing.
    if segment[:1] in (".", "%") and segment.lower().replace("%2e", ".") in (".", ".."):
        return segment.replace(".", "%2E")
    return segment


def encode_value(value: JsonValue) -> str:
    """Return a value for a text in a query: everything that is not unreserved is encoded.

    Raises:
        RowFault: `invalid_request` for text that cannot be encoded as UTF-8.
    """
    return _quoted(to_text(value))


def query_pairs(name: str, value: JsonValue) -> list[str]:
    """Return `name=value` for the query, encoded: one per item of a list, none for `UNSET`. Null is sent as empty.

    Raises:
        RowFault: `invalid_request` for text that cannot be encoded as UTF-8.
    """
    if value is UNSET:
        return []
    if isinstance(value, list | tuple):
        return [f"{name}={'' if item is None else _quoted(to_text(item))}" for item in value]
    return [f"{name}={'' if value is None else _quoted(to_text(value))}"]


def form_pairs(name: str, value: JsonValue) -> list[str]:
    """Return what `query_pairs` does, in the encoding of forms (a space is `+`). `name` is not yet encoded."""
    items = value if isinstance(value, list | tuple) else [] if value is UNSET else [value]
    try:
        key = quote_plus(name)
        return [f"{key}={'' if item is None else quote_plus(to_text(item))}" for item in items]
    except UnicodeEncodeError:
        raise _no_utf8() from None


def origin_of(url: str) -> str:
    """Return scheme, host, and port of a URL that `absolute_url` returned."""
    scheme, _, behind = url.partition("://")
    return f"{scheme}://{behind.split('/', 1)[0].split('?', 1)[0]}"


def host_of(url: str) -> str:
    """Return the host of a URL that `absolute_url` returned, without port or brackets."""
    authority = origin_of(url).partition("://")[2]
    host = authority.split("]", 1)[0] if authority.startswith("[") else authority.split(":", 1)[0]
    return host.strip("[]")


def exact_authority(text: str) -> str:
    """Return host and port of a URL, the host in ASCII.

    Raises:
        RowFault: `invalid_request`, if they are not valid, or name a user.
    """
    if "@" in text:
        raise RowFault("invalid_request", "the URL names a user; send credentials in an Authorization header instead")
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found["port"] or 0) > 65535:
        raise RowFault("invalid_request", "the URL has no valid host and port")
    host = found["host"]
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise RowFault("invalid_request", "the URL's host is not a valid IPv6 address") from None
    elif not _HOST.fullmatch(host):
        try:
            host = ascii_host(host)
        except ValueError:
            host = ""
        if not _HOST.fullmatch(host):
            raise RowFault("invalid_request", "the URL's host is not a valid name")
    return f"{host}:{found['port']}" if found["port"] else host


def _escape(unsafe: re.Pattern[str], text: str) -> str:
    try:
        return unsafe.sub(lambda found: quote(found[0], safe=""), text)
    except UnicodeEncodeError:
        raise _no_utf8() from None


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise _no_utf8() from None


def _no_utf8() -> RowFault:
    return RowFault("invalid_request", "a value holds half of a surrogate pair, which cannot be sent")
