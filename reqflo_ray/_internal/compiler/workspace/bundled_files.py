"""Reads the files that request bodies name, in the workspace only and up to a limit, to include them in the artifact.

This is the only part of the compiler that reads files other than YAML.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from reqflo_ray._internal.compiler.workspace.files import read_regular, shown
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode
from reqflo_ray._internal.model.names import suggestion

MAX_FILE_BYTES: Final = 8 * 2**20
MAX_TOTAL_BYTES: Final = 32 * 2**20


class BundledFiles:
    """The files read so far, by their path in the workspace."""

    def __init__(self, root: Path, problems: Problems) -> None:
        self._root = root
        self._problems = problems
        self._taken: dict[str, bytes] = {}

    def take(self, name: str, at: YamlNode) -> str:
        """Read the file `name`, a path relative to the workspace. Return its name in the artifact, "" if refused."""
        try:
            resolved = Path(os.path.realpath(self._root / name))
        except ValueError:
            self._problems.error("file_not_found", f"`{shown(name)}` is not a valid file name", at)
            return ""
        if Path(name).is_absolute() or not resolved.is_relative_to(self._root):
            message = f"`{name}` is outside the workspace"
            hint = "name a file in the workspace, relative to its folder"
            self._problems.error("path_outside_workspace", message, at, hint=hint)
            return ""
        entry = shown(resolved.relative_to(self._root).as_posix())
        if entry not in self._taken:
            data = self._read(resolved, name, at)
            if data is None:
                return ""
            self._taken[entry] = data
        return entry

    def all(self) -> dict[str, bytes]:
        """Return the files, sorted by name."""
        return dict(sorted(self._taken.items()))

    def _read(self, file: Path, name: str, at: YamlNode) -> bytes | None:
        if not os.path.lexists(file):
            neighbours = self._neighbours(file)
            hint = (
                suggestion(file.name, neighbours) if neighbours else "write the path relative to the workspace's folder"
            )
            self._problems.error("file_not_found", f"there is no file `{name}`", at, hint=hint)
            return None
        room = min(MAX_FILE_BYTES, MAX_TOTAL_BYTES - sum(map(len, self._taken.values())))
        try:
            data = read_regular(file, room + 1)
        except OSError as problem:
            self._problems.error("file_not_found", f"`{name}` cannot be read", at, cause=problem.strerror or "")
            return None
        if len(data) > room:
            message = f"`{name}` is too large for the artifact"
            limits = f"at most {MAX_FILE_BYTES // 2**20} MiB per file and {MAX_TOTAL_BYTES // 2**20} MiB in total"
            self._problems.error("file_too_large", message, at, cause=limits)
            return None
        return data

    @staticmethod
    def _neighbours(file: Path) -> list[str]:
        try:
            return [shown(name) for name in os.listdir(file.parent)]
        except OSError:
            return []
