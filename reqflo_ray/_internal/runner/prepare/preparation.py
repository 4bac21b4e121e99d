"""Compiles and checks what a person asks for, before anything is stored or sent: all findings at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.datasets.faults import no_row
from reqflo_ray._internal.datasets.preview import read_columns, sample_values
from reqflo_ray._internal.errors import DatasetError, DefinitionError, Problem, Severity
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import DatasetSource
from reqflo_ray._internal.runner.prepare.checks.check import CheckedRun, RunSelection, check_run
from reqflo_ray._internal.runner.prepare.compilation import find_source, places_from_here
from reqflo_ray._internal.runner.prepare.identity import identity
from reqflo_ray._internal.runner.prepare.request import Dataset, Journey
from reqflo_ray._internal.runs.staging.rows import NoSink, stage
from reqflo_ray._internal.secrets.sources import look_at_secret

_CHECKED_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A journey that was compiled and checked: `problems` are all findings, the rest is there if none blocks."""

    artifact: Artifact
    workspace: Workspace
    checked: CheckedRun
    sources: dict[str, str]
    columns: tuple[str, ...]
    problems: tuple[Problem, ...]


def prepare(journey: Journey, dataset: Dataset, *, joins_cluster: bool | None = None) -> Prepared:
    """Compile what `journey` names and check all of it against what will really be used, the columns of `dataset` too.

    Args:
        joins_cluster: whether rows run elsewhere, so that secrets in the environment or in files cannot be looked for
            here; None: as the workspace says.

    Raises:
        UsageError, DatasetError: it cannot even be looked at.
        DefinitionError: the journey does not compile, or more is wrong than a dataset that cannot be read; with all
            that the check finds besides.
    """
    workspace = load_workspace(Path(journey.workspace), journey.name)
    if joins_cluster is None:
        joins_cluster = bool(workspace.settings.runner.address)
    source = find_source(journey, workspace)
    compilation = source if isinstance(source, Compilation) else None
    if compilation is not None and _has_error(workspace.problems):
        # What lies in a file that could not be read would be told as missing.
        raise DefinitionError.of(compilation.problems)
    columns: tuple[str, ...] | None = None
    unreadable: DatasetError | None = None
    try:
        columns = read_columns(dataset.files, encoding=dataset.encoding) if dataset.files else None
    except DatasetError as error:
        columns, unreadable = (), error
    artifact = source.artifact if isinstance(source, Compilation) else source
    hidden = artifact.sensitive_names & set(columns or ())
    selection = RunSelection(
        environment=journey.environment,
        case=journey.case,
        presets=journey.presets,
        overrides=journey.overrides,
        columns=columns,
        sampled=sample_values(dataset.files, hidden, encoding=dataset.encoding) if hidden else {},
        key=dataset.key,
        strict=dataset.strict,
    )
    checked = check_run(
        source,
        workspace,
        selection,
        me=identity(),
        look_at_secret=None if joins_cluster else look_at_secret,
    )
    problems = _worst_of_each(
        (*(compilation.problems if compilation else ()), *places_from_here(checked.problems, workspace))
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


def check_rows(dataset: Dataset, prepared: Prepared) -> None:
    """Read the whole dataset as a run would, and keep nothing of it.

    Raises:
        DatasetError: rows that cannot be used.
        NothingSelectedError: there are none.
    """
    source = DatasetSource(files=dataset.files, key_column=dataset.key, encoding=dataset.encoding)
    required = prepared.checked.row_required
    staged = stage(source, prepared.artifact, sink=NoSink(), rows_per_shard=_CHECKED_AT_ONCE, required=required)
    if not staged.rows:
        raise no_row()


def _has_error(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _worst_of_each(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Without what is told twice: the compiler only warns of a broken environment or case, the check stumbles on it."""
    blocking = {problem.as_warning() for problem in problems if problem.severity is Severity.ERROR}
    return tuple(problem for problem in problems if problem not in blocking)
