"""Reads and writes the files of one run by name: bytes, and JSON documents, which are trusted only with a valid
checksum.

It must not know what the documents mean, nor who may write them when, which is up to the run folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from reqflo_ray._internal.datasets.faults import Findings
from reqflo_ray._internal.errors import IntegrityError, StoreError
from reqflo_ray._internal.model import json_text, plan
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.results import Commit, Verdict
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.claims import AttemptClaim, Beat, EpochClaim
from reqflo_ray._internal.runs.folder.document import (
    DamagedDocumentError,
    NewerDocumentError,
    read_document,
    with_checksum,
)
from reqflo_ray._internal.runs.folder.manifest import ManifestHead
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.storage.protocol import Storage

_T = TypeVar("_T")

# msgspec prepares each type once, and crashes (SIGSEGV) if two threads are the first to use the same type. Therefore
# one thread prepares all of them, during the import.
_DECODERS: Final[Mapping[type, Callable[[bytes], Any]]] = {
    RunRecord: plan.decode_run,
    **{
        kind: msgspec.json.Decoder(kind).decode
        for kind in (Owner, EpochClaim, AttemptClaim, Beat, Commit, Findings, ManifestHead, Verdict)
    },
}
_READABLE_FORMATS: Final[Mapping[type, tuple[int, ...]]] = {
    RunRecord: plan.READABLE_FORMATS,
    Commit: (1,),
    ManifestHead: (1,),
    Verdict: (1,),
}


class RunFiles:
    """The files of run `run_id` in `storage`, named within the run (`layout`). It has no state.

    All methods raise `StoreError` if the store does not answer.
    """

    def __init__(self, storage: Storage, run_id: str) -> None:
        self.storage = storage
        self.run_id = layout.check_run_id(run_id)

    def path(self, name: str) -> str:
        """Return the path within the store of a file that is named within the run."""
        return f"{layout.run(self.run_id)}/{name}"

    def read_file(self, name: str) -> bytes:
        """Return all bytes of a file that must exist. Raises `IntegrityError` if it is missing."""
        try:
            return self.storage.read(self.path(name))
        except FileNotFoundError:
            raise damaged(self.run_id, name, "it is missing") from None

    def write_file(self, name: str, data: bytes) -> None:
        """Write a file durably, completely or not at all."""
        self.storage.write(self.path(name), data)

    def encode(self, name: str, document: msgspec.Struct) -> bytes:
        """Return the bytes of a JSON document, which are valid only under this name."""
        data = plan.encode_run(document) if isinstance(document, RunRecord) else json_text.encode_exactly(document)
        if isinstance(document, Verdict):  # it is indented for people
            data = json_text.indented(data)
        return with_checksum(data, self.path(name))

    def decode(self, name: str, data: bytes, kind: type[_T]) -> _T:
        """Read a JSON document of the run.

        Raises:
            IntegrityError: `damaged_file`.
            StoreError: `unsupported_run` if a newer version wrote it.
        """
        try:
            document: _T = read_document(data, self.path(name), _DECODERS[kind])
        except DamagedDocumentError as problem:
            raise damaged(self.run_id, name, str(problem)) from None
        except NewerDocumentError as problem:
            raise self._newer(name, str(problem)) from None
        readable = _READABLE_FORMATS.get(kind, ())
        found = getattr(document, "format", None)
        if readable and found not in readable:
            known = " and ".join(map(str, readable))
            raise self._newer(name, f"it has format {found}; this version reads {known}")
        return document

    def numbers(self, folder: str, *endings: str) -> list[int]:
        """Return the numbers in the names of files in a folder of the run, in order; of all files, or those with
        `endings`."""
        names = self.storage.list(self.path(folder))
        chosen = (name for name in names if not endings or name.endswith(endings))
        return sorted({number for name in chosen if (number := layout.number_of(name)) is not None})

    def _newer(self, name: str, cause: str) -> StoreError:
        return StoreError(
            f"`{name}` of run `{self.run_id}` was written by a newer version",
            code="unsupported_run",
            cause=cause,
            hint="use the version that made the run",
        )


def damaged(run_id: str, name: str, cause: str) -> IntegrityError:
    """Return the error for a file of a run that is not what was written."""
    return IntegrityError(
        f"`{name}` of run `{run_id}` is damaged or missing",
        code="damaged_file",
        cause=cause,
        hint=f"list all damage with `reqflo-ray verify {run_id}`; restore the file, or run again under another ID",
    )
