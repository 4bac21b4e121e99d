"""Compiles and checks a requested run before anything is stored or sent, and reports all findings together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.datasets.faults import no_row
from reqflo_ray._internal.datasets.preview import Columns, read_columns, sample_values
from reqflo_ray._internal.datasets.rows import used_columns
from reqflo_ray._internal.engine.values.expectations import assertions_of, expected_whole, row_expectations
from reqflo_ray._internal.engine.values.supply import Supply, is_declared
from reqflo_ray._internal.errors import DatasetError, DefinitionError, Problem, Severity
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.runner.prepare.checks.check import CheckedRun, RunSelection, check_run
from reqflo_ray._internal.runner.prepare.compilation import find_source, places_from_here
from reqflo_ray._internal.runner.prepare.identity import identity
from reqflo_ray._internal.runner.prepare.request import Dataset, Journey
from reqflo_ray._internal.runs.staging.rows import NoSink, stage
from reqflo_ray._internal.runs.staging.sizes import ShardSizes
from reqflo_ray._internal.secrets.sources import look_at_secret

_CHECKED_AT_ONCE: Final = ShardSizes(1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A journey that was compiled and checked. `problems` holds all findings except those in rows. The rest is complete
    if no finding blocks; otherwise it is what could be read."""

    artifact: Artifact
    workspace: Workspace
    checked: CheckedRun
    sources: dict[str, str]
    columns: tuple[str, ...]
    problems: tuple[Problem, ...]
    is_readable: bool = True

    @property
    def blocked(self) -> bool:
        """Whether any finding is an error."""
        return _has_error(self.problems)


def prepare(
    journey: Journey, dataset: Dataset, *, joins_cluster: bool | None = None, uses_network: bool = True
) -> Prepared:
    """Compile what `journey` names, and check it with everything that the run will use, including the columns of
    `dataset`.

    Args:
        joins_cluster: whether rows run elsewhere, so that secrets in environment variables or files cannot be checked
            here; None: as the workspace says.
        uses_network: whether requests are really sent; if not, nothing that only sending needs is checked.

    Raises:
        UsageError: the workspace or the journey cannot be opened.
        DatasetError: the dataset cannot be read, and nothing else is wrong.
        DefinitionError: the errors leave nothing to check further.
    """
    workspace = load_workspace(Path(journey.workspace), journey.name)
    if joins_cluster is None:
        joins_cluster = bool(workspace.settings.runner.address)
    source = find_source(journey, workspace)
    compilation = source if isinstance(source, Compilation) else None
    artifact = source.artifact if isinstance(source, Compilation) else source
    rows = dataset.as_source()
    found, unreadable = Columns(), None
    try:
        if dataset.files:
            found = read_columns(rows, used=used_columns(rows, artifact), show_text=not artifact.sensitive_names)
    except DatasetError as error:
        unreadable = error
    columns = found.names if dataset.files else None
    looked_at = (artifact.sensitive_names | _expected_names(artifact)) & set(columns or ())
    selection = RunSelection(
        environment=journey.environment,
        case=journey.case,
        presets=journey.presets,
        overrides=journey.overrides,
        columns=columns,
        sampled=sample_values(rows, looked_at) if looked_at else {},
        key=dataset.key,
        strict=dataset.strict,
    )
    of_compilation = compilation.problems if compilation else ()
    try:
        checked = check_run(
            source,
            workspace,
            selection,
            me=identity(),
            # With invalid settings, the places of secrets are unknown.
            look_at_secret=look_at_secret if not joins_cluster and workspace.settings_are_whole else None,
            sends_here=uses_network and not joins_cluster,
        )
    except DefinitionError as error:
        raise DefinitionError.of((*of_compilation, *places_from_here(error.problems, workspace))) from None
    problems = _worst_of_each((*of_compilation, *places_from_here(checked.problems, workspace), *found.remarks))
    if unreadable is not None:
        if not _has_error(problems):
            raise unreadable
        problems = (*problems, *unreadable.all_problems())
    return Prepared(
        artifact=artifact,
        workspace=workspace,
        checked=checked,
        sources=compilation.sources if compilation else {},
        columns=columns or (),
        problems=problems,
        is_readable=unreadable is None,
    )


def all_findings(dataset: Dataset, prepared: Prepared) -> tuple[Problem, ...]:
    """Return the findings of `prepared` and those in the rows. The whole dataset is read as a run reads it, and nothing
    is stored.

    Raises:
        NothingSelectedError: there are no rows, and nothing else is wrong.
    """
    if not dataset.files or not prepared.is_readable:
        return prepared.problems
    artifact, checked = prepared.artifact, prepared.checked
    try:
        staged = stage(
            dataset.as_source(),
            artifact,
            sink=NoSink(),
            sizes=_CHECKED_AT_ONCE,
            required=checked.row_required,
            expects=row_expectations(artifact, Supply(artifact, checked.environment, checked.inputs, checked.me)),
        )
    except DatasetError as error:
        return (*prepared.problems, *error.all_problems())
    if not staged.rows and not prepared.blocked:
        raise no_row()
    return (*prepared.problems, *staged.warnings)


def _expected_names(artifact: Artifact) -> frozenset[str]:
    """Return the inputs and variables whose values assertions expect."""
    expected = (one for _, assertion in assertions_of(artifact) for one in expected_whole(assertion))
    return frozenset(one.name for one in expected if is_declared(one))


def _has_error(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _worst_of_each(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Remove warnings that are also errors: the compiler warns of an invalid environment or case, which is an error if
    the run uses it."""
    blocking = {problem.as_warning() for problem in problems if problem.severity is Severity.ERROR}
    return tuple(problem for problem in problems if problem not in blocking)
