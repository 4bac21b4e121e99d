"""Connects to a bucket with the settings in the environment, and turns the errors of the service into ours.

Waiting is bounded: a request by `_REQUEST`, all tries of one together by `_TRIES`. Messages of a service or library are
never repeated, because they may quote keys and signatures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.storage.bucket_address import ObjectAddress

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_CONNECT: Final = timedelta(seconds=5)
_REQUEST: Final = timedelta(seconds=60)
_TRIES: Final[RetryConfig] = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=90),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
}

_ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"),
}
_S3_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
# With one of these, the client library finds the credential itself; otherwise Google's own library looks for it.
_GS_CREDENTIALS: Final = (
    "GOOGLE_BEARER_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_SKIP_SIGNATURE",
)
_CREDENTIAL_HINTS: Final = {
    "s3": "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` (not a profile), or assign a role to the machine or pod",
    "gs": "set `GOOGLE_APPLICATION_CREDENTIALS`, or assign a service account to the machine or pod",
}
_RIGHTS: Final = {
    "s3": "grant `s3:ListBucket` on the bucket, and `s3:GetObject`, `s3:PutObject`, and `s3:DeleteObject` in it",
    "gs": "grant the role Storage Object User on the bucket",
}
_ENDPOINT_HINTS: Final = {
    "s3": "check the network, `AWS_REGION`, and `AWS_ENDPOINT_URL`",
    "gs": "check the network, and `STORAGE_EMULATOR_HOST` if it is set",
}

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
_WRONG_KEY: Final = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
)
# How the client library says that it found no credentials, or was refused a token for them.
_NO_CREDENTIALS: Final = re.compile(
    r"token request|latest/api/token|security-credentials|AssumeRole|DefaultCredentialsError|RefreshError|"
    r"TransportError|credential",
    re.IGNORECASE,
)
_UNREACHABLE: Final = re.compile(r"HTTP error|error sending request|operation timed out|connection", re.IGNORECASE)


def connect(address: ObjectAddress, environment: Mapping[str, str] = os.environ) -> ObjectStore:
    """Return a client for the objects below `address`. No request is sent.

    Raises:
        StoreError: `store_credentials` if there are none; `store_error` if the environment is not valid.
    """
    from obstore.exceptions import BaseError

    endpoint = next((environment[name] for name in _ENDPOINTS[address.scheme] if environment.get(name)), "")
    if endpoint and "://" not in endpoint:
        endpoint = f"http://{endpoint}"  # as Google's own libraries read STORAGE_EMULATOR_HOST
    client: ClientConfig = {
        # Plain HTTP only if the endpoint begins with http://.
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": _CONNECT,
        "timeout": _REQUEST,
    }
    try:
        make = _s3 if address.scheme == "s3" else _gs
        return make(address, endpoint, environment, client)
    except (BaseError, ValueError, OSError) as problem:
        raise_store_error(problem, address, "connect to", "")


def _s3(address: ObjectAddress, endpoint: str, environment: Mapping[str, str], client: ClientConfig) -> ObjectStore:
    from obstore.store import S3Store

    no_roles = environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    if no_roles and not any(environment.get(name) for name in _S3_CREDENTIALS):
        raise _no_credentials(address, "connect to", "", "")
    where: Any = {"endpoint": endpoint} if endpoint else {}
    # A commit must be a conditional put, whatever the environment says.
    return S3Store(
        address.bucket,
        prefix=address.key or None,
        conditional_put="etag",
        client_options=client,
        retry_config=_TRIES,
        **where,
    )


def _gs(address: ObjectAddress, endpoint: str, environment: Mapping[str, str], client: ClientConfig) -> ObjectStore:
    from obstore.store import GCSStore

    how: Any = {"base_url": endpoint} if endpoint else {}
    if environment.get("STORAGE_EMULATOR_HOST"):
        how["bearer_token"] = "emulator"  # the emulator requires none, but the client library would look for one
    elif not any(environment.get(name) for name in _GS_CREDENTIALS):
        how["credential_provider"] = _google_credentials(address)
    return GCSStore(address.bucket, prefix=address.key or None, client_options=client, retry_config=_TRIES, **how)


def _google_credentials(address: ObjectAddress) -> Any:
    """Return application default credentials, as all of Google's libraries find them: file, federation, metadata
    server."""
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from obstore.auth.google import GoogleCredentialProvider

    scopes = ["https://www.googleapis.com/auth/devstorage.read_write"]
    try:
        credentials, _ = google.auth.default(scopes=scopes)
    except GoogleAuthError as problem:
        raise _no_credentials(address, "connect to", "", type(problem).__name__) from None
    return GoogleCredentialProvider(credentials)


def raise_store_error(problem: Exception, address: ObjectAddress, doing: str, path: str) -> NoReturn:
    """Raise `problem` as a `StoreError`, or as `FileNotFoundError` for a missing object.

    Args:
        doing: the failed action, as in "cannot … `path`".
    """
    text = str(problem)
    status, code = ((found[1] if (found := pattern.search(text)) else "") for pattern in (_STATUS, _CODE))
    cause = " ".join((*((f"HTTP {status}",) if status else ()), *((code,) if code else ())))
    if code == "NoSuchBucket":
        raise StoreError(
            f"the bucket `{address.bucket}` does not exist",
            code="no_such_bucket",
            cause=cause,
            hint="create it, or choose another `--store`",
        ) from None
    # An object that is being created cannot be missing: in this case the service is at fault.
    if isinstance(problem, FileNotFoundError) and doing not in ("create", "write"):
        raise FileNotFoundError(path) from None
    if status == "401" or code in _WRONG_KEY:
        raise StoreError(
            f"cannot {doing} {_place(address, path)}: the service does not accept the credentials",
            code="store_credentials",
            cause=cause,
            hint=_CREDENTIAL_HINTS[address.scheme],
        ) from None
    if status == "403":
        raise StoreError(
            f"cannot {doing} {_place(address, path)}: permission denied",
            code="store_not_permitted",
            cause=cause,
            hint=_RIGHTS[address.scheme],
        ) from None
    if not status and _NO_CREDENTIALS.search(text):
        raise _no_credentials(address, doing, path, type(problem).__name__) from None
    if not status and _UNREACHABLE.search(text):
        raise StoreError(
            f"cannot {doing} {_place(address, path)}: the service does not answer",
            code="store_unreachable",
            cause="no connection, or no answer in time",
            hint=f"{_ENDPOINT_HINTS[address.scheme]}; then resume the run",
        ) from None
    raise StoreError(
        f"cannot {doing} {_place(address, path)}",
        code="store_error",
        cause=cause or type(problem).__name__,
        hint=f"{_ENDPOINT_HINTS[address.scheme]}; then resume the run",
    ) from None


def _no_credentials(address: ObjectAddress, doing: str, path: str, cause: str) -> StoreError:
    return StoreError(
        f"cannot {doing} {_place(address, path)}: there are no credentials",
        code="store_credentials",
        cause=cause,
        hint=_CREDENTIAL_HINTS[address.scheme],
    )


def _place(address: ObjectAddress, path: str) -> str:
    return f"`{path}` in `{address}`" if path else f"`{address}`"
