"""Examines what a run will need on the machine where it is called: this process, a store, the secrets. It leaves no
change behind and shows no value. Workers of a cluster run the same examinations; this module must not know clusters.
"""

from __future__ import annotations

import grp
import resource
import secrets
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from reqflo_ray._internal.errors import Problem, ReqfloError, SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.secrets.gcp import GoogleSecretManager
from reqflo_ray._internal.secrets.sources import default_sources
from reqflo_ray._internal.storage.local import LocalStorage
from reqflo_ray._internal.storage.open import open_storage
from reqflo_ray._internal.storage.protocol import Storage

CORE_PATTERN: Final = Path("/proc/sys/kernel/core_pattern")


class FindingLevel(StrEnum):
    """How serious a finding is: `warn` is a risk; with `fail`, a run cannot work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one examination. `where` is "" for this machine; `hint` says what to do."""

    subject: str
    level: FindingLevel
    message: str
    hint: str = ""
    where: str = ""

    def at(self, where: str) -> Finding:
        """Return the same finding for another machine."""
        return replace(self, where=where)


def examine_process(core_pattern: Path = CORE_PATTERN) -> Finding:
    """Examine whether a crash of this process would write its memory to a file."""
    if resource.getrlimit(resource.RLIMIT_CORE)[0] == 0:
        return Finding(subject="core dumps", level=FindingLevel.OK, message="off")
    try:
        piped = core_pattern.read_text().startswith("|")
    except OSError:
        piped = False
    if piped:
        message = "are sent to a program, which may keep them although workers set the limit to 0"
        hint = f"run `ulimit -c 0`, or check what the program in `{CORE_PATTERN}` keeps"
        return Finding(subject="core dumps", level=FindingLevel.WARN, message=message, hint=hint)
    return Finding(subject="core dumps", level=FindingLevel.OK, message="off while secrets are loaded")


def examine_workspace(problems: Iterable[Problem], broken_journeys: Iterable[str]) -> Iterator[Finding]:
    """Yield what hides parts of a workspace: `problems` of its files, and journeys that do not compile."""
    for problem in problems:
        place = f"{problem.position}: " if problem.position else ""
        message = f"{place}{problem.message}"
        yield Finding(subject="workspace", level=FindingLevel.FAIL, message=message, hint=problem.hint)
    for journey in broken_journeys:
        message = f"the journey `{journey}` does not compile: secrets that only it needs are not examined"
        hint = f"run `reqflo-ray check {journey}` to see what is wrong"
        yield Finding(subject="workspace", level=FindingLevel.WARN, message=message, hint=hint)


def examine_store(uri: str, *, marker: str = "") -> list[Finding]:
    """Examine whether the store offers the guarantees that runs rely on; remove the files of the examination.

    Args:
        marker: a file of the store that another machine has made, and that must exist here.
    """
    folder = f"doctor-{secrets.token_hex(8)}"
    try:
        storage = open_storage(uri)
        if marker and not storage.exists(marker):
            message = f"`{uri}` is not the same folder here as on the machine that starts the run"
            return [_store(FindingLevel.FAIL, message, "mount one file system at the same path on every node")]
        try:
            wrong = list(_broken_promises(storage, folder))
        finally:
            storage.remove_tree(folder)
    except ReqfloError as problem:
        return [_store(FindingLevel.FAIL, f"`{uri}`: {problem.in_one_line}", problem.hint)]
    if wrong:
        return [_store(FindingLevel.FAIL, f"`{uri}`: {what}", "choose another `--store`") for what in wrong]
    works = _store(FindingLevel.OK, f"`{uri}`: exclusive create, replace, append, and sync work")
    return [works, *_examine_access(storage)]


def _examine_access(storage: Storage) -> Iterator[Finding]:
    """Yield who may read what runs store. For a bucket this is not examined."""
    if not isinstance(storage, LocalStorage):
        return
    status = storage.root.stat()
    if not storage.access.is_shared:
        yield _access(FindingLevel.OK, f"new files in `{storage.uri}` are readable by their owner only")
    else:
        group = _group_name(status.st_gid)
        closed = [
            folder
            for folder in (".", layout.RUNS, layout.ORDER, layout.ARTIFACTS)
            if not _is_group_writable(storage.root / folder)
        ]
        if closed:
            message = f"`{storage.uri}` has the setgid bit, but its group `{group}` may not write to `{closed[0]}`"
            hint = f"run `chmod -R g+rwX {storage.uri}; find {storage.uri} -type d -exec chmod g+s {{}} +`"
            yield _access(FindingLevel.WARN, message, hint)
        else:
            message = f"new files in `{storage.uri}` are readable by their owner and the group `{group}` (setgid bit)"
            yield _access(FindingLevel.OK, message)
    if status.st_mode & stat.S_IRWXO:
        message = f"every user of this machine has access to `{storage.uri}`"
        yield _access(FindingLevel.WARN, message, f"run `chmod -R o-rwx {storage.uri}`")


def _access(level: FindingLevel, message: str, hint: str = "") -> Finding:
    return Finding(subject="access", level=level, message=message, hint=hint)


def _is_group_writable(folder: Path) -> bool:
    wanted = stat.S_IRWXG | stat.S_ISGID
    return not folder.exists() or folder.stat().st_mode & wanted == wanted


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _broken_promises(storage: Storage, folder: str) -> Iterable[str]:
    claim, text, log = f"{folder}/claim", f"{folder}/text", f"{folder}/log"
    if not storage.create(claim, b"first") or storage.create(claim, b"second") or storage.read(claim) != b"first":
        yield "two processes could both create the same file"
    storage.write(text, b"old")
    storage.write(text, b"new")
    if storage.read(text) != b"new":
        yield "a replaced file still has its old contents"
    opened = storage.open_log(log)
    try:
        opened.append(b"one,")
        opened.append(b"two")
        opened.sync()
    finally:
        opened.close()
    if storage.read_log(log, synced=True) != b"one,two":
        yield "appended data is missing"
    if storage.list(folder) != ["claim", "log", "text"]:
        yield "new files are not listed"


def _store(level: FindingLevel, message: str, hint: str = "") -> Finding:
    return Finding(subject="store", level=level, message=message, hint=hint)


def make_marker(uri: str) -> str:
    """Create a file in the store that other machines can look for; return its name. Raises `ReqfloError`."""
    name = f"doctor-{secrets.token_hex(8)}"
    open_storage(uri).create(name, b"")
    return name


def remove_marker(uri: str, name: str) -> None:
    """Remove the file that `make_marker` created."""
    open_storage(uri).remove(name)


def examine_secrets(references: Iterable[SecretReference], *, may_read: bool) -> list[Finding]:
    """Examine whether this process can read each secret.

    Args:
        may_read: whether this process sends requests. If so, values of a remote source are read too, and discarded;
            otherwise only the latest version of such a secret is looked up.
    """
    return [_secret(reference, may_read) for reference in references]


def _secret(reference: SecretReference, may_read: bool) -> Finding:
    subject = f"secret {reference.name}"
    remote = reference.source is SecretSource.GCP
    try:
        if remote and not may_read:
            number = GoogleSecretManager().pin(msgspec.structs.replace(reference, version="")).version
            return Finding(
                subject=subject, level=FindingLevel.OK, message=f"is in Secret Manager; the latest version is {number}"
            )
        default_sources()[reference.source].read(reference).need_maskable()
    except SecretError as problem:
        return Finding(subject=subject, level=FindingLevel.FAIL, message=problem.message, hint=problem.hint)
    return Finding(subject=subject, level=FindingLevel.OK, message=f"can be read ({reference.source})")
