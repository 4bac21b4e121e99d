"""Small workspaces for the compiler's tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from schema_check import need_accepted

from reqflo_ray._internal.compiler.compile import Compilation, compile_journey
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.errors import DefinitionError, Problem

ENVIRONMENT = """
environment:
  name: local
  services: {shop: {base_url: "http://127.0.0.1:8480"}}
"""

WorkspaceMaker = Callable[[Mapping[str, str]], Workspace]
Compiler = Callable[..., Compilation]
Refused = Callable[..., tuple[Problem, ...]]


@pytest.fixture
def make_workspace(tmp_path: Path) -> WorkspaceMaker:
    """Write files, with a default `reqflo.yaml` and environment, and load them as a workspace."""

    def make(files: Mapping[str, str]) -> Workspace:
        defaults = {"reqflo.yaml": "workspace: {name: test}", "environments.yaml": ENVIRONMENT}
        for name, text in (defaults | dict(files)).items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text), encoding="utf-8")
        return load_workspace(tmp_path)

    return make


@pytest.fixture
def compiled(make_workspace: WorkspaceMaker) -> Compiler:
    """Compile the journey `j` of `j.yaml`, with further files. Whatever compiles is valid by the JSON Schema too."""

    def compile_text(text: str, overlays: Sequence[str] = (), **files: str) -> Compilation:
        others = {f"{name}.yaml": content for name, content in files.items()}
        workspace = make_workspace({"j.yaml": text} | others)
        compilation = compile_journey(workspace, "j", overlays)
        if not workspace.problems and not any(one.problems for one in workspace.definitions()):
            need_accepted(file for file in workspace.files if file.name in ("j.yaml", *others))
        return compilation

    return compile_text


@pytest.fixture
def refused(compiled: Compiler) -> Refused:
    """Return the problems for which `j` is refused."""

    def compile_text(text: str, overlays: Sequence[str] = (), **files: str) -> tuple[Problem, ...]:
        with pytest.raises(DefinitionError) as caught:
            compiled(text, overlays, **files)
        return caught.value.problems

    return compile_text


@pytest.fixture
def only_problem(refused: Refused) -> Callable[..., Problem]:
    """Return the only problem for which `j` is refused."""

    def compile_text(text: str, overlays: Sequence[str] = (), **files: str) -> Problem:
        found = refused(text, overlays, **files)
        assert len(found) == 1, found
        return found[0]

    return compile_text
