"""Keeps sensitive values unreadable at rest: staged rows, the run record, and journals hold them sealed under the run's
own key. The key is removed when the run is complete, and with it the values. It must not know how values are used.

AES-SIV (RFC 5297, AES-256) is deterministic: two drivers that stage the same rows of one run write the same bytes.
Sealed data is bound to its place, so equal values do not look equal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec

from reqflo_ray._internal.engine.values.reach import brings_hidden
from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import Artifact, HttpStep, Variable, VariableSource
from reqflo_ray._internal.model.journal import SealedValues
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.values import JsonValue, Literal, Node
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

_KEY_BYTES: Final = 64  # AES-SIV with AES-256 needs two keys
_RECORD: Final = b"run.json"

_T = TypeVar("_T")

_encode = json_text.encode_exactly
_row_values = json_text.reader(dict[str, Any])
_record_nodes = json_text.reader(dict[str, Node])
_step_values = json_text.reader(SealedValues)


class Sealer:
    """Seals and opens values with the key of one run. `names` are the inputs and variables whose values are sealed."""

    __slots__ = ("_cipher", "names")

    def __init__(self, key: bytes, names: frozenset[str] = frozenset()) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._cipher = AESSIV(key)
        self.names = names

    def seal_row(self, index: int, values: Mapping[str, JsonValue]) -> tuple[Mapping[str, JsonValue], bytes]:
        """Return the values of a row that may be read, and the rest of them sealed (b"" if there are none)."""
        hidden = {name: value for name, value in values.items() if name in self.names}
        if not hidden:
            return values, b""
        shown = {name: value for name, value in values.items() if name not in hidden}
        return shown, self.seal(_encode(hidden), _row(index))

    def open_row(self, index: int, sealed: bytes) -> dict[str, JsonValue]:
        """Return the values that `seal_row` sealed. Raises `IntegrityError`."""
        return _decode(self.open(sealed, _row(index)), _row_values)

    def seal_step(self, values: SealedValues, row: int, step: str, attempt: int) -> bytes:
        """Seal the unreadable values of a step's attempt. Raises `ValueError` if they cannot be encoded."""
        return self.seal(_encode(values), _attempt(row, step, attempt))

    def open_step(self, sealed: bytes, row: int, step: str, attempt: int) -> SealedValues:
        """Return the values that `seal_step` sealed for the same attempt. Raises `IntegrityError`."""
        return _decode(self.open(sealed, _attempt(row, step, attempt)), _step_values)

    def seal(self, data: bytes, place: bytes) -> bytes:
        """Encrypt `data`, so that it can be read only with the key and for the same place."""
        return self._cipher.encrypt(data, [place])

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the data that was sealed for `place`. Raises `IntegrityError` (`sealed_values_damaged`)."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed, [place])
        except (InvalidTag, ValueError):
            raise _damaged() from None

    def __repr__(self) -> str:
        return "<Sealer>"


def needs_key(artifact: Artifact, run: RunRecord) -> bool:
    """Return whether the run may have values that must be sealed: sensitive values, cookies, and secrets, because an
    API may repeat a secret in what later steps read."""
    if artifact.cookies or run.secrets or artifact.sensitive_names:
        return True
    return any(brings_hidden(step) for step in artifact.steps if isinstance(step, HttpStep))


def make_sealer(folder: RunFolder, artifact: Artifact, run: RunRecord) -> Sealer | None:
    """Return the sealer of an unfinished run, with a new key if it has none yet. None if the run needs no key.

    Raises:
        IntegrityError: the key is damaged.
    """
    if not needs_key(artifact, run):
        return None
    key = os.urandom(_KEY_BYTES)
    folder.storage.create(folder.path(layout.SEALING_KEY), key + _checksum(folder, key))
    return Sealer(_read_key(folder, folder.read_file(layout.SEALING_KEY)), artifact.sensitive_names)


def find_sealer(folder: RunFolder) -> Sealer | None:
    """Return the sealer for opening values, None if the run has no key. Raises `IntegrityError` if the key is
    damaged."""
    try:
        data = folder.storage.read(folder.path(layout.SEALING_KEY))
    except FileNotFoundError:
        return None
    return Sealer(_read_key(folder, data))


def keep_sealing(folder: RunFolder, artifact: Artifact, run: RunRecord) -> None:
    """Prepare an unfinished run for a resume, so that workers can seal. A run of a version that sealed less has no key
    and gets one; so does a run whose key is lost, if it does not need the lost key from the start.

    Raises:
        IntegrityError: the key is damaged, or lost and the run cannot continue without it (`sealed_values_gone`).
    """
    if not artifact.sensitive_names:
        make_sealer(folder, artifact, run)
    elif find_sealer(folder) is None and run.sealed:
        raise gone()


def _checksum(folder: RunFolder, key: bytes) -> bytes:
    return sha256(folder.run_id.encode() + key).digest()


def _read_key(folder: RunFolder, data: bytes) -> bytes:
    """Return the key in the file contents `data`, which 0.1.0 wrote without a checksum."""
    key, checksum = data[:_KEY_BYTES], data[_KEY_BYTES:]
    if len(key) < _KEY_BYTES or (checksum and checksum != _checksum(folder, key)):
        raise IntegrityError(
            f"`{layout.SEALING_KEY}` of run `{folder.run_id}` is damaged",
            code="damaged_file",
            cause="it is not the key that was made for this run",
            hint="restore it; or remove it and lose the sealed values: steps are then sent again to obtain them "
            "where `on_interrupt` allows that, and other rows end inconclusive",
        )
    return key


