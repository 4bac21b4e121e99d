"""The messages for failed exchanges, the same for every engine. It knows the socket and TLS errors of Python, and must
not know those of an HTTP library, nor quote a header, body, path, or query in a message: `shown` holds such bytes."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from reqflo_ray._internal.descriptors import NONE_FREE
from reqflo_ray._internal.http.exchange.refusals import head_so_far
from reqflo_ray._internal.model.http.exchange import FailureKind, Headers


class ExchangeError(Exception):
    """There is no complete response, for the reason `kind`. `message` is one sentence that a report may show; `shown`
    are the bytes of the answer that it refers to, which are not masked."""

    def __init__(self, kind: FailureKind, message: str, shown: bytes = b"") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.shown = shown


_UNREACHABLE: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETDOWN, errno.EHOSTDOWN}
)
_CLOSED: Final = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ESHUTDOWN, errno.ENOTCONN})
_NO_BUFFER: Final = frozenset({errno.ENOBUFS, errno.ENOMEM})

# OpenSSL's X509_V_ERR_* numbers.
_CERTIFICATE_REASONS: Final = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate chain ends in an unknown self-signed certificate",
    20: "its certificate was issued by an unknown authority",
    21: "its certificate was issued by an unknown authority",
    23: "its certificate has been revoked",
    62: "its certificate is for another host",
    64: "its certificate is for another address",
}
_HANDSHAKE_REASONS: Final = (
    ("CERTIFICATE_REQUIRED", "it requires a client certificate"),
    ("PROTOCOL_VERSION", "it offers no TLS version that is accepted here"),
    ("UNSUPPORTED_PROTOCOL", "it offers no TLS version that is accepted here"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS on this port (is it http?)"),
    ("RECORD_LAYER_FAILURE", "it does not speak TLS on this port (is it http?)"),
    ("UNKNOWN_CA", "it does not trust the issuer of the client certificate"),
    ("BAD_CERTIFICATE", "it does not accept the client certificate"),
    ("HANDSHAKE_FAILURE", "it refused the handshake (no common cipher, or a client certificate is missing)"),
    ("UNRECOGNIZED_NAME", "it does not serve this host name"),
    ("UNEXPECTED_EOF", "it closed the connection during the handshake"),
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, the error that it was raised from, and so on."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = getattr(current, "os_error", None)
        current = inner if isinstance(inner, BaseException) else current.__cause__ or current.__context__


def tls_error(error: BaseException) -> ssl.SSLError | None:
    """Return the TLS error that caused `error`, if there is one."""
    # The innermost one is from OpenSSL; libraries derive theirs from the same classes and fill them differently.
    found = [cause for cause in causes(error) if isinstance(cause, ssl.SSLError)]
    return found[-1] if found else None


def tls_failure(error: ssl.SSLError | None, authority: str) -> ExchangeError:
    """Return the error of a failed TLS handshake with `authority` (`host:port`), with its reason in plain words."""
    return ExchangeError(FailureKind.TLS, f"no TLS connection to {authority}: {_tls_reason(error)}")


def connect_failure(error: BaseException, authority: str) -> ExchangeError:
    """Return the error of a failed connection to `authority`, by the system's error number."""
    numbers = {cause.errno for cause in causes(error) if isinstance(cause, OSError)}
    if errno.ECONNREFUSED in numbers or any(isinstance(cause, ConnectionRefusedError) for cause in causes(error)):
        return ExchangeError(FailureKind.REFUSED, f"{authority} refused the connection")
    if numbers & NONE_FREE:
        return no_descriptor_failure()
    if numbers & _NO_BUFFER:
        return ExchangeError(FailureKind.NO_BUFFER, "this machine has no memory left for a connection")
    if errno.EADDRNOTAVAIL in numbers and _no_port_is_free():
        return ExchangeError(FailureKind.NO_PORT, "this machine has no free port for a connection")
    if numbers & _CLOSED:
        return ExchangeError(FailureKind.CLOSED, f"{authority} closed the connection while it was being opened")
    if errno.ETIMEDOUT in numbers:
        return ExchangeError(FailureKind.CONNECT_TIMEOUT, f"{authority} did not answer the connection attempt")
    if numbers & _UNREACHABLE:
        return ExchangeError(FailureKind.UNREACHABLE, f"there is no route to {authority}")
    return ExchangeError(FailureKind.UNREACHABLE, f"{authority} cannot be reached")


def no_descriptor_failure() -> ExchangeError:
    """Return the error of a process that may not open more files."""
    return ExchangeError(FailureKind.NO_DESCRIPTOR, "this machine has no free file descriptor for a connection")


def _no_port_is_free() -> bool:
    # The same number means an address that cannot be used here, such as an IPv6 address without IPv6.
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("", 0))
    except OSError as problem:
        return problem.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
    return False


def dns_failure(host: str) -> ExchangeError:
    """Return the error of a name that has no address, or for which the name service does not answer."""
    return ExchangeError(FailureKind.DNS, f"the host name {host} cannot be resolved")


def blocked_failure(host: str) -> ExchangeError:
    """Return the error of a target that is link-local or a metadata service."""
    text = f"{host} is a link-local or metadata address, which requests may not reach"
    return ExchangeError(FailureKind.BLOCKED, text)


def closed_failure(authority: str, beginning: bytes = b"") -> ExchangeError:
    """Return the error of a connection that ended before a whole response head; `beginning` is what had arrived."""
    text = f"{authority} closed the connection before it answered"
    if not beginning:
        return ExchangeError(FailureKind.CLOSED, text)
    line = head_so_far(beginning)
    if not line:
        return ExchangeError(FailureKind.CLOSED, f"{text}, after an interim answer")
    text = f"{authority} closed the connection in the middle of the response head, after {len(beginning)} bytes"
    return ExchangeError(FailureKind.CLOSED, text, line)


def short_body_failure(authority: str, received: int, headers: Headers) -> ExchangeError:
    """Return the error of a connection that ended within the body, after `received` bytes of it."""
    announced = next((value for name, value in headers if name.lower() == "content-length"), "")
    of = f"{received} of {announced} bytes of the body" if announced else f"{received} bytes of an unfinished body"
    return ExchangeError(FailureKind.SHORT_BODY, f"{authority} closed the connection after {of}")


def protocol_failure(authority: str, what: str, shown: bytes = b"") -> ExchangeError:
    """Return the error of an answer that is not valid HTTP; `what` says why, and `shown` are the bytes concerned."""
    return ExchangeError(FailureKind.PROTOCOL, f"the answer of {authority} {what}", shown)


def _tls_reason(error: ssl.SSLError | None) -> str:
    if error is None:
        return "it closed the connection during the handshake"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_REASONS.get(error.verify_code, "its certificate cannot be verified")
    text = str(error).upper().replace(" ", "_")
    return next((words for key, words in _HANDSHAKE_REASONS if key in text), "the handshake failed")
