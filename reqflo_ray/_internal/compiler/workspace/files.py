"""Selects and reads the YAML files of a workspace folder, and skips the files of other tools in it.

It knows names, kinds of files, and what a root key looks like as text. It must not know what a document means.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, TypeAlias

from reqflo_ray._internal.model.names import closest

MARKER: Final = "reqflo.yaml"
ROOT_KEYS: Final = ("workspace", "journey", "template", "templates", "environment", "case", "preset", "overlay")

_KEYS: Final = "|".join(ROOT_KEYS)
# Text that could be a root key, at any level: a file without it need not be parsed.
_MAY_HOLD: Final = re.compile(rf"\b(?:{_KEYS})[\"']?\s*:|\?\s+[\"']?(?:{_KEYS})\b|\breqflo\.dev/")
# A line with which a person begins a document of a workspace, for files that cannot be parsed.
_MEANT: Final = re.compile(
    rf"^(?:---[ \t]+)?(?:\{{\s*)?([\"']?)(?:{_KEYS})\1[ \t]*:(?=\s|$)"
    rf"|^\?[ \t]+([\"']?)(?:{_KEYS})\2[ \t]*$"
    r"|^apiVersion:[ \t]*[\"']?reqflo\.dev/",
    re.MULTILINE,
)
_FIRST_KEY: Final = re.compile(
    r"(?:\A|^---[^\n]*\n)(?:[ \t]*(?:#[^\n]*)?\r?\n)*[\"']?([A-Za-z][\w-]*)[\"']?[ \t]*:(?=\s|$)", re.MULTILINE
)
_MISSPELT: Final = 0.8  # the likeness of a misspelled key: `jurney` is one of `journey`, `base` is not one of `case`
_KINDS: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}

# Called with the name of a skipped file or folder, and the reason.
Refuse: TypeAlias = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Selection:
    """The `include` and `exclude` of a workspace: patterns of paths relative to it.

    A folder includes everything below it; `*` matches within a name, `**` any number of folders.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: Sequence[str]) -> bool:
        """Return whether the file at `path`, a sequence of names, is read."""
        included = not self.include or any(_covers(_names(pattern), path) for pattern in self.include)
        return included and not self._excludes(path)

    def enters(self, path: Sequence[str]) -> bool:
        """Return whether a file below the folder `path` may be read."""
        reached = not self.include or any(_reaches(_names(pattern), path) for pattern in self.include)
        return reached and not self._excludes(path)

    def _excludes(self, path: Sequence[str]) -> bool:
        return any(_covers(_names(pattern), path) for pattern in self.exclude)


def yaml_files(root: Path, selection: Selection, refuse: Refuse) -> Iterator[Path]:
    """Yield the YAML files of the workspace except its marker, in an order that is the same on every machine.

    Hidden files and folders are skipped, links to folders are not followed, and a folder with its own `reqflo.yaml` is
    another workspace.
    """
    # Not os.walk, which recurses: folders may be nested more deeply than Python's stack.
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        here = waiting.pop()
        folder = root.joinpath(*here)
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as problem:
            refuse(shown(os.path.join(*here) if here else "."), f"the folder cannot be read: {problem.strerror}")
            continue
        folders = []
        for entry in entries:
            path = (*here, entry.name)
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if not os.path.isfile(os.path.join(entry.path, MARKER)) and selection.enters(path):
                    folders.append(path)
            elif entry.name.endswith((".yaml", ".yml")) and path != (MARKER,) and selection.takes(path):
                yield folder / entry.name
        waiting += reversed(folders)


def read_regular(file: Path, most: int) -> bytes:
    """Return the first `most` bytes of a regular file. It never blocks, whatever kind of file has that name.

    Raises:
        OSError: the file does not exist, is not a regular file or cannot be read; `strerror` says which.
    """
    try:
        _need_regular(os.stat(file))
        # The file may be replaced between stat and open, and opening a FIFO would wait for its writer.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            _need_regular(os.fstat(opened.fileno()))
            return opened.read(most)
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link that leads to itself") from None
        if problem.errno == errno.ENOENT and os.path.islink(file):
            raise OSError(errno.ENOENT, "it is a link to a file that does not exist") from None
        raise


def may_hold_ours(data: bytes) -> bool:
    """Return whether the text may contain a root key, at any level. If not, it need not be parsed."""
    return _MAY_HOLD.search(_text(data)) is not None


def was_meant(data: bytes) -> bool:
    """Return whether invalid YAML was meant for a workspace: one of its lines begins with a root key."""
    return _MEANT.search(_text(data)) is not None


def misspelt_key(data: bytes) -> tuple[int, str, str] | None:
    """Return line (from 1), key and root key of the first document key that resembles a root key, or None."""
    text = _text(data)
    for found in _FIRST_KEY.finditer(text):
        key = found[1]
        meant = closest(key.lower(), ROOT_KEYS, _MISSPELT)
        if meant is not None and key not in ROOT_KEYS:
            return text.count("\n", 0, found.start(1)) + 1, key, meant
    return None


def shown(name: str) -> str:
    """Return a file's name as text that can be displayed: bytes that are not UTF-8 are written as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _text(data: bytes) -> str:
    # Without its NULs, a UTF-16 file shows its root keys too; a person may have saved one by mistake.
    text = data.replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufeff\ufffd")
    return text.replace("\r\n", "\n").replace("\r", "\n")  # each ends a line in YAML


def _need_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise OSError(errno.EINVAL, f"it is {kind}")


def _names(pattern: str) -> tuple[str, ...]:
    return tuple(name for name in pattern.split("/") if name not in ("", "."))


def _covers(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Return whether `pattern` matches `path` or a folder above it."""
    # All positions in the path that the names so far can match: backtracking could take exponential time.
    reached = {0}
    for name in pattern:
        if name == "**":
            reached = set(range(min(reached), len(path) + 1))
        else:
            reached = {place + 1 for place in reached if place < len(path) and fnmatchcase(path[place], name)}
        if not reached:
            return False
    return True


def _reaches(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    """Return whether `pattern` may match something below `folder`."""
    if not pattern or not folder or pattern[0] == "**":
        return True
    return fnmatchcase(folder[0], pattern[0]) and _reaches(pattern[1:], folder[1:])
