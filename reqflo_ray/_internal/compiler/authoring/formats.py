"""Texts with a format of their own in the settings: URLs, proxies, bypassed hosts, path patterns, and worker counts.

Each is a type with its check, which says exactly what is wrong, and a pattern for editors, which refuses most of it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.http.proxy import NO_PROXY, Bypass, parse_proxy_url
from reqflo_ray._internal.model.plan import HttpSettings
from reqflo_ray._internal.model.workers import parse_workers

# An engine of 0.1.0. What it did, the default one does.
RETIRED_ENGINE: Final = "aiohttp"
_BASE_URL: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?", re.IGNORECASE)
_PROXY_HINT: Final = "write `http://HOST:PORT`, or `none`"


def _without_credentials(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = None
    if parts is None or (parts.username or parts.password) is not None:
        message = "a base URL must be valid, and must not hold a user name or password"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message})
    return text


def _engine(given: Any) -> Any:
    # `check` warns about it.
    return HttpSettings().engine if given == RETIRED_ENGINE else given


def _proxy_url(text: str) -> str:
    if text in ("", NO_PROXY):
        return text
    wrong = ""
    if "{{" in text:
        wrong = "it holds an expression, which only `username` and `password` may"
    elif "@" in text:
        wrong = "it holds a user name or password"
    else:
        try:
            parse_proxy_url(text)
        except ValueError as error:
            wrong = str(error)
    if wrong:
        text, hint = f"the URL of a proxy cannot be used: {wrong}", _PROXY_HINT
        raise PydanticCustomError("wrong_value", "{text}", {"text": text, "hint": hint})
    return text


def _proxy_password(text: str) -> str:
    if text and "{{" not in text:
        message, hint = "a password must not be in a file", "refer to a secret: `{{ secrets.PROXY_PASSWORD }}`"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message, "hint": hint})
    return text


def _bypass_entry(text: str) -> str:
    try:
        Bypass((text,))
    except ValueError as error:
        hint = "write it as `api.example`, `.internal`, `10.0.0.0/8`, or `localhost`, with `:PORT` if needed"
        raise PydanticCustomError("wrong_value", "{text}", {"text": str(error), "hint": hint}) from None
    return text


def _base_url(text: str) -> str:
    """Return an absolute URL without query or fragment. One that holds expressions is checked when it is rendered."""
    if "{{" not in text and not _BASE_URL.fullmatch(text):
        message = "a base URL starts with `http://` or `https://` and a host, and has no query"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message})
    return _without_credentials(text)


def _workers(given: Any) -> int | str | None:
    if given is None:
        return None
    try:
        # One check for both types: a union would report the same mistake once for each.
        parse_workers(str(given))
    except UsageError as error:
        raise PydanticCustomError("wrong_value", "{text}", {"text": f"{error.message}: {error.cause}"}) from None
    workers: int | str = given
    return workers


def _path_pattern(text: str) -> str:
    if not text.strip("./") or text.startswith("/") or ".." in text.split("/") or "\\" in text:
        message = "a pattern must be a path relative to the workspace, with `/` between names"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message})
    return text


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


_HOST_AND_PORT: Final = r"(\[[^\]]*\]|[^:/?#\[\]@\s{]+)(:[0-9]{1,5})?/?"
PROXY_SHORT_FORM: Final = _text(r"^(none)?$|^[A-Za-z0-9+.-]+://([^@:]*(:([^@]*\{\{[^@]*)?)?@)?" + _HOST_AND_PORT + "$")
"""A proxy as one text, which may hold a user name and a reference to the secret that is the password."""

Engine = Annotated[
    Literal["httptools", "httpx"],
    BeforeValidator(_engine),
    WithJsonSchema({"type": "string", "enum": ["httptools", "httpx", RETIRED_ENGINE]}),
]
ProxyUrlText = Annotated[
    str,
    AfterValidator(_proxy_url),
    WithJsonSchema(_text(r"^(none)?$|^[A-Za-z0-9+.-]+://" + _HOST_AND_PORT + "$")),
]
ProxyPassword = Annotated[str, AfterValidator(_proxy_password), WithJsonSchema(_text(r"^$|\{\{"))]
BypassEntry = Annotated[str, AfterValidator(_bypass_entry)]
BaseUrl = Annotated[
    str,
    AfterValidator(_base_url),
    WithJsonSchema(_text(r"\{\{|^[hH][tT][tT][pP][sS]?://[^/?#\s@]+(/[^?#\s]*)?$")),
]
PathPattern = Annotated[
    str,
    AfterValidator(_path_pattern),
    WithJsonSchema(_text(r"^(?!/)(?!(.*/)?\.\.(/|$))(?=[./]*[^./])[^\\]*$")),
]
Workers = Annotated[
    int | str | None,
    PlainValidator(_workers),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 999_999},
                _text(r"^\s*(auto|0*[1-9][0-9]{0,5}(:0*[1-9][0-9]{0,5})?)?\s*$"),
                {"type": "null"},
            ]
        }
    ),
]
