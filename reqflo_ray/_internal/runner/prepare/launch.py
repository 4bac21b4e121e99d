"""From what a person asks for to a run on disk: compile, check, record, stage. The driver goes on from there."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from reqflo_ray._internal.compiler.compile import Compilation, examine_journey
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.datasets.contents import changed_files, dataset_changed, with_contents
from reqflo_ray._internal.datasets.faults import no_row
from reqflo_ray._internal.datasets.pieces import split_dataset
from reqflo_ray._internal.datasets.preview import estimate_rows, read_columns, sample_values
from reqflo_ray._internal.errors import DatasetError, DefinitionError, Problem, Severity, UsageError
from reqflo_ray._internal.model import artifact as artifacts
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.json_text import well_formed
from reqflo_ray._internal.model.plan import DatasetSource, Durability, Evidence, Plan, RunOptions, RunRecord
from reqflo_ray._internal.model.workers import WorkerRange, parse_workers
from reqflo_ray._internal.runner.prepare.checks.artifact import check_artifact
from reqflo_ray._internal.runner.prepare.checks.check import CheckedRun, RunSelection, check_run
from reqflo_ray._internal.runner.progress.listener import Listener, SilentListener
from reqflo_ray._internal.runs.folder.artifacts import read_given
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import find_sealer, make_sealer, seal_digests
from reqflo_ray._internal.runs.staging.parallel import OutOfSight, StagingExecutor, stage_with
from reqflo_ray._internal.runs.staging.rows import NoSink, RowSink, choose_rows_per_shard, stage, write_plan
from reqflo_ray._internal.secrets.sources import look_at_secret

_CHECKED_AT_ONCE: Final = 1000
_RECORDED_PACKAGES: Final = ("reqflo-ray", "ray", "httptools", "httpx", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run, with which values, where and how. Mirrors the options of `reqflo-ray run`.

    Exactly one of `journey` (a name, or the path of its YAML file) and `artifact` (a compiled one). None means "as the
    workspace says, else the default". `data` are paths or globs of CSV, JSON, JSON Lines or Parquet; without, one row
    runs. `workers` is a number, `MIN:MAX` or `auto`; `rate` is requests per second over the whole run. `outputs` are
    files that will be written from what comes of it: each must be one that can be written, and that the run does not
    read.
    """

    journey: str = ""
    artifact: Path | None = None
    workspace: Path = Path(".")
    environment: str | None = None
    case: str | None = None
    presets: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    overrides: dict[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    key: str = ""
    encoding: str = "utf-8"
    store: str | None = None
    run_id: str | None = None
    backend: str = "auto"
    address: str | None = None
    workers: int | str | None = None
    concurrency: int | None = None
    rate: float | None = None
    evidence: Evidence = Evidence.FULL
    durability: Durability = Durability.HOST
    strict: bool = False
    fail_fast: bool = False
    max_failures: int | None = None
    take_over: bool = False
    outputs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that was compiled and checked: `problems` are all findings, the rest is there if none blocks."""

    artifact: Artifact
    workspace: Workspace
    checked: CheckedRun
    sources: dict[str, str]
    columns: tuple[str, ...]
    problems: tuple[Problem, ...]


def prepare(request: RunRequest, *, workers_are_local: bool) -> Prepared:
    """Compile what `request` names and check all of it against what will really be used.

    Args:
        workers_are_local: secrets in the environment or in files can be looked for here, since rows run here.

    Raises:
        UsageError, DatasetError: it cannot even be looked at.
        DefinitionError: the journey does not compile, or more is wrong than a dataset that cannot be read; with all
            that the check finds besides.
    """
    workspace = load_workspace(request.workspace, request.journey)
    source = _compiled(request, workspace)
    compilation = source if isinstance(source, Compilation) else None
    if compilation is not None and _has_error(workspace.problems):
        # What lies in a file that could not be read would be told as missing.
        raise DefinitionError.of(compilation.problems)
    columns: tuple[str, ...] | None = None
    unreadable: DatasetError | None = None
    try:
        columns = read_columns(request.data, encoding=request.encoding) if request.data else None
    except DatasetError as error:
        columns, unreadable = (), error
    artifact = source.artifact if isinstance(source, Compilation) else source
    hidden = artifact.sensitive_names & set(columns or ())
    selection = RunSelection(
        environment=request.environment,
        case=request.case,
        presets=request.presets,
        overrides=request.overrides,
        columns=columns,
        sampled=sample_values(request.data, hidden, encoding=request.encoding) if hidden else {},
        key=request.key,
        strict=request.strict,
    )
    checked = check_run(
        source,
        workspace,
        selection,
        me=identity(),
        look_at_secret=look_at_secret if workers_are_local else None,
    )
    problems = _worst_of_each(
        (*(compilation.problems if compilation else ()), *_from_here(checked.problems, workspace))
    )
    if unreadable is not None and not _has_error(problems):
        raise unreadable
    if unreadable is not None or (compilation is not None and compilation.blocked):
        raise DefinitionError.of((*problems, *(unreadable.all_problems() if unreadable else ())))
    return Prepared(
        artifact=artifact,
        workspace=workspace,
        checked=checked,
        sources=compilation.sources if compilation else {},
        columns=columns or (),
        problems=problems,
    )


def examine_from_here(workspace: Workspace, journey: str, overlays: tuple[str, ...] = ()) -> Compilation:
    """Examine a journey; places are told relative to the current folder, so that a terminal or editor finds them.

    Raises:
        DefinitionError: so much is wrong that there is nothing to go on with.
    """
    try:
        compilation = examine_journey(workspace, journey, overlays)
    except DefinitionError as error:
        raise DefinitionError.of(_from_here(error.problems, workspace)) from None
    return replace(compilation, problems=_from_here(compilation.problems, workspace))


def compile_from_here(workspace: Workspace, journey: str, overlays: tuple[str, ...] = ()) -> Compilation:
    """Compile a journey; places are told as `examine_from_here` does.

    Raises:
        DefinitionError: with everything that is wrong.
    """
    compilation = examine_from_here(workspace, journey, overlays)
    if compilation.blocked:
        raise DefinitionError.of(compilation.problems)
    return compilation


def _from_here(problems: tuple[Problem, ...], workspace: Workspace) -> tuple[Problem, ...]:
    return tuple(
        replace(problem, position=replace(place, file=os.path.relpath(workspace.root / place.file)))
        if (place := problem.position) is not None and (workspace.root / place.file).is_file()
        else problem
        for problem in problems
    )


def _has_error(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _worst_of_each(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Without what is told twice: the compiler only warns of a broken environment or case, the check stumbles on it."""
    blocking = {problem.as_warning() for problem in problems if problem.severity is Severity.ERROR}
    return tuple(problem for problem in problems if problem not in blocking)


def _compiled(request: RunRequest, workspace: Workspace) -> Compilation | Artifact:
    if request.artifact is None:
        return examine_from_here(workspace, request.journey, request.overlays)
    if request.overlays:
        raise UsageError(
            "`--overlay` cannot change an artifact",
            code="overlay_on_artifact",
            hint="overlays are applied when a journey is compiled: `reqflo-ray compile JOURNEY --overlay NAME`",
        )
    try:
        data = read_given(request.artifact)
    except OSError as problem:
        raise UsageError(
            f"`{request.artifact}` cannot be read",
            code="unreadable_artifact",
            cause=problem.strerror or str(problem),
            hint="`reqflo-ray compile JOURNEY -o FILE` writes one",
        ) from None
    artifact = artifacts.decode(data, file=str(request.artifact))
    check_artifact(artifact, str(request.artifact))
    return artifact


def check_rows(request: RunRequest, prepared: Prepared) -> None:
    """Read the whole dataset of `request` as a run would, and keep nothing of it.

    Raises:
        DatasetError: rows that cannot be used.
        NothingSelectedError: there are none.
    """
    source = DatasetSource(files=request.data, key_column=request.key, encoding=request.encoding)
    required = prepared.checked.row_required
    staged = stage(source, prepared.artifact, sink=NoSink(), rows_per_shard=_CHECKED_AT_ONCE, required=required)
    if not staged.rows:
        raise no_row()


def make_record(request: RunRequest, prepared: Prepared, *, run_id: str, nonce: str, now: datetime) -> RunRecord:
    """The record of the run that `request` asks for.

    Raises:
        DefinitionError: the check found errors.
        UsageError: `invalid_workers`.
    """
    checked = prepared.checked
    if checked.blocked:
        raise DefinitionError.of(prepared.problems)
    artifact, runner = prepared.artifact, checked.runner
    dataset = None
    if request.data:
        files = tuple(_findable(file) for file in request.data)
        dataset = DatasetSource(
            files=files, key_column=request.key, encoding=request.encoding, columns=prepared.columns
        )
    defaults = RunOptions()
    return RunRecord(
        run_id=run_id,
        nonce=nonce,
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        artifact=artifacts.digest(artifact),
        journey=artifact.journey.name,
        journey_version=artifact.journey.version,
        workspace=prepared.workspace.name,
        environment=checked.environment,
        case=request.case or "",
        presets=request.presets,
        overlays=artifact.journey.overlays,
        inputs=checked.inputs,
        me=checked.me,
        secrets=checked.secrets,
        http=checked.http,
        options=RunOptions(
            evidence=request.evidence,
            durability=request.durability,
            workers=_valid_workers(request.workers or runner.workers or 0),
            concurrency=request.concurrency or runner.concurrency or defaults.concurrency,
            rate=request.rate or (float(runner.rate) if runner.rate else None),
            row_timeout_ms=runner.row_timeout or defaults.row_timeout_ms,
            strict=request.strict,
            max_failures=1 if request.fail_fast else request.max_failures,
        ),
        dataset=dataset,
        # For people only; as values they stay what they are.
        user=well_formed(checked.me["user"]),
        host=well_formed(checked.me["host"]),
        versions=installed_versions(),
        sources=prepared.sources,
        row_required=tuple(sorted(checked.row_required)),
    )


def staging(
    folder: RunFolder,
    workers: WorkerRange,
    *,
    executor: StagingExecutor | None = None,
    listener: Listener | None = None,
    later: bool = False,
) -> Callable[[RunRecord, Artifact], None]:
    """A function that stages the dataset of a run record into `folder` for so many workers; `executor`
    stages a large one.

    Args:
        later: some time after the record was made, so that the dataset may have changed: then it is refused
            (`RunConflictError`).
    """

    def stage_run(record: RunRecord, artifact: Artifact) -> None:
        if record.rerun_of:
            raise UsageError(
                f"run `{record.run_id}` was interrupted before the rows of run `{record.rerun_of}` were chosen for it",
                code="rerun_not_staged",
                hint=f"nothing was sent: start it again with `reqflo-ray rerun {record.rerun_of}`",
            )
        source = record.dataset
        if later and source is not None:
            _need_same_dataset(folder, record, artifact)
        estimated = estimate_rows(source.files, encoding=source.encoding) if source else 1
        rows_per_shard = record.options.rows_per_shard or choose_rows_per_shard(
            estimated, len(artifact.steps), most_workers(workers)
        )
        plan: Plan | None = None
        if executor is not None and source is not None:
            plan = _stage_with(executor, folder, record, source, artifact, rows_per_shard, listener or SilentListener())
        if plan is None:
            plan = stage(
                source,
                artifact,
                sink=RowSink(folder.storage, folder.run_id, make_sealer(folder, artifact, record)),
                rows_per_shard=rows_per_shard,
                required=frozenset(record.row_required),
            ).shards
        write_plan(folder.storage, folder.run_id, plan)

    return stage_run


def _need_same_dataset(folder: RunFolder, record: RunRecord, artifact: Artifact) -> None:
    now = seal_digests(with_contents(record), artifact, find_sealer(folder))
    if record.dataset and now.dataset and (changed := changed_files(record.dataset, now.dataset)):
        raise dataset_changed(record.run_id, changed)


def _valid_workers(workers: int | str) -> int | str:
    parse_workers(workers)
    return workers


def most_workers(workers: WorkerRange) -> int:
    """For how many workers shards are cut. What cores a cluster has is not known before its rows are staged: those of
    this machine stand for them, and shards are short enough for more."""
    return workers.most or os.cpu_count() or 1


def _stage_with(
    executor: StagingExecutor,
    folder: RunFolder,
    record: RunRecord,
    source: DatasetSource,
    artifact: Artifact,
    rows_per_shard: int,
    listener: Listener,
) -> Plan | None:
    """What the executor has staged; None if the driver is to do it."""
    dataset = split_dataset(source, artifact, frozenset(record.row_required), piece_bytes=executor.job_bytes)
    if len(dataset.pieces) < 2 or dataset.size < executor.least_bytes:
        return None
    listener.staging(
        folder.run_id, "ray", f"the dataset has {dataset.size / 1e6:,.0f} MB in {len(dataset.pieces)} pieces"
    )
    try:
        return stage_with(
            executor,
            folder,
            source,
            dataset,
            rows_per_shard=rows_per_shard,
            show_text=not artifact.sensitive_names,
        )
    except OutOfSight as problem:
        listener.staging(folder.run_id, "local", f"a worker does not find `{problem.place}` as it is here")
        return None


def identity() -> dict[str, str]:
    """Who runs, the values of `me.*`: `user`, `host`, and every `REQFLO_ME_X` of the environment as `x`."""
    prefix = "REQFLO_ME_"
    own = {name[len(prefix) :].lower(): value for name, value in os.environ.items() if name.startswith(prefix)}
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's process may have no name
        user = str(os.getuid())
    return {"user": user, "host": socket.gethostname(), **own}


def installed_versions() -> dict[str, str]:
    """The versions of what decides how a run is carried out, of this package first."""
    return {name: found for name in _RECORDED_PACKAGES if (found := _version(name))}


def inside_ray_job() -> bool:
    """Whether this process is the entrypoint of a job that was submitted to a Ray cluster."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def _findable(file: str) -> str:
    # A resume may happen in another folder; but a job's is a copy that the next job has elsewhere.
    return file if "://" in file or inside_ray_job() else os.path.abspath(file)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
