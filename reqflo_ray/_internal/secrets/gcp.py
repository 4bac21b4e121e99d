"""Reads secrets from Google Secret Manager with Google's own client, which is imported only when a secret is read.

Reading a value, on the worker, needs `secretmanager.versions.access` (role Secret Manager Secret Accessor). Pinning
`latest`, where a run is started, needs `secretmanager.versions.get` (role Secret Manager Viewer) and reads no value.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

import msgspec

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.plan import SecretReference
from reqflo_ray._internal.secrets.value import SecretValue

LATEST: Final = "latest"
EMULATOR_VARIABLE: Final = "REQFLO_SECRET_MANAGER_EMULATOR"

_SECRET_NAME: Final = re.compile(r"projects/[A-Za-z0-9:._-]+/secrets/[A-Za-z0-9_-]+")
_VERSION_NAME: Final = re.compile(r".*/versions/([1-9][0-9]*)")
_Answer = TypeVar("_Answer")


class RetryPolicy(NamedTuple):
    """How long a call is repeated after an error that Google calls temporary. Times are in seconds."""

    attempts: int = 5
    call_timeout: float = 10.0
    first_delay: float = 0.25
    longest_delay: float = 4.0
    total: float = 30.0


class GoogleSecretManager:
    """A source of secrets, with one client per instance, which the first call creates.

    `client_factory` creates the client (a `SecretManagerServiceClient`); without it, the client uses the application
    default credentials, or the emulator on this machine that `REQFLO_SECRET_MANAGER_EMULATOR` names (host:port).
    Tests replace `sleep` and `monotonic`.
    """

    def __init__(
        self,
        client_factory: Callable[[], Any] | None = None,
        *,
        policy: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client_factory = client_factory or usual_client
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._monotonic = monotonic
        self._client: Any = None
        self._lock = threading.Lock()

    def read(self, reference: SecretReference) -> SecretValue:
        """Return the payload of the referenced version, with its checksum verified. May block; safe to call from
        threads.

        Raises:
            SecretError: `secret_not_found`, `secret_permission_denied`, `secret_unauthenticated`, `secret_disabled`
                (disabled or destroyed), `secret_invalid_reference`, `secret_corrupted` (the checksum differs),
                `secret_unavailable` (still failing after the last retry), `secret_empty`, `secret_not_text`.
        """
        answer = self._access(reference)
        data: bytes = answer.payload.data
        if "data_crc32c" in answer.payload and crc32c(data) != answer.payload.data_crc32c:
            raise SecretError(
                f"the value of secret `{reference.name}` was damaged in transit",
                code="secret_corrupted",
                cause="its CRC32C differs from the one that Secret Manager sent with it",
                hint="run the command again",
            )
        return SecretValue.of(reference.name, data)

    def pin(self, reference: SecretReference) -> SecretReference:
        """Return `reference` with the number of its version, so that every worker of a run reads the same value.

        A reference with a number is returned unchanged. Only the metadata of the version is requested: whoever starts
        a run needs no right to read its secrets.

        Raises:
            SecretError: as `read`.
        """
        if reference.version.isdigit():
            return reference
        try:
            name = self._enabled_version(reference)
        except SecretError as problem:
            if problem.code != "secret_permission_denied":
                raise
            raise SecretError(
                f"the latest version of secret `{reference.name}` (`{reference.key}`) may not be looked up"
                " by this account",
                code=problem.code,
                hint="grant it the role Secret Manager Viewer on this secret, or set its `version` to a number",
            ) from None
        number = _VERSION_NAME.fullmatch(name)
        if number is None:
            raise SecretError(f"Secret Manager returned no version number for secret `{reference.name}`")
        return msgspec.structs.replace(reference, version=number[1])

    def _enabled_version(self, reference: SecretReference) -> str:
        answer = self._call(reference, "get_secret_version")
        if answer.state.name not in ("ENABLED", "STATE_UNSPECIFIED"):
            raise _disabled(reference, f"the version is {answer.state.name.lower()}")
        return str(answer.name)

    def _access(self, reference: SecretReference) -> Any:
        return self._call(reference, "access_secret_version")

    def _call(self, reference: SecretReference, method: str) -> Any:
        if not _SECRET_NAME.fullmatch(reference.key) or not _is_version(reference.version):
            raise SecretError(
                f"`{reference.key}` with version `{reference.version or LATEST}` does not name a secret",
                code="secret_invalid_reference",
                cause=f"it is the reference of secret `{reference.name}`",
                hint="write `projects/PROJECT/secrets/SECRET`, with a number or `latest` as its `version`",
            )
        name = f"{reference.key}/versions/{reference.version or LATEST}"
        return self._with_retries(
            reference,
            lambda: getattr(self._connected(), method)(
                request={"name": name}, retry=None, timeout=self._policy.call_timeout
            ),
        )

    def _with_retries(self, reference: SecretReference, call: Callable[[], _Answer]) -> _Answer:
        policy, deadline = self._policy, self._monotonic() + self._policy.total
        attempt = 1
        while True:
            try:
                return call()
            except SecretError:
                raise
            except Exception as problem:
                fault = _classify(reference, problem)
            # Raised outside `except`, so that it does not carry Google's exception.
            delay = min(policy.first_delay * 2 ** (attempt - 1), policy.longest_delay)
            if fault.code != "secret_unavailable" or attempt == policy.attempts or self._monotonic() + delay > deadline:
                raise fault
            self._sleep(delay * random.uniform(0.75, 1.25))
            attempt += 1

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._client_factory()
            return self._client

    def __repr__(self) -> str:
        return "<GoogleSecretManager>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a connection to Secret Manager cannot be pickled or copied")


def _is_version(version: str) -> bool:
    return version in ("", LATEST) or (version.isascii() and version.isdigit())


def usual_client() -> Any:
    from google.cloud import secretmanager_v1
    from google.cloud.secretmanager_v1.services.secret_manager_service import transports

    # At DEBUG, Google's client logs whole responses, including payloads.
    logging.getLogger("google.cloud.secretmanager_v1").setLevel(logging.INFO)
    emulator = os.environ.get(EMULATOR_VARIABLE)
    if not emulator:
        return secretmanager_v1.SecretManagerServiceClient()
    if emulator.rpartition(":")[0] not in ("127.0.0.1", "localhost", "[::1]"):
        raise SecretError(
            f"`{EMULATOR_VARIABLE}` is not an address of this machine: `{emulator}`",
            code="secret_invalid_reference",
            cause="secrets would cross the network unencrypted",
            hint="set it to `127.0.0.1:PORT`, or unset it to use Secret Manager itself",
        )
    import grpc

    transport = transports.SecretManagerServiceGrpcTransport(channel=grpc.insecure_channel(emulator))
    return secretmanager_v1.SecretManagerServiceClient(transport=transport)


def _disabled(reference: SecretReference, cause: str) -> SecretError:
    return SecretError(
        f"secret `{reference.name}` has no usable version `{reference.version or LATEST}`",
        code="secret_disabled",
        cause=cause,
        hint="enable the version, or name another one",
    )


def _classify(reference: SecretReference, problem: Exception) -> SecretError:
    """Return our error for one of Google's; `secret_unavailable` is the only code that is worth a retry."""
    from google.api_core import exceptions
    from google.auth import exceptions as auth

    where = f"secret `{reference.name}` (`{reference.key}`)"
    match problem:
        case exceptions.NotFound():
            return SecretError(
                f"{where} does not exist", code="secret_not_found", hint="check the project, the name, and the version"
            )
        case exceptions.Unauthenticated() | auth.DefaultCredentialsError() | auth.RefreshError(retryable=False):
            return SecretError(
                f"{where} cannot be read without valid credentials",
                code="secret_unauthenticated",
                hint="run `gcloud auth application-default login`, or attach a service account to the worker",
            )
        case exceptions.Forbidden():
            return SecretError(
                f"{where} may not be read by this account",
                code="secret_permission_denied",
                hint="grant it the role Secret Manager Secret Accessor on this secret",
            )
        case exceptions.FailedPrecondition():
            return _disabled(reference, "it is disabled or destroyed")
        case exceptions.InvalidArgument():
            return SecretError(f"{where} does not have a valid name in Secret Manager", code="secret_invalid_reference")
        case (
            exceptions.ServerError()  # DEADLINE_EXCEEDED and UNAVAILABLE are among these
            | exceptions.TooManyRequests()
            | exceptions.RetryError()
            | auth.TransportError()
            | auth.RefreshError()
        ):
            return SecretError(
                f"{where} could not be read: Secret Manager does not answer",
                cause=type(problem).__name__,
                hint="run the command again later",
            )
        case _:
            return SecretError(f"{where} could not be read", code="secret_failed", cause=type(problem).__name__)


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C_TABLE: Final = _crc32c_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of `data`; values have at most 64 KiB, so a table is fast enough."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC32C_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF
