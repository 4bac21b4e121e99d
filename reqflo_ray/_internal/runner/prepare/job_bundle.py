"""Packs the folder of a job on the client and reads it on the cluster: artifact, frozen run record, small data files,
and no secret value. It must not know Ray, or how the folder is transferred.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from reqflo_ray._internal.datasets.faults import Faults
from reqflo_ray._internal.datasets.files import find_files, size_in_bytes
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model import artifact as artifacts
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import DatasetSource, RunRecord, decode_run, encode_run
from reqflo_ray._internal.model.values import Literal
from reqflo_ray._internal.runs.folder.run_record import deciding_facts

# Ray's Job API accepts a ZIP file of up to 100 MiB, and keeps it in the memory of the head node.
SHIPPED_BYTES: Final = 64 * 2**20
_ARTIFACT: Final = "artifact.json"
_RECORD: Final = "run.json"
_ORDER: Final = "submission.json"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How the cluster executes the run. `reports` are the formats to print to the job's log."""

    format: int = 1
    store: str
    version: str
    reports: tuple[str, ...] = ()
    quiet: bool = False
    take_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBundle:
    """Everything that is sent with a job. Relative data files of the record are relative to the job's folder."""

    order: Order
    record: RunRecord
    artifact: Artifact

    @property
    def digest(self) -> str:
        """The SHA-256 of all that decides what the run sends: bundles with the same digest are the same run."""
        return hashlib.sha256(_facts(deciding_facts(self.record))).hexdigest()


def pack(folder: Path, bundle: JobBundle, *, ship_data: bool) -> JobBundle:
    """Write a bundle to the empty `folder`; return it with the names of its data files in the folder.

    Args:
        ship_data: whether to copy local data files; otherwise the cluster reads them where they are.

    Raises:
        UsageError: the job would hold a sensitive value, or its data is too large.
        DatasetError: a data file cannot be found.
    """
    record, artifact = bundle.record, bundle.artifact
    _refuse_sensitive_values(record, artifact)
    if ship_data and record.dataset and (shipped := _data_files(record.dataset)):
        _refuse_sensitive_columns(record.dataset, artifact)
        files = tuple(_ship(file, folder) for file in shipped)
        record = msgspec.structs.replace(record, dataset=msgspec.structs.replace(record.dataset, files=files))
    (folder / _ARTIFACT).write_bytes(artifacts.canonical_bytes(artifact))
    (folder / _RECORD).write_bytes(encode_run(record))
    (folder / _ORDER).write_bytes(msgspec.json.encode(bundle.order))
    return JobBundle(order=bundle.order, record=record, artifact=artifact)


def unpack(folder: Path) -> JobBundle:
    """Read what `pack` wrote.

    Raises:
        UsageError: `no_submission` if there is nothing, `version_skew` if another version of reqflo-ray packed it.
    """
    try:
        order = msgspec.json.decode((folder / _ORDER).read_bytes(), type=Order)
    except (OSError, msgspec.DecodeError) as problem:
        raise UsageError(
            f"`{folder}` does not contain a submitted run",
            code="no_submission",
            cause=type(problem).__name__,
            hint="use `reqflo-ray submit`, which creates the folder and calls this command on the cluster",
        ) from None
    if order.version != (own := own_version()):
        raise UsageError(
            f"the cluster has reqflo-ray {own}, but the run was submitted with {order.version}",
            code="version_skew",
            hint="install the same version on both sides",
        )
    return JobBundle(
        order=order,
        record=decode_run((folder / _RECORD).read_bytes()),
        artifact=artifacts.decode((folder / _ARTIFACT).read_bytes(), file=_ARTIFACT),
    )


def own_version() -> str:
    """Return the version of the installed reqflo-ray."""
    from importlib.metadata import version

    return version("reqflo-ray")


def _data_files(dataset: DatasetSource) -> list[Path]:
    """Return the local files of the dataset; none if all of it is at URIs."""
    remote = ["://" in pattern for pattern in dataset.files]
    if any(remote):
        if not all(remote):
            raise UsageError(
                "some data files are local and some are at URIs",
                code="mixed_data",
                hint="put all of them where the cluster can read them",
            )
        return []
    faults = Faults(show_text=False)
    files = find_files(dataset.files, faults)
    faults.raise_any()
    size = sum(size_in_bytes(file) for file in files)
    if size > SHIPPED_BYTES:
        raise UsageError(
            f"the dataset is too large for a job: {size / 2**20:,.0f} MiB, at most {SHIPPED_BYTES // 2**20} MiB",
            code="data_too_large",
            hint="put it on storage that the cluster can read: at a URI, or at a mounted path with `--shared-data`",
        )
    return [Path(file.name) for file in files]


def _ship(file: Path, folder: Path) -> str:
    """Copy `file` to `folder` under a name that contains its digest, so that other data makes another run."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    name = f"submitted/{digest[:16]}/{file.name}"
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / name)
    return name


def _refuse_sensitive_values(record: RunRecord, artifact: Artifact) -> None:
    """Refuse sensitive values, because the head and the nodes of the cluster store a job unencrypted."""
    for name in sorted(artifact.sensitive_names):
        given = record.inputs.get(name)
        if given is not None and isinstance(given.node, Literal) and given.node.value is not None:
            raise UsageError(
                f"`{name}` is sensitive, but its value from a {given.source} would be stored unencrypted in the job",
                code="sensitive_value_in_job",
                hint="make it a secret of the workspace: only its name is sent",
            )


def _refuse_sensitive_columns(dataset: DatasetSource, artifact: Artifact) -> None:
    found = [name for name in sorted(artifact.sensitive_names) if name in dataset.columns]
    if found:
        raise UsageError(
            f"the column `{found[0]}` is sensitive, but would be stored unencrypted in the job",
            code="sensitive_data_in_job",
            hint="put it on storage that the cluster can read: at a URI, or at a mounted path with `--shared-data`",
        )


_facts = msgspec.json.Encoder(order="deterministic", decimal_format="string").encode
