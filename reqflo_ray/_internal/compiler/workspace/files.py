"""Which YAML files below a folder are looked at for a workspace, and their bytes; what other tools keep there is passed
over.

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
# Anything that could be read as one of our keys, at any level: a file without it need not be parsed at all.
_MAY_HOLD: Final = re.compile(rf"\b(?:{_KEYS})[\"']?\s*:|\?\s+[\"']?(?:{_KEYS})\b|\breqflo\.dev/")
# A line that a person writes to begin a document of ours, for files that cannot be parsed.
_MEANT: Final = re.compile(
    rf"^(?:---[ \t]+)?(?:\{{\s*)?([\"']?)(?:{_KEYS})\1[ \t]*:(?=\s|$)"
    rf"|^\?[ \t]+([\"']?)(?:{_KEYS})\2[ \t]*$"
    r"|^apiVersion:[ \t]*[\"']?reqflo\.dev/",
    re.MULTILINE,
)
_FIRST_KEY: Final = re.compile(
    r"(?:\A|^---[^\n]*\n)(?:[ \t]*(?:#[^\n]*)?\r?\n)*[\"']?([A-Za-z][\w-]*)[\"']?[ \t]*:(?=\s|$)", re.MULTILINE
)
_MISSPELT: Final = 0.8  # how alike a misspelt key is: `jurney` is, `base` and `case` are not
_KINDS: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}

# Told of a file or folder that is passed over: its name and why.
Refuse: TypeAlias = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Selection:
    """What `include` and `exclude` of a workspace say: patterns of paths relative to it. A folder stands for all that
    is below it; `*` matches within a name, `**` any number of folders."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: Sequence[str]) -> bool:
        """Whether the file at `path`, given by its names, is looked at."""
        included = not self.include or any(_covers(_names(pattern), path) for pattern in self.include)
        return included and not self._excludes(path)

    def enters(self, path: Sequence[str]) -> bool:
        """Whether any file below the folder `path` may be looked at."""
        reached = not self.include or any(_reaches(_names(pattern), path) for pattern in self.include)
        return reached and not self._excludes(path)

    def _excludes(self, path: Sequence[str]) -> bool:
        return any(_covers(_names(pattern), path) for pattern in self.exclude)


def yaml_files(root: Path, selection: Selection, refuse: Refuse) -> Iterator[Path]:
    """The YAML files of the workspace, in an order that is the same on every machine, its marker left out.

    Hidden files and folders are left alone, links to folders are not followed, and a folder with a `reqflo.yaml` of
    its own is another workspace.
    """
    # Not os.walk, which calls itself for every level: a folder may be deeper than Python's stack.
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
    """The first `most` bytes of a regular file. It never waits, whatever the name stands for.

    Raises:
        OSError: there is none, or it cannot be read; `strerror` says in words what is there instead.
    """
    try:
        _need_regular(os.stat(file))
        # What is opened may be another file than what was looked at: opening a FIFO would wait for its writer.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            _need_regular(os.fstat(opened.fileno()))
            return opened.read(most)
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link that leads to itself") from None
        if problem.errno == errno.ENOENT and os.path.islink(file):
            raise OSError(errno.ENOENT, "it is a link to a file that is not there") from None
        raise


def may_hold_ours(data: bytes) -> bool:
    """Whether the text has what could be one of our keys, at any level. False saves the time to parse it."""
    return _MAY_HOLD.search(_text(data)) is not None


def was_meant(data: bytes) -> bool:
    """Whether text that is no YAML was meant for us: one of its lines begins with a root key of ours."""
    return _MEANT.search(_text(data)) is not None


def misspelt_key(data: bytes) -> tuple[int, str, str] | None:
    """The line (from 1), the first key of a document that is nearly one of ours, and which; None if there is none."""
    text = _text(data)
    for found in _FIRST_KEY.finditer(text):
        key = found[1]
        meant = closest(key.lower(), ROOT_KEYS, _MISSPELT)
        if meant is not None and key not in ROOT_KEYS:
            return text.count("\n", 0, found.start(1)) + 1, key, meant
    return None


def shown(name: str) -> str:
    """A file's name as text that can be written anywhere: bytes that are no UTF-8 as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _text(data: bytes) -> str:
    # Also of a file in UTF-16, which a person may well mean: between its NULs our keys stand as they are.
    text = data.replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufeff\ufffd")
    return text.replace("\r\n", "\n").replace("\r", "\n")  # YAML takes each for the end of a line


def _need_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise OSError(errno.EINVAL, f"it is {kind}")


def _names(pattern: str) -> tuple[str, ...]:
    return tuple(name for name in pattern.split("/") if name not in ("", "."))


def _covers(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Whether `pattern` matches `path`, or a folder that it is below."""
    # All places of the path that the names so far may have led to: to try one after another can take for ever.
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
    """Whether `pattern` may match something below `folder`."""
    if not pattern or not folder or pattern[0] == "**":
        return True
    return fnmatchcase(folder[0], pattern[0]) and _reaches(pattern[1:], folder[1:])
