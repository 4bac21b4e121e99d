"""Lists all secrets that a workspace mentions, whichever journey needs them. It reads definitions and never a value."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reqflo_ray._internal.compiler.compile import examine_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.errors import DefinitionError, Problem, Severity
from reqflo_ray._internal.model.plan import SecretReference
from reqflo_ray._internal.runner.prepare.checks.proxy import secrets_of_all_proxies
from reqflo_ray._internal.runner.prepare.checks.sources import secret_reference


class WorkspaceSecrets(NamedTuple):
    """Where each secret of a workspace is read, as far as that is known; the store of the workspace ("" if none); the
    errors in its files; and the journeys that do not compile, whose secrets are unknown."""

    references: list[SecretReference]
    store: str
    problems: tuple[Problem, ...]
    broken_journeys: tuple[str, ...]


def workspace_secrets(path: Path) -> WorkspaceSecrets:
    """Return the secrets of the workspace at `path`. `check` reports what is wrong with its journeys.

    Raises:
        UsageError: `no_workspace`.
    """
    workspace = load_workspace(path)
    problems = Problems()
    problems.add(*(problem for problem in workspace.problems if problem.severity is Severity.ERROR))
    names = set(workspace.settings.secrets.names)
    broken = []
    for journey in workspace.journeys:
        artifact = None
        try:
            compilation = examine_journey(workspace, journey.name)
            artifact = compilation.artifact
            names |= set(artifact.requires.secrets)
        except DefinitionError:
            pass
        if artifact is None or compilation.blocked:
            broken.append(journey.name)
    names |= set(secrets_of_all_proxies(workspace))
    references = [secret_reference(name, workspace, problems) for name in sorted(names)]
    return WorkspaceSecrets(references, workspace.settings.runner.store or "", problems.all(), tuple(broken))
