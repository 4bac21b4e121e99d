"""Makes the record of a new run, which freezes everything that decides its requests. A resume reads nothing else."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import msgspec

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model import artifact as artifacts
from reqflo_ray._internal.model import instants
from reqflo_ray._internal.model.json_text import well_formed
from reqflo_ray._internal.model.plan import RunOptions, RunRecord
from reqflo_ray._internal.runner.prepare.preparation import Prepared, all_findings
from reqflo_ray._internal.runner.prepare.request import Dataset, Execution, Journey
from reqflo_ray._internal.runs.folder.layout import check_new_run_id, new_run_id
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

_RECORDED_PACKAGES: Final = ("reqflo-ray", "ray", "httptools", "httpx", "pyarrow")


def make_record(
    journey: Journey,
    dataset: Dataset,
    execution: Execution,
    prepared: Prepared,
    *,
    run_id: str | None = None,
    workers: int | str | None = None,
    keeps_relative_paths: bool = False,
) -> RunRecord:
    """Return the record of a new run.

    Args:
        run_id: None: a new ID.
        workers: the requested workers; None: as the workspace says.
        keeps_relative_paths: whether data files are found wherever the run continues, as in the folder of a job, which
            is a copy. Otherwise their paths are made absolute.

    Raises:
        DefinitionError: the check found errors; those in the rows are included.
        UsageError: `invalid_run_id`.
    """
    checked = prepared.checked
    if prepared.blocked:
        raise DefinitionError.of(all_findings(dataset, prepared))
    artifact, runner = prepared.artifact, checked.runner
    source = None
    if dataset.files:
        files = tuple(file if keeps_relative_paths else _absolute(file) for file in dataset.files)
        source = msgspec.structs.replace(dataset.as_source(), files=files, columns=prepared.columns)
    defaults = RunOptions()
    return RunRecord(
        run_id=check_new_run_id(run_id) if run_id else fresh_run_id(),
        nonce=secrets.token_hex(16),
        created_at=_now(),
        artifact=artifacts.digest(artifact),
        journey=artifact.journey.name,
        journey_version=artifact.journey.version,
        workspace=prepared.workspace.name,
        environment=checked.environment,
        case=journey.case or "",
        presets=journey.presets,
        overlays=artifact.journey.overlays,
        inputs=checked.inputs,
        me=checked.me,
        secrets=checked.secrets,
        http=checked.http,
        options=RunOptions(
            evidence=execution.evidence,
            durability=execution.durability,
            workers=workers or runner.workers or 0,
            concurrency=execution.concurrency or runner.concurrency or defaults.concurrency,
            rate=execution.rate or (float(runner.rate) if runner.rate else None),
            row_timeout_ms=runner.row_timeout or defaults.row_timeout_ms,
            strict=dataset.strict,
            max_failures=execution.max_failures,
        ),
        dataset=source,
        # These two are only shown to people; `me` keeps the exact values.
        user=well_formed(checked.me["user"]),
        host=well_formed(checked.me["host"]),
        versions=installed_versions(),
        sources=prepared.sources,
        row_required=tuple(sorted(checked.row_required)),
    )


def fresh_run_id() -> str:
    """Return an ID that no run has yet."""
    return new_run_id(datetime.now(UTC), secrets.token_bytes(8))


def record_of_rerun(earlier: RunFolder, run_id: str, workers: int | str | None) -> RunRecord:
    """Return the record of a new run with rows of `earlier`: the same artifact, environment, and values.

    Raises:
        StoreError, IntegrityError: the earlier record cannot be read, or is damaged.
    """
    old = earlier.load_proven_run()
    return msgspec.structs.replace(
        old,
        run_id=run_id,
        nonce=secrets.token_hex(16),
        created_at=_now(),
        options=msgspec.structs.replace(old.options, workers=workers or old.options.workers),
        rerun_of=earlier.run_id,
    )


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that decide how a run is executed, this package first."""
    return {name: found for name in _RECORDED_PACKAGES if (found := _version(name))}


def _now() -> str:
    return instants.written(datetime.now(UTC))


def _absolute(file: str) -> str:
    # A run may be resumed in another folder.
    return file if "://" in file else os.path.abspath(file)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
