"""TLS: what is verified, what each failure is called, client certificates, HTTP/2."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import StreamEnded

from reqflo_ray._internal.model.http.exchange import FailureKind

LABORATORY = Any
TAKE = Any
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass
class Authority:
    """Issues certificates into a folder."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.name, self.key, [], authority=True)
        self.file = self._write(f"{self.name}-ca", self.certificate)

    def issue(self, *hosts: str, starts: Any = NOW - DAY, ends: Any = NOW + DAY, self_signed: bool = False) -> Path:
        """A PEM file with key and certificate for `hosts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign("leaf", key, list(hosts), starts=starts, ends=ends, self_signed=self_signed)
        return self._write(f"leaf-{len(list(self.folder.iterdir()))}", certificate, key)

    def _sign(
        self,
        name: str,
        key: Any,
        hosts: list[str],
        *,
        authority: bool = False,
        starts: Any = NOW - DAY,
        ends: Any = NOW + DAY,
        self_signed: bool = False,
    ) -> Any:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        own = authority or self_signed
        issuer = subject if own else self.certificate.subject
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), starts, ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if hosts:
            names = [
                x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
                for host in hosts
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(key if own else self.key, hashes.SHA256())

    def _write(self, name: str, certificate: Any, key: Any = None) -> Path:
        path = self.folder / f"{name}.pem"
        data = certificate.public_bytes(serialization.Encoding.PEM)
        if key is not None:
            data += key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        path.write_bytes(data)
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "trusted")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("strangers"), "stranger")


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextmanager
def blocking_server(context: ssl.SSLContext) -> Iterator[int]:
    """Shakes hands and sends alerts as servers do (those of asyncio hang up without one); gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(60)
                secured = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with secured:
                    with suppress(ssl.SSLError):
                        secured.do_handshake()
                    # Closing with unread bytes would reset the connection and lose the alert on its way.
                    secured.shutdown(socket.SHUT_WR)
                    while secured.recv(1000):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
    # Whoever fails in the handshake must close the connection, and not leave the server to wait for it.
    thread.join(timeout=20)
    assert not thread.is_alive()


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_certificate_of_the_given_authority_is_accepted_and_the_handshake_timed(
    laboratory: LABORATORY, answered: TAKE, authority: Authority, uvloop: bool
) -> None:
    context = serving(authority.issue("127.0.0.1"))
    exchange = laboratory.once("/plain", context=context, ca_file=str(authority.file), uvloop=uvloop)
    assert answered(exchange).body == b"hello"
    assert exchange.timings.tls_ms is not None
    assert 0 < exchange.timings.tls_ms <= exchange.timings.connect_ms


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("expired", "its certificate has expired"),
        ("early", "its certificate is not valid yet"),
        ("other host", "its certificate is for another"),
        ("self-signed", "its certificate is self-signed"),
        ("unknown authority", "unknown authority"),
        ("old version", "it offers no TLS version that is accepted here"),
        ("client certificate missing", "it requires a client certificate"),
        ("client certificate refused", "client certificate"),
    ],
)
@pytest.mark.parametrize("uvloop", [False, True])
def test_each_tls_failure_has_its_reason(
    laboratory: LABORATORY,
    failed: TAKE,
    authority: Authority,
    stranger: Authority,
    case: str,
    words: str,
    uvloop: bool,
) -> None:
    host = "127.0.0.1"
    settings: dict[str, Any] = {"ca_file": str(authority.file)}
    context = serving(authority.issue(host))
    if case == "expired":
        context = serving(authority.issue(host, starts=NOW - 3 * DAY, ends=NOW - DAY))
    elif case == "early":
        context = serving(authority.issue(host, starts=NOW + DAY, ends=NOW + 3 * DAY))
    elif case == "other host":
        context = serving(authority.issue("other.example", "127.0.0.2"))
    elif case == "self-signed":
        context = serving(authority.issue(host, self_signed=True))
    elif case == "unknown authority":
        context = serving(stranger.issue(host))
    elif case == "old version":
        # A server that can only do less than the least that is accepted here answers with an alert.
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1
    else:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
        if case == "client certificate refused":
            settings["client_certificate"] = str(stranger.issue("client.example"))

    with blocking_server(context) as port:
        exchange = laboratory.once(f"https://127.0.0.1:{port}/", uvloop=uvloop, **settings)
    assert failed(exchange) is FailureKind.TLS, exchange.failure.message
    assert words in exchange.failure.message


def test_verification_can_be_turned_off(laboratory: LABORATORY, answered: TAKE, stranger: Authority) -> None:
    context = serving(stranger.issue("other.example", starts=NOW - 3 * DAY, ends=NOW - DAY))
    assert answered(laboratory.once("/plain", context=context, verify=False)).status == 200


