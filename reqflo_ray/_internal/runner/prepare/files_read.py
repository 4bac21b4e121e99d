"""Lists the files of this machine that a run reads, and refuses to overwrite any of them. It compares files, not their
names. It must not know what is written, or how."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from reqflo_ray._internal.compiler.workspace.files import MARKER
from reqflo_ray._internal.compiler.yaml.tree import YamlMapping, YamlNode, YamlScalar, YamlSequence
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.plan import RunRecord, SecretSource
from reqflo_ray._internal.outputs.place import Identity, OutputPlace, find_place, identity_of
from reqflo_ray._internal.runner.prepare.request import Dataset, Journey
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.upkeep.history import resolve_run
from reqflo_ray._internal.storage.protocol import Storage

if TYPE_CHECKING:
    from reqflo_ray._internal.compiler.workspace.load import Workspace

# A file, and what the run uses it for.
FileRead: TypeAlias = tuple[str | Path, str]

# The keys of a journey or template that name a file of the workspace.
_BODY_KEYS: Final = ("file",)
_VARIABLES: Final = ("GOOGLE_APPLICATION_CREDENTIALS", "AWS_WEB_IDENTITY_TOKEN_FILE", "SSL_CERT_FILE")
_OF_STORE: Final = ((layout.RUNS,), (layout.ARTIFACTS,), (layout.ORDER,))
_WORKSPACE_FILE: Final = "a file of a workspace"
_STANDARD_INPUT: Final = ("/dev/stdin", "the file that standard input reads")


def need_free(outputs: Iterable[Path], reads: Iterable[FileRead], store: str | None = None) -> None:
    """Refuse outputs that cannot be written, that would overwrite a file the run reads, under whatever name, or that
    are among the store's own files.

    Args:
        reads: looked at only if an output would replace a file.
        store: a folder; the address of a bucket is ignored.

    Raises:
        UsageError: `output_not_writable`, `output_is_input`.
    """
    there: dict[Identity, Path] = {}
    for place in map(find_place, outputs):
        if place.is_regular:
            there[place.identity] = place.path
            if _is_in_workspace(place.real):
                raise _refused(place.path, place.path, _WORKSPACE_FILE)
        if store is not None and _is_in_store(place, store):
            raise _refused(place.path, place.path, f"a file of the store `{store}`")
    if not there:
        return
    for file, what in chain([_STANDARD_INPUT], reads):
        if (output := there.get(_identity(file) or "")) is not None:
            raise _refused(output, file, what)


def files_of_request(journey: Journey, dataset: Dataset, workspace: Workspace | None) -> Iterator[FileRead]:
    """Yield the files that a requested run reads: its data, a compiled journey, and what its workspace names."""
    yield from _data_files(dataset.files)
    if journey.artifact is not None:
        yield os.fspath(journey.artifact), "the compiled journey"
    for name in _VARIABLES:
        if file := os.environ.get(name):
            yield file, f"the file that {name} names"
    if workspace is not None:
        yield from _files_of(workspace)


def files_of_workspace(path: Path, journey: str) -> Iterator[FileRead]:
    """Yield the files that the workspace at `path` holds or names. The workspace is loaded when the first is read.

    Raises:
        UsageError: `no_workspace`.
    """
    # Commands that only read a store compile nothing: the models of a workspace take 0.2 s to import.
    from reqflo_ray._internal.compiler.workspace.load import load_workspace

    yield from _files_of(load_workspace(path, journey))


def files_of_run(record: RunRecord) -> Iterator[FileRead]:
    """Yield the files that a recorded run has read, or will read when it is resumed."""
    if record.dataset is not None:
        yield from _data_files(record.dataset.files)
    for reference in record.secrets.values():
        if reference.source is SecretSource.FILE:
            yield reference.key, "the file of a secret"
    http = record.http
    for certificate in (http.ca_file, http.client_certificate, http.client_key):
        if certificate:
            yield certificate, "a certificate or its key"


def files_of_runs(storage: Storage, runs: Iterable[str]) -> Iterator[FileRead]:
    """Yield the files of runs of a store, named by an ID, the beginning of an ID, or `latest`."""
    for run in runs:
        yield from files_of_run(resolve_run(storage, run).load_run())


def _data_files(patterns: Iterable[str]) -> Iterator[FileRead]:
    for pattern in patterns:
        if "://" in pattern:
            continue
        names = [pattern] if os.path.exists(pattern) else glob.iglob(pattern, recursive=True)
        for name in names:
            yield name, "a data file"


def _files_of(workspace: Workspace) -> Iterator[FileRead]:
    for file in workspace.files:
        yield file, _WORKSPACE_FILE
    for definition in workspace.definitions():
        for name in _named_files(definition.node):
            yield workspace.root / name, "a file that a journey or template names"
    http, secrets = workspace.settings.http, workspace.settings.secrets
    for certificate in (http.ca_file, http.client_certificate, http.client_key):
        if certificate:
            yield workspace.root / certificate, "a certificate or its key"
    if secrets.source is SecretSource.FILE and secrets.folder:
        yield from _secret_files(workspace.root / secrets.folder, [own.file for own in secrets.names.values()])


def _secret_files(folder: Path, named: Iterable[str]) -> Iterator[FileRead]:
    with suppress(OSError):
        named = [*named, *os.listdir(folder)]
    for name in named:
        yield folder / name, "the file of a secret"


def _named_files(node: YamlNode) -> Iterator[str]:
    """Yield all that a document names as a file, even if the document is otherwise invalid."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, YamlSequence):
            waiting += node.items
        elif isinstance(node, YamlMapping):
            waiting += node.entries.values()
            for key in _BODY_KEYS:
                value = node.entries.get(key)
                if isinstance(value, YamlScalar) and isinstance(value.value, str):
                    yield value.value


def _is_in_workspace(real: Path) -> bool:
    """Whether it is a YAML file of any workspace, because it may be unknown which one is used."""
    return real.suffix in (".yaml", ".yml") and any((folder / MARKER).is_file() for folder in real.parents)


def _is_in_store(place: OutputPlace, store: str) -> bool:
    """Whether it is, or would become, one of the store's own files. A report next to these is not."""
    if "://" in store:
        return False
    root = Path(os.path.realpath(os.path.expanduser(store)))
    if place.real.is_relative_to(root) and place.real.relative_to(root).parts[:1] in _OF_STORE:
        return True
    if not place.is_regular or place.status is None or place.status.st_nlink == 1:
        return False
    # The file has other names, one of which may be in the store.
    return any(_identity(file) == place.identity for file in _store_files(root))


def _store_files(root: Path) -> Iterator[str]:
    for (name,) in _OF_STORE:
        for folder, _, names in os.walk(root / name):
            for file in names:
                yield os.path.join(folder, file)


def _identity(file: str | Path) -> Identity | None:
    try:
        return identity_of(os.stat(file))
    except (OSError, ValueError):
        return None


def _refused(output: Path, file: str | Path, what: str) -> UsageError:
    called = "" if os.path.abspath(output) == os.path.abspath(file) else f"`{file}`, "
    return UsageError(
        f"`{output}` cannot be written: it is {called}{what}",
        code="output_is_input",
        hint="choose another file",
    )
