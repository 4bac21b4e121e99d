"""Opens the storage at an address: a folder or a bucket. It must not know what is kept there."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.storage.bucket_address import SCHEMES, parse_address
from reqflo_ray._internal.storage.local import LocalStorage
from reqflo_ray._internal.storage.protocol import Storage


def open_storage(uri: str) -> Storage:
    """Open the store at a local path, `file://`, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`.

    Nothing is created before the first write, and no request is sent before the first call.

    Raises:
        UsageError: `unsupported_store` for a kind of store that this version cannot use; `credentials_in_uri`;
            `invalid_store`.
    """
    parts = urlsplit(uri)
    if "://" not in uri:
        if not uri:
            raise UsageError("the path of the store is empty", code="invalid_store", hint="set `--store` to a folder")
        return _local(Path(uri).expanduser())
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise UsageError(f"`{uri}` is not on this machine", code="invalid_store", hint="write `file:///PATH`")
        return _local(Path(unquote(parts.path)))
    if parts.scheme in SCHEMES:
        from reqflo_ray._internal.storage.bucket import ObjectStorage

        return ObjectStorage(parse_address(uri))
    raise UsageError(
        f"there is no store at `{parts.scheme}://`",
        code="unsupported_store",
        hint="use a folder, `s3://BUCKET/PREFIX`, or `gs://BUCKET/PREFIX`",
    )


def _local(root: Path) -> LocalStorage:
    storage = LocalStorage(root)
    try:
        storage.uri.encode()
    except UnicodeEncodeError:
        # Refused before anything runs, because DuckDB could not open the results.
        shown = os.fsencode(storage.uri).decode("utf-8", "backslashreplace")
        raise UsageError(
            f"the path of the store is not UTF-8 text: `{shown}`",
            code="invalid_store",
            hint="name another folder with `--store`, or rename this one",
        ) from None
    return storage