def test_a_client_certificate_is_shown(laboratory: LABORATORY, answered: TAKE, authority: Authority) -> None:
    context = serving(authority.issue("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    client = authority.issue("client.example")
    settings = {"ca_file": str(authority.file), "client_certificate": str(client), "client_key": str(client)}
    assert answered(laboratory.once("/plain", context=context, **settings)).status == 200


def test_a_port_without_tls_is_told_apart(laboratory: LABORATORY, failed: TAKE) -> None:
    async def scenario(bench: Any) -> Any:
        async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(speak_plainly, "127.0.0.1", 0) as server:
            return await bench.send(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    exchange = laboratory.run(scenario)
    assert failed(exchange) is FailureKind.TLS
    assert "does not speak TLS" in exchange.failure.message
    assert not exchange.failure.sent


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_handshake_that_is_cut_is_a_tls_failure(laboratory: LABORATORY, failed: TAKE, uvloop: bool) -> None:
    async def scenario(bench: Any) -> Any:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            return await bench.send(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    exchange = laboratory.run(scenario, uvloop=uvloop)
    assert failed(exchange) is FailureKind.TLS
    assert "closed the connection during the handshake" in exchange.failure.message


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_handshake_that_stalls_is_a_connect_timeout(laboratory: LABORATORY, failed: TAKE, uvloop: bool) -> None:
    async def scenario(bench: Any) -> Any:
        done = asyncio.Event()

        async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await done.wait()
            writer.close()

        async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            exchange = await bench.send(f"https://127.0.0.1:{port}/", connect_ms=200, read_ms=20_000, total_ms=20_000)
            done.set()
            return exchange

    exchange = laboratory.run(scenario, uvloop=uvloop)
    assert failed(exchange) is FailureKind.CONNECT_TIMEOUT
    assert "in the TLS handshake" in exchange.failure.message
    assert exchange.timings.total_ms < 4000


@pytest.mark.parametrize(
    ("ending", "method", "resends"),
    [
        ("goaway", "POST", 0), ("refused", "POST", 0), ("idle", "POST", 0), ("closed", "GET", 1),
        ("closed", "POST", None), ("reset", "GET", None),
    ],
)  # fmt: skip
def test_what_an_http_2_server_has_not_taken_is_sent_again(
    laboratory: LABORATORY, failed: TAKE, authority: Authority, ending: str, method: str, resends: int | None
) -> None:
    if laboratory.engine != "httpx":
        pytest.skip("the others have no HTTP/2")
    context = serving(authority.issue("127.0.0.1"))
    context.set_alpn_protocols(["h2"])
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        is_first = connections == 1
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                if not isinstance(event, StreamEnded):
                    continue
                if is_first and event.stream_id > 1:
                    if ending == "goaway":
                        connection.close_connection(last_stream_id=1)
                    elif ending != "closed":
                        code = ErrorCodes.REFUSED_STREAM if ending == "refused" else ErrorCodes.INTERNAL_ERROR
                        connection.reset_stream(event.stream_id, code)
                    writer.write(connection.data_to_send())
                    if ending in ("goaway", "closed"):
                        writer.close()
                    return
                connection.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
                if is_first and ending == "idle":
                    connection.close_connection()
            writer.write(connection.data_to_send())
            if is_first and ending == "idle":
                break
        writer.close()

    async def scenario(bench: Any) -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            await bench.send(url)
            await asyncio.sleep(0.05)
            exchange = await bench.send(url, method)
            if resends is None:
                assert failed(exchange) is FailureKind.CLOSED
            else:
                assert exchange.failure is None, exchange.failure.message
                assert (exchange.resends, connections) == (resends, 2)
            await bench.transport.close()

    laboratory.run(scenario, ca_file=str(authority.file), limit=1)


def test_http_2_is_spoken_by_httpx_where_the_server_offers_it(
    laboratory: LABORATORY, answered: TAKE, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    if laboratory.engine != "httpx":
        pytest.skip("the others have no HTTP/2")
    context = serving(authority.issue("127.0.0.1"))
    context.set_alpn_protocols(["h2"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                if isinstance(event, StreamEnded):
                    connection.send_headers(event.stream_id, [(":status", "200"), ("x-stream", str(event.stream_id))])
                    connection.send_data(event.stream_id, b"over two", end_stream=True)
            writer.write(connection.data_to_send())
        writer.close()

    async def scenario(bench: Any) -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/a%2fb?x"
            credentials = (("Authorization", "Bearer hunter2"),)
            exchanges = await asyncio.gather(
                *[bench.send(url, "POST", headers=credentials, body=b"x") for _ in range(5)]
            )
            for exchange in exchanges:
                response = answered(exchange)
                assert (response.http_version, response.reason, response.body) == ("2", "", b"over two")
            assert len({dict(answered(exchange).headers)["x-stream"] for exchange in exchanges}) == 5
            await bench.transport.close()

    with caplog.at_level(logging.DEBUG):
        laboratory.run(scenario, ca_file=str(authority.file), limit=1)
    assert "hunter2" not in caplog.text
