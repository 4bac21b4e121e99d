"""Makes the transport for the HTTP settings of a run. It must not import an HTTP library that is not chosen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.engines.proxy import Credentials, Proxy
from reqflo_ray._internal.http.transport import Engine, EngineTransport
from reqflo_ray._internal.model.http.exchange import Transport
from reqflo_ray._internal.model.http.proxy import ENGINE_SCHEMES, unsupported_scheme
from reqflo_ray._internal.model.plan import HttpSettings

if TYPE_CHECKING:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessApi


def create_transport(
    settings: HttpSettings,
    *,
    limit: int,
    short: Callable[[int], None] = lambda possible: None,
    credentials: Credentials = lambda: ("", ""),
    api: InProcessApi | None = None,
) -> Transport:
    """Return a transport with at most `limit` connections at a time; further requests wait for one. `short` is called
    with the number of requests that this machine can have in flight, whenever that is less than there are.
    `credentials` returns those of the proxy when they are first needed. `api` answers in place of the network.

    It needs no running event loop, but then serves only the loop of its first request. Raises `DefinitionError` for an
    unknown engine, a proxy that the engine cannot use, or TLS files that cannot be used.
    """
    if (fault := engine_fault(settings)) is not None:
        raise fault
    proxy = Proxy(settings, credentials) if settings.proxy else None
    if proxy is not None and (wrong := unsupported_scheme(settings.engine, proxy.scheme)) is not None:
        message, hint = wrong
        raise DefinitionError(message, code="unsupported_proxy", hint=hint)
    engine = _in_process(settings, api) if api is not None else _create_engine(settings, max(1, limit), proxy)
    return EngineTransport(engine, settings, short)


def engine_fault(settings: HttpSettings) -> DefinitionError | None:
    """Return why the engine of `settings` cannot be used in this process, None if it can."""
    if settings.engine not in ENGINE_SCHEMES:
        hint = f"set `http.engine` to one of: {', '.join(ENGINE_SCHEMES)}"
        return DefinitionError(f"the HTTP engine `{settings.engine}` is unknown", code="unknown_http_engine", hint=hint)
    if importlib.util.find_spec(settings.engine) is None:
        message = f"the HTTP engine `{settings.engine}` is not installed"
        hint = f"install the package `{settings.engine}` on every machine that executes rows, or remove `http.engine`"
        return DefinitionError(message, code="unknown_http_engine", hint=hint)
    return None


def _in_process(settings: HttpSettings, api: InProcessApi) -> Engine:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessEngine

    return InProcessEngine(api, max_body_bytes=settings.max_body_bytes)


def _create_engine(settings: HttpSettings, limit: int, proxy: Proxy | None) -> Engine:
    if settings.engine == "httptools":
        from reqflo_ray._internal.http.engines.httptools_engine import HttptoolsEngine

        return HttptoolsEngine(settings, limit=limit, proxy=proxy)
    from reqflo_ray._internal.http.engines.httpx_engine import HttpxEngine

    return HttpxEngine(settings, limit=limit, proxy=proxy)
