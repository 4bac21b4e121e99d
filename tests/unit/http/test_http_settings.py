"""Making a transport from settings, and the words for system errors."""

from __future__ import annotations

import errno
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.addresses.tls import create_context
from reqflo_ray._internal.http.exchange.failures import causes, connect_failure, tls_failure
from reqflo_ray._internal.http.exchange.watch import Watch
from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.model.http.exchange import FailureKind
from reqflo_ray._internal.model.plan import HttpSettings


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DefinitionError) as caught:
        create_transport(HttpSettings(engine="curl"), limit=1)
    assert caught.value.code == "unknown_http_engine"
    assert "httptools, httpx" in caught.value.hint


@pytest.mark.parametrize(
    ("engine", "proxy", "code"),
    [
        ("httptools", "socks5://127.0.0.1:1080", "unsupported_proxy"),
        ("httptools", "ftp://127.0.0.1", "unsupported_proxy"),
        ("httpx", "ftp://127.0.0.1", "unsupported_proxy"),
        ("httpx", "127.0.0.1:3128", "invalid_proxy"),
        ("httptools", "http://", "invalid_proxy"),
        ("httptools", "http://user:hunter2@:80", "invalid_proxy"),
        ("httptools", "http://h:99999", "invalid_proxy"),
        ("httptools", "http://[::1", "invalid_proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_without_quoting_it(engine: str, proxy: str, code: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        create_transport(HttpSettings(engine=engine, proxy=proxy), limit=1)
    assert caught.value.code == code
    assert "hunter2" not in f"{caught.value}{caught.value.cause}{caught.value.hint}"


@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_a_transport_can_be_made_outside_of_an_event_loop(engine: str) -> None:
    assert create_transport(HttpSettings(engine=engine), limit=4) is not None


def test_no_http_library_is_imported_before_it_is_chosen() -> None:
    code = (
        "import sys, reqflo_ray._internal.http.factory\n"
        "print(sorted({'httptools', 'httpx', 'httpcore', 'brotli'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_verification_is_on_unless_turned_off() -> None:
    context = create_context(HttpSettings())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    context = create_context(HttpSettings(verify=False))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("setting", ["ca_file", "client_certificate"])
def test_an_unusable_tls_file_is_refused(tmp_path: Path, setting: str, content: bytes | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
    settings = HttpSettings(ca_file=str(path)) if setting == "ca_file" else HttpSettings(client_certificate=str(path))
    with pytest.raises(DefinitionError) as caught:
        create_context(settings)
    assert caught.value.code == "invalid_tls_settings"
    assert f"http.{setting}" in caught.value.message
    assert ("does not exist" in caught.value.cause) is (content is None)


def test_a_client_key_alone_is_refused() -> None:
    with pytest.raises(DefinitionError) as caught:
        create_context(HttpSettings(client_key="key.pem"))
    assert caught.value.code == "invalid_tls_settings"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ECONNREFUSED, FailureKind.REFUSED),
        (errno.EHOSTUNREACH, FailureKind.UNREACHABLE),
        (errno.ENETUNREACH, FailureKind.UNREACHABLE),
        (errno.EMFILE, FailureKind.NO_DESCRIPTOR),
        (errno.ENFILE, FailureKind.NO_DESCRIPTOR),
        (errno.ENOBUFS, FailureKind.NO_BUFFER),
        (errno.ENOMEM, FailureKind.NO_BUFFER),
        (errno.EADDRNOTAVAIL, FailureKind.UNREACHABLE),
        (errno.ECONNRESET, FailureKind.CLOSED),
        (errno.ETIMEDOUT, FailureKind.CONNECT_TIMEOUT),
        (errno.EPERM, FailureKind.UNREACHABLE),
    ],
)
def test_system_errors_have_their_kinds(number: int, kind: FailureKind) -> None:
    try:
        try:
            raise OSError(number, "text of the system")
        except OSError as inner:
            raise RuntimeError("library") from inner
    except RuntimeError as outer:
        failure = connect_failure(outer, "h:80")
    assert failure.kind is kind
    assert "text of the system" not in failure.message


def test_a_chain_of_causes_that_bites_its_tail_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert", "client certificate"),
        ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version", "TLS version"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
        ("something new", "the handshake failed"),
    ],
)
def test_tls_errors_have_their_reasons(text: str, words: str) -> None:
    failure = tls_failure(ssl.SSLError(1, text), "h:443")
    assert failure.kind is FailureKind.TLS
    assert words in failure.message


def test_phases_that_did_not_happen_have_no_time_and_none_is_negative() -> None:
    watch = Watch((), 1.0)
    timings = watch.timings(watch.began)
    assert (timings.blocked_ms, timings.dns_ms, timings.connect_ms, timings.wait_ms) == (None, None, None, None)
    watch.sent, watch.head = 5.0, 4.0
    assert watch.timings(watch.began).wait_ms == 0.0


@pytest.mark.parametrize("setting", ["ca_file", "client_certificate", "client_key"])
def test_a_fifo_in_the_place_of_a_certificate_is_refused_and_not_waited_for(tmp_path: Path, setting: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "pem").write_text("x")
    settings: dict[str, Any] = {"client_certificate": str(tmp_path / "pem")} if setting == "client_key" else {}
    with pytest.raises(DefinitionError) as caught:
        create_context(HttpSettings(**{**settings, setting: str(tmp_path / "fifo")}))
    assert (caught.value.code, caught.value.cause) == ("invalid_tls_settings", "it is not a regular file")
