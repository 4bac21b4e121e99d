"""All secrets that a workspace speaks of, whichever journey needs them. It reads definitions, never a value."""

from __future__ import annotations

from pathlib import Path

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.plan import SecretReference
from reqflo_ray._internal.runner.prepare.checks.proxy import secrets_of_all_proxies
from reqflo_ray._internal.runner.prepare.checks.sources import secret_reference


def workspace_secrets(path: Path) -> tuple[list[SecretReference], str]:
    """Where every secret of the workspace at `path` is found, and the store that the workspace names ("" if none).

    A journey that does not compile counts for nothing here: `check` says what is wrong with it.

    Raises:
        UsageError: `no_workspace`.
        DefinitionError: the place of a secret cannot be told.
    """
    workspace = load_workspace(path)
    names = set(workspace.settings.secrets.names)
    for journey in workspace.journeys:
        try:
            names |= set(compile_journey(workspace, journey.name).artifact.requires.secrets)
        except DefinitionError:
            continue
    names |= set(secrets_of_all_proxies(workspace))
    problems = Problems()
    references = [secret_reference(name, workspace, problems) for name in sorted(names)]
    problems.raise_errors()
    return references, workspace.settings.runner.store or ""
