"""Builds the TLS settings of a run from its HTTP settings. Knows nothing of requests."""

from __future__ import annotations

import os
import ssl
from time import perf_counter
from typing import Any

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH
from reqflo_ray._internal.model.plan import HttpSettings


class TimedContext(ssl.SSLContext):
    """Notes when a handshake begins: event loops ask the context for a TLS object at that moment, and tell the time of
    connection and handshake only together."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        watch = CURRENT_WATCH.get(None)
        if watch is not None:
            watch.tls_start = perf_counter()
        return super().wrap_bio(*args, **kwargs)


def create_context(settings: HttpSettings) -> ssl.SSLContext:
    """A client context: `ca_file` replaces the system's authorities; `verify` off accepts any certificate.

    Raises `DefinitionError` if a named file cannot be read or is no certificate or key.
    """
    context = TimedContext(ssl.PROTOCOL_TLS_CLIENT)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif settings.ca_file:
        _need_file("http.ca_file", settings.ca_file)
        _load("http.ca_file", settings.ca_file, lambda: context.load_verify_locations(cafile=settings.ca_file))
    else:
        context.load_default_certs()
    if settings.client_certificate:
        key = settings.client_key or None
        _need_file("http.client_certificate", settings.client_certificate)
        _need_file("http.client_key", settings.client_key)
        _load(
            "http.client_certificate",
            settings.client_certificate,
            # An empty password keeps OpenSSL from asking for one on the terminal.
            lambda: context.load_cert_chain(settings.client_certificate, key, password=""),
        )
    elif settings.client_key:
        raise DefinitionError(
            "a client key is set without a client certificate",
            code="invalid_tls_settings",
            hint="set http.client_certificate to the PEM file of the certificate",
        )
    return context


def _need_file(setting: str, path: str) -> None:
    # OpenSSL would wait for a writer of a FIFO.
    if os.path.exists(path) and not os.path.isfile(path):
        raise DefinitionError(
            f"{setting} cannot be used: {path}",
            code="invalid_tls_settings",
            cause="it is no regular file",
            hint="give the path of a PEM file that exists on every worker",
        )


def _load(setting: str, path: str, load: Any) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise DefinitionError(
            f"{setting} cannot be used: {path}",
            code="invalid_tls_settings",
            cause="there is no such file"
            if missing
            else "it is not a readable PEM file, or key and certificate differ",
            hint="give the path of a PEM file that exists on every worker",
        ) from None
