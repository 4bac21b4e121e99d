"""Files that a person asked for (`--output`, `--report`): whole or not at all. Knows nothing of what is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reqflo_ray.errors import ReqfloError, UsageError


def need_writable_place(path: Path) -> None:
    """Refuse, before any work is done for it, a file that could not be written afterwards.

    Raises:
        UsageError: `output_not_writable`.
    """
    folder = path.parent
    if path.is_dir():
        reason, hint = "it is a folder", "name a file in it"
    elif path.exists() and not path.is_file():
        # It would be replaced: for root, `/dev/null` too.
        reason, hint = "it is a device or a pipe", "name a file"
    elif not folder.is_dir():
        reason, hint = f"there is no folder `{folder}`", f"make it first: `mkdir -p {folder}`"
    elif not os.access(folder, os.W_OK):
        reason, hint = f"the folder `{folder}` is not writable for you", "choose another place"
    else:
        return
    raise UsageError(f"`{path}` cannot be written: {reason}", code="output_not_writable", hint=hint)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that appears under its name only when all of it is there.

    Raises:
        UsageError: `output_not_writable`, before the body runs.
        ReqfloError: `output_not_written` when the system refuses a write (a full disk); exit code 3.
    """
    need_writable_place(path)
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as problem:
        raise ReqfloError(
            f"`{path}` could not be written: {problem.strerror or type(problem).__name__}",
            code="output_not_written",
            hint="make room or choose another place; what the runs hold is not touched by this",
        ) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _umask() -> int:
    # There is no way to read it but to set it.
    current = os.umask(0o022)
    os.umask(current)
    return current
