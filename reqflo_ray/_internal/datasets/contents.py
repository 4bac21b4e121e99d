"""Identifies the contents of data files by size and digest, so that the same command with other data is another run.

It must not know what a row is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.files import READ_ERRORS, find_files, report_unreadable, size_in_bytes
from reqflo_ray._internal.errors import RunConflictError
from reqflo_ray._internal.model.plan import DatasetFile, DatasetSource, RunRecord
from reqflo_ray._internal.storage import bucket_files as cloud_files

# Hashing releases the interpreter lock, so several files are hashed at a time.
_AT_A_TIME: Final = 4
UNKNOWN: Final = ""


def contents_of(source: DatasetSource) -> tuple[DatasetFile, ...]:
    """Return the files of a dataset as they are now. A local file is read once, at about 1 GB per second.

    Raises:
        DatasetError: a file cannot be found or read.
    """
    faults = Faults(show_text=False)
    files = find_files(source.files, faults)
    faults.raise_any()
    found: list[DatasetFile] = []
    with ThreadPoolExecutor(_AT_A_TIME, "dataset-contents") as pool:
        for file, described in zip(files, pool.map(_described, files), strict=True):
            if isinstance(described, DatasetFile):
                found.append(described)
            else:
                report_unreadable(file, described, faults)
    faults.raise_any()
    return tuple(found)


def changed_files(before: DatasetSource, after: DatasetSource) -> tuple[str, ...]:
    """Return the names of the files that differ between two looks at a dataset; () if either recorded no contents."""
    if not before.contents or not after.contents:
        return ()
    old, new = _by_name(before), _by_name(after)
    return tuple(sorted(name for name in old.keys() | new.keys() if _differ(old.get(name), new.get(name))))


def with_contents(record: RunRecord) -> RunRecord:
    """Return `record` with the current sizes and digests of its data files. Raises as `contents_of`."""
    source = record.dataset
    if source is None or not source.files:
        return record
    return msgspec.structs.replace(record, dataset=msgspec.structs.replace(source, contents=contents_of(source)))


def dataset_changed(run_id: str, files: tuple[str, ...]) -> RunConflictError:
    """Return the error for a dataset that is about to be staged and differs from the one in the run record."""
    return RunConflictError(
        f"the dataset of run `{run_id}` has changed since the run was started: {', '.join(files)}",
        code="dataset_changed",
        hint="restore the dataset, or start a new run; nothing was sent",
    )


def _described(file: DataFile) -> DatasetFile | BaseException:
    try:
        if "://" in file.name:
            return DatasetFile(
                name=file.name, size=size_in_bytes(file), digest=cloud_files.version(file.name) or UNKNOWN
            )
        with open(file.name, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return DatasetFile(name=file.name, size=stream.tell(), digest=f"sha256:{digest}")
    except READ_ERRORS as problem:
        return problem


def _by_name(source: DatasetSource) -> Mapping[str, DatasetFile]:
    return {file.name: file for file in source.contents}


def _differ(old: DatasetFile | None, new: DatasetFile | None) -> bool:
    if old is None or new is None:
        return True
    return old.size != new.size or (UNKNOWN not in (old.digest, new.digest) and old.digest != new.digest)
