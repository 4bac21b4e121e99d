"""Builds the TLS context of a run from its HTTP settings. It must not know requests."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH
from reqflo_ray._internal.model.plan import HttpSettings


class TimedContext(ssl.SSLContext):
    """Records when a handshake begins: event loops create a TLS object at that moment, and report only the total time
    of connection and handshake."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        watch = CURRENT_WATCH.get(None)
        if watch is not None:
            watch.tls_start = perf_counter()
        return super().wrap_bio(*args, **kwargs)


def create_context(settings: HttpSettings) -> ssl.SSLContext:
    """Return a client context. `ca_file` replaces the system's authorities; without `verify` any certificate passes.

    Raises `DefinitionError` if a named file cannot be read, or is not a certificate or key.
    """
    context = TimedContext(ssl.PROTOCOL_TLS_CLIENT)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not settings.ca_file:
        context.load_default_certs()
    for _, load in _files_to_load(settings, context):
        load()
    return context


def tls_faults(settings: HttpSettings) -> Iterator[tuple[str, DefinitionError]]:
    """Yield every reason why `create_context` would refuse `settings`, each with the name of the setting."""
    for setting, load in _files_to_load(settings, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)):
        try:
            load()
        except DefinitionError as fault:
            yield setting, fault


def _files_to_load(settings: HttpSettings, context: ssl.SSLContext) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the settings that name files, each with the function that loads its file into `context` or refuses it."""
    if settings.verify and settings.ca_file:
        yield "ca_file", lambda: _load_authorities(context, settings.ca_file)
    if settings.client_certificate:
        yield "client_certificate", lambda: _load_certificate(context, settings)
    elif settings.client_key:
        yield "client_key", _refuse_lone_key


def _load_authorities(context: ssl.SSLContext, file: str) -> None:
    _need_file("ca_file", file)
    try:
        context.load_verify_locations(cafile=file)
    except (OSError, ValueError) as problem:
        raise _unusable("ca_file", file, _reason(problem)) from None


def _load_certificate(context: ssl.SSLContext, settings: HttpSettings) -> None:
    _need_file("client_certificate", settings.client_certificate)
    if settings.client_key:
        _need_file("client_key", settings.client_key)
    try:
        # With an empty password, OpenSSL does not ask for one on the terminal.
        context.load_cert_chain(settings.client_certificate, settings.client_key or None, password="")
    except (OSError, ValueError) as problem:
        raise _unusable("client_certificate", settings.client_certificate, _reason(problem)) from None


def _refuse_lone_key() -> None:
    raise DefinitionError(
        "a client key is set without a client certificate",
        code="invalid_tls_settings",
        hint="set `http.client_certificate` to the PEM file of the certificate",
    )


def _need_file(setting: str, path: str) -> None:
    if not os.path.exists(path):
        raise _unusable(setting, path, "the file does not exist")
    # OpenSSL would wait for a writer if it is a FIFO.
    if not os.path.isfile(path):
        raise _unusable(setting, path, "it is not a regular file")


def _reason(problem: OSError | ValueError) -> str:
    if isinstance(problem, ssl.SSLError) and problem.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    if isinstance(problem, OSError) and problem.errno and not isinstance(problem, ssl.SSLError):
        return f"it cannot be read: {problem.strerror}"
    return "it is not a readable PEM file, it lacks its key, or the key has a passphrase"


def _unusable(setting: str, path: str, cause: str) -> DefinitionError:
    return DefinitionError(
        f"`http.{setting}` cannot be used: {path}",
        code="invalid_tls_settings",
        cause=cause,
        hint="set it to the path of a PEM file that exists on every worker",
    )
