"""Creates a run exactly once: pins what could change while it runs, seals sensitive values, and writes the run record;
or finds that the run exists with the same inputs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import msgspec

from reqflo_ray._internal.datasets.contents import with_contents
from reqflo_ray._internal.errors import Problem, SecretError, UsageError
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import RunRecord, SecretReference, SecretSource
from reqflo_ray._internal.runs.folder.deletion import make_room
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.run_record import record_differences, run_conflict
from reqflo_ray._internal.runs.folder.sealing import find_sealer, make_sealer, open_record, seal_digests, seal_record
from reqflo_ray._internal.secrets.gcp import GoogleSecretManager

_PINNED_AT_ONCE: Final = 8


class Pinner(Protocol):
    """Finds the number of a secret's latest version without reading its value."""

    def pin(self, reference: SecretReference) -> SecretReference:
        """Return `reference` with a version number. Raises `SecretError`."""
        ...


def dispatch(folder: RunFolder, record: RunRecord, artifact: Artifact, pinner: Pinner | None = None) -> bool:
    """Write the record of a run that does not exist yet; return False if it exists with the same inputs.

    Args:
        pinner: looks up the versions of secrets; Google Secret Manager by default.

    Raises:
        DatasetError: a file of the dataset cannot be read; nothing was written or sent.
        SecretError: the latest version of a secret cannot be pinned; nothing was written or sent.
        RunConflictError: the run exists with other inputs.
        UsageError: `run_without_record`: a damaged run has this ID.
    """
    record = with_contents(record)  # so that the same command with other data is refused
    if not folder.exists():
        make_room(folder.storage, folder.run_id)
        pinned = pin_secrets(record, pinner or GoogleSecretManager())
        if folder.create_run(seal_record(pinned, artifact, make_sealer(folder, artifact, pinned))):
            return True
    _need_same_inputs(folder, record, artifact)
    return False


def pin_secrets(record: RunRecord, pinner: Pinner) -> RunRecord:
    """Return `record` with version numbers instead of `latest`, so that every worker reads the same values, even after
    a resume.

    Raises:
        SecretError: with one problem for each secret that cannot be pinned.
    """
    latest = [
        reference
        for reference in record.secrets.values()
        if reference.source is SecretSource.GCP and not reference.version.isdigit()
    ]
    if not latest:
        return record

    def pin(reference: SecretReference) -> SecretReference | SecretError:
        try:
            return pinner.pin(reference)
        except SecretError as problem:
            return problem

    with ThreadPoolExecutor(_PINNED_AT_ONCE, "pin-secrets") as pool:
        outcomes = list(pool.map(pin, latest))
    faults = [outcome for outcome in outcomes if isinstance(outcome, SecretError)]
    if faults:
        error = SecretError.of(tuple(_problem(fault) for fault in faults))
        error.exit_code = UsageError.default_exit_code  # nothing was sent
        raise error
    pinned = {outcome.name: outcome for outcome in outcomes if isinstance(outcome, SecretReference)}
    return msgspec.structs.replace(record, secrets={**record.secrets, **pinned})


def _problem(fault: SecretError) -> Problem:
    return Problem(code=fault.code, message=fault.message, cause=fault.cause, hint=fault.hint)


def _need_same_inputs(folder: RunFolder, record: RunRecord, artifact: Artifact) -> None:
    stored = folder.load_run()
    # A driver that died right after it wrote the manifest has left a key, which must not be used.
    sealer = None if folder.is_complete() else find_sealer(folder)
    if sealer is not None:
        stored, record = open_record(stored, sealer), seal_digests(record, artifact, sealer)
    else:  # sensitive values can no longer be compared, and nothing will be sent
        stored, record = msgspec.structs.replace(stored, sealed=""), seal_record(record, artifact, None)
    if differences := record_differences(stored, record):
        raise run_conflict(folder.run_id, differences)
