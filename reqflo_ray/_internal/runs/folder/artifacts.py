"""Keeps artifacts in the store by digest, shared by all runs that use them. It must not know runs."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Final

from reqflo_ray._internal.errors import DefinitionError, IntegrityError
from reqflo_ray._internal.model import artifact as model
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.storage.protocol import Storage

MAX_BYTES: Final = 256 * 2**20  # several times the limits of an artifact


def save_artifact(storage: Storage, artifact: Artifact) -> str:
    """Store `artifact` unless it is stored already; return its digest."""
    data = model.canonical_bytes(artifact)
    digest = hashlib.sha256(data).hexdigest()
    storage.create(layout.artifact(digest), data)
    return digest


def load_artifact(storage: Storage, digest: str) -> Artifact:
    """Return the artifact with this digest.

    Raises:
        IntegrityError: it is missing (`missing_artifact`) or damaged (`damaged_artifact`).
        DefinitionError: it has a format that this version does not read.
    """
    path = layout.artifact(digest)
    try:
        data = storage.read(path)
    except FileNotFoundError:
        raise IntegrityError(
            f"`{path}` is missing", code="missing_artifact", hint="compile the same journey again, or start a new run"
        ) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise IntegrityError(
            f"`{path}` is damaged",
            code="damaged_artifact",
            cause="its SHA-256 differs from that in its name",
            hint="restore the file from a copy; or remove it and run the same journey, which writes it again",
        )
    return model.decode(data, file=path)


def step_ids(storage: Storage, digest: str) -> tuple[str, ...]:
    """Return the IDs of the steps of an artifact, in order; () if it is missing, damaged, or in another format."""
    try:
        return tuple(step.id for step in load_artifact(storage, digest).steps)
    except (DefinitionError, IntegrityError):
        return ()


def read_given(file: Path) -> bytes:
    """Read a file that a user names as a compiled journey. A pipe is read to its end; one without a writer is empty and
    is not waited for. Raises `OSError`, also for a file without an end."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.set_blocking(descriptor, True)
        with open(descriptor, "rb", closefd=False) as opened:
            data = opened.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MAX_BYTES // 2**20} MiB")
    return data