def gone() -> IntegrityError:
    """Return the error for sealed values whose key no longer exists."""
    return IntegrityError(
        f"the sensitive values of the run are lost: they are sealed, and `{layout.SEALING_KEY}` was removed",
        code="sealed_values_gone",
        hint="start a new run with `--data` and the values",
    )


def _damaged() -> IntegrityError:
    return IntegrityError(
        f"sealed values cannot be opened with `{layout.SEALING_KEY}` of their run",
        code="sealed_values_damaged",
        hint=f"restore `{layout.SEALING_KEY}`; or start a new run with `--data` and the values",
    )


def seal_record(record: RunRecord, artifact: Artifact, sealer: Sealer | None) -> RunRecord:
    """Return `record` with sensitive values masked, and stored sealed; without a sealer they are left out."""
    record = seal_digests(record, artifact, sealer)
    places = _sensitive_places(artifact)
    hidden = {place: node for place, node in _nodes(record) if place in places}
    if not hidden:
        return record
    sealed = sealer.seal(_encode(hidden), _RECORD).hex() if sealer is not None else ""
    masks = {place: Literal(f"[sensitive:{place}]") for place in hidden}
    return msgspec.structs.replace(_with_nodes(record, masks), sealed=sealed)


def seal_digests(record: RunRecord, artifact: Artifact, sealer: Sealer | None) -> RunRecord:
    """Return `record` with the digests of its data files sealed, if rows may have sensitive values. A reader who knows
    the rest of a file could otherwise guess a short value by trying. Sealed digests can be compared while the key
    exists."""
    source = record.dataset
    if source is None or not artifact.sensitive_names:
        return record
    contents = tuple(
        msgspec.structs.replace(
            file, digest=sealer.seal(file.digest.encode(), _file(file.name)).hex() if sealer is not None else ""
        )
        for file in source.contents
    )
    return msgspec.structs.replace(record, dataset=msgspec.structs.replace(source, contents=contents))


def open_record(record: RunRecord, sealer: Sealer | None) -> RunRecord:
    """Return `record` as it was before `seal_record`.

    Raises:
        IntegrityError: `sealed_values_gone`, `sealed_values_damaged`.
    """
    if not record.sealed:
        return record
    if sealer is None:
        raise gone()
    try:
        sealed = bytes.fromhex(record.sealed)
    except ValueError:
        sealed = b""
    nodes = _decode(sealer.open(sealed, _RECORD), _record_nodes)
    return msgspec.structs.replace(_with_nodes(record, nodes), sealed="")


def _sensitive_places(artifact: Artifact) -> frozenset[str]:
    """Return the places in a run record that supply sensitive declarations, as `_nodes` names them."""
    places = set()
    for entry in artifact.declarations:
        if not entry.sensitive:
            continue
        places |= {f"given.{entry.name}", f"env.{entry.name}"}
        if isinstance(entry, Variable):
            key = entry.key or entry.name
            if entry.source is VariableSource.ME:
                places.add(f"me.{key}")
            elif entry.source is VariableSource.ENVIRONMENT:
                service, *rest = key.split(".")
                places |= {f"env.{service}", *([f"env.{service}.{rest[0]}"] if rest else [])}
    return frozenset(places)


def _nodes(record: RunRecord) -> Iterator[tuple[str, Node]]:
    """Yield every value of the record with its place: `given.NAME`, `env.KEY`, `env.SERVICE.KEY`, `me.KEY`."""
    yield from ((f"given.{name}", given.node) for name, given in record.inputs.items())
    yield from ((f"env.{key}", node) for key, node in record.environment.values.items())
    for name, service in record.environment.services.items():
        yield from ((f"env.{name}.{key}", node) for key, node in service.config.items())
    yield from ((f"me.{key}", Literal(text)) for key, text in record.me.items())


def _with_nodes(record: RunRecord, nodes: Mapping[str, Node]) -> RunRecord:
    """Return `record` with other values at some places."""
    replace, environment = msgspec.structs.replace, record.environment
    return replace(
        record,
        inputs={
            name: replace(given, node=nodes.get(f"given.{name}", given.node)) for name, given in record.inputs.items()
        },
        environment=replace(
            environment,
            values={key: nodes.get(f"env.{key}", node) for key, node in environment.values.items()},
            services={
                name: replace(
                    service,
                    config={key: nodes.get(f"env.{name}.{key}", node) for key, node in service.config.items()},
                )
                for name, service in environment.services.items()
            },
        ),
        me={key: _text(nodes.get(f"me.{key}"), text) for key, text in record.me.items()},
    )


def _text(node: Node | None, otherwise: str) -> str:
    return str(node.value) if isinstance(node, Literal) else otherwise


def _row(index: int) -> bytes:
    return b"row %d" % index


def _file(name: str) -> bytes:
    return b"file " + name.encode("utf-8", "surrogateescape")


def _attempt(row: int, step: str, attempt: int) -> bytes:
    return f"row {row} attempt {attempt} step {step}".encode()


def _decode(data: bytes, read: Callable[[bytes], _T]) -> _T:
    """Decode what `_encode` wrote. Raises `IntegrityError`."""
    try:
        return read(data)
    except (ValueError, ArithmeticError, RecursionError):
        raise _damaged() from None
