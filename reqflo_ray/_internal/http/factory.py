"""Makes the transport that a run's HTTP settings ask for. Imports an HTTP library only when it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.transport import Engine, EngineTransport
from reqflo_ray._internal.model.exchange import Transport
from reqflo_ray._internal.model.plan import HttpSettings

_PROXY_SCHEMES = {
    "httptools": ("http", "https"),
    "aiohttp": ("http", "https"),
    "httpx": ("http", "https", "socks5", "socks5h"),
}


def create_transport(
    settings: HttpSettings, *, limit: int, short: Callable[[int], None] = lambda possible: None
) -> Transport:
    """A transport with at most `limit` connections at a time; requests beyond it wait for one. `short` is called with
    the number of requests that this machine can carry at once, whenever that turns out to be less than there are.

    Needs no running event loop, but serves only the loop of its first request. Raises `DefinitionError` for an unknown
    engine, a proxy that the engine cannot use, or unusable TLS files.
    """
    if settings.engine not in _PROXY_SCHEMES:
        raise DefinitionError(
            f"unknown HTTP engine: {settings.engine}",
            code="unknown_http_engine",
            hint=f"set http.engine to one of: {', '.join(_PROXY_SCHEMES)}",
        )
    _check_proxy(settings)
    return EngineTransport(_create_engine(settings, max(1, limit)), settings, short)


def _create_engine(settings: HttpSettings, limit: int) -> Engine:
    # httptools reads messages and nothing else: what a proxy needs beyond that, aiohttp has.
    if settings.engine == "httptools" and not settings.proxy:
        from reqflo_ray._internal.http.engines.httptools_engine import HttptoolsEngine

        return HttptoolsEngine(settings, limit=limit)
    if settings.engine in ("httptools", "aiohttp"):
        from reqflo_ray._internal.http.engines.aiohttp_engine import AiohttpEngine

        return AiohttpEngine(settings, limit=limit)
    from reqflo_ray._internal.http.engines.httpx_engine import HttpxEngine

    return HttpxEngine(settings, limit=limit)


def _check_proxy(settings: HttpSettings) -> None:
    if not settings.proxy:
        return
    try:
        parts = urlsplit(settings.proxy)
        valid = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    scheme = settings.proxy.partition("://")[0].lower()
    # The proxy's URL may hold a password, so it is not quoted.
    if not valid:
        raise DefinitionError("the proxy is not a URL with a host", code="invalid_proxy", hint="http://HOST:PORT")
    if scheme not in _PROXY_SCHEMES[settings.engine]:
        raise DefinitionError(
            f"the HTTP engine {settings.engine} cannot use a proxy of the kind {scheme}",
            code="unsupported_proxy",
            hint="set http.engine to httpx for SOCKS proxies" if scheme.startswith("socks") else "use an http:// proxy",
        )
