"""Keeps sensitive values unreadable at rest: in staged rows, the run record and journals they lie sealed under a key of
the run's own. The key goes when the run is complete, and the values with it. It must not know how values are used.

AES-SIV (RFC 5297, AES-256) is deterministic: two drivers that stage the same rows of one run write the same bytes. What
is sealed is bound to its place, so equal values do not look equal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from reqflo_ray.engine import json_text
from reqflo_ray.errors import IntegrityError
from reqflo_ray.model.artifact import Artifact, Input, Variable, VariableSource
from reqflo_ray.model.journal import SealedValues
from reqflo_ray.model.plan import RunRecord
from reqflo_ray.model.values import JsonValue, Literal, Node, exact_number
from reqflo_ray.store import layout
from reqflo_ray.store.run_folder import RunFolder

_KEY_BYTES: Final = 64  # AES-SIV with AES-256 takes two keys
_RECORD: Final = b"run.json"

_T = TypeVar("_T")

_encoder = msgspec.json.Encoder(decimal_format="number")
_row_values = msgspec.json.Decoder(dict[str, Any], float_hook=exact_number)
_record_nodes = msgspec.json.Decoder(dict[str, Node], float_hook=exact_number)
_step_values = msgspec.json.Decoder(SealedValues, float_hook=exact_number)


class Sealer:
    """Seals and opens under one run's key. `names` are the inputs and variables whose values are to be sealed."""

    __slots__ = ("_cipher", "names")

    def __init__(self, key: bytes, names: frozenset[str] = frozenset()) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._cipher = AESSIV(key)
        self.names = names

    def seal_row(self, index: int, values: Mapping[str, JsonValue]) -> tuple[Mapping[str, JsonValue], bytes]:
        """What of a row's values may be read, and the rest of them sealed (b"" if there is none)."""
        hidden = {name: value for name, value in values.items() if name in self.names}
        if not hidden:
            return values, b""
        shown = {name: value for name, value in values.items() if name not in hidden}
        return shown, self.seal(_encode(hidden), _row(index))

    def open_row(self, index: int, sealed: bytes) -> dict[str, JsonValue]:
        """The values that `seal_row` sealed. Raises `IntegrityError`."""
        return _decode(self.open(sealed, _row(index)), _row_values)

    def seal_step(self, values: SealedValues, row: int, step: str, attempt: int) -> bytes:
        """What an attempt of a step brought and nobody may read. Raises `ValueError` if it cannot be written down."""
        return self.seal(_encode(values), _attempt(row, step, attempt))

    def open_step(self, sealed: bytes, row: int, step: str, attempt: int) -> SealedValues:
        """The values that `seal_step` sealed for the same attempt. Raises `IntegrityError`."""
        return _decode(self.open(sealed, _attempt(row, step, attempt)), _step_values)

    def seal(self, data: bytes, place: bytes) -> bytes:
        """`data`, readable only with the key and at the same place."""
        return self._cipher.encrypt(data, [place])

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The data that was sealed for `place`. Raises `IntegrityError` (`sealed_values_damaged`)."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed, [place])
        except (InvalidTag, ValueError):
            raise _damaged() from None

    def __repr__(self) -> str:
        return "<Sealer>"


def sensitive_names(artifact: Artifact) -> frozenset[str]:
    """The inputs and variables of `artifact` that are declared sensitive."""
    return frozenset(entry.name for entry in _declared(artifact) if entry.sensitive)


def make_sealer(folder: RunFolder, artifact: Artifact) -> Sealer | None:
    """The sealer of an unfinished run, its key made if there is none yet. None if nothing is declared sensitive."""
    names = sensitive_names(artifact)
    if not names:
        return None
    path = folder.path(layout.SEALING_KEY)
    folder.storage.create(path, os.urandom(_KEY_BYTES), private=True)
    return Sealer(folder.read_file(layout.SEALING_KEY), names)


def find_sealer(folder: RunFolder) -> Sealer | None:
    """The sealer of a run that has a key, for opening."""
    try:
        return Sealer(folder.storage.read(folder.path(layout.SEALING_KEY)))
    except FileNotFoundError:
        return None


def gone() -> IntegrityError:
    """The error for sealed values whose key does not exist any more."""
    return IntegrityError(
        "the sensitive values of the run are gone: they were kept sealed while it ran, and its key is removed",
        code="sealed_values_gone",
        hint="start a new run: give `--data` and the values again",
    )


def _damaged() -> IntegrityError:
    return IntegrityError(
        "sealed values cannot be opened with the key of their run",
        code="sealed_values_damaged",
        hint="start a new run: give `--data` and the values again",
    )


def seal_record(record: RunRecord, artifact: Artifact, sealer: Sealer | None) -> RunRecord:
    """`record` with masks in the place of sensitive values, and these sealed; without a sealer they are left out."""
    places = _sensitive_places(artifact)
    hidden = {place: node for place, node in _nodes(record) if place in places}
    if not hidden:
        return record
    sealed = sealer.seal(_encode(hidden), _RECORD).hex() if sealer is not None else ""
    masks = {place: Literal(f"[sensitive:{place}]") for place in hidden}
    return msgspec.structs.replace(_with_nodes(record, masks), sealed=sealed)


def open_record(record: RunRecord, sealer: Sealer | None) -> RunRecord:
    """`record` as it was before `seal_record`.

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
    return msgspec.structs.replace(_with_nodes(record, _decode(sealer.open(sealed, _RECORD), _record_nodes)), sealed="")


def _declared(artifact: Artifact) -> tuple[Input | Variable, ...]:
    return (*artifact.inputs, *artifact.variables)


def _sensitive_places(artifact: Artifact) -> frozenset[str]:
    """Where in a run record the values of sensitive declarations come from, as `_nodes` names the places."""
    places = set()
    for entry in _declared(artifact):
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
    """Every value of the record by its place: `given.NAME`, `env.KEY`, `env.SERVICE.KEY`, `me.KEY`."""
    yield from ((f"given.{name}", given.node) for name, given in record.given.items())
    yield from ((f"env.{key}", node) for key, node in record.environment.values.items())
    for name, service in record.environment.services.items():
        yield from ((f"env.{name}.{key}", node) for key, node in service.config.items())
    yield from ((f"me.{key}", Literal(text)) for key, text in record.me.items())


def _with_nodes(record: RunRecord, nodes: Mapping[str, Node]) -> RunRecord:
    """`record` with other values at some places."""
    replace, environment = msgspec.structs.replace, record.environment
    return replace(
        record,
        given={
            name: replace(given, node=nodes.get(f"given.{name}", given.node)) for name, given in record.given.items()
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


def _attempt(row: int, step: str, attempt: int) -> bytes:
    return f"row {row} attempt {attempt} step {step}".encode()


def _encode(value: object) -> bytes:
    """The JSON of `value`, whatever strings and numbers are in it. Raises `ValueError` if it has none."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8 form, but an escape
        try:
            return json_text.encode(msgspec.to_builtins(value, builtin_types=(Decimal,)))
        except RecursionError:
            raise ValueError("the value is nested too deeply") from None
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None


def _decode(data: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """What `_encode` wrote. Raises `IntegrityError`."""
    try:
        return decoder.decode(data)
    except (ValueError, ArithmeticError, RecursionError):
        pass
    try:
        return msgspec.convert(json_text.decode(data).value, decoder.type)
    except (ValueError, ArithmeticError, RecursionError):
        raise _damaged() from None
