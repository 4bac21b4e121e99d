"""Parses addresses of objects, `s3://BUCKET/KEY` and `gs://BUCKET/KEY`, which never contain credentials. Pure text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from reqflo_ray._internal.errors import UsageError

SCHEMES: Final = ("s3", "gs")

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
# Only characters that have no special meaning for a service, in a URL, or in a file name pattern.
_SEGMENT: Final = re.compile(r"[\w !'()=,@:+.-]+")


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """A place in a bucket; `key` has no slash at either end and is "" for the bucket itself."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}".rstrip("/")


def is_object_address(text: str) -> bool:
    """Return whether `text` names an object or a bucket of a supported service."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def parse_bucket(uri: str) -> tuple[ObjectAddress, str]:
    """Return the bucket of the object that `uri` names, and its key with any characters. Raises as `parse_address`."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    return parse_address(f"{scheme}://{bucket}"), key


def parse_address(uri: str) -> ObjectAddress:
    """Parse `uri` as the address of a store.

    Raises:
        UsageError: `credentials_in_uri`, or `invalid_store`. The message never repeats possible credentials.
    """
    parts = urlsplit(uri)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"an address with `{parts.scheme}://` is only a bucket and a prefix, without credentials or parameters",
            code="credentials_in_uri",
            hint="set credentials in the environment, as for the cloud's own tools",
        )
    key = parts.path.strip("/")
    if not _BUCKET.fullmatch(parts.netloc):
        raise _invalid(uri, f"{parts.netloc!r} is not a valid bucket name")
    for segment in key.split("/") if key else ():
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            raise _invalid(uri, f"{segment!r} is not a valid part of a prefix")
    return ObjectAddress(parts.scheme, parts.netloc, key)


def _invalid(uri: str, cause: str) -> UsageError:
    scheme = uri.partition(":")[0]
    return UsageError(
        f"`{uri}` is not a valid store address",
        code="invalid_store",
        cause=cause,
        hint=f"write `{scheme}://BUCKET/PREFIX`",
    )
