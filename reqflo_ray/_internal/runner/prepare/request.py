"""Describes a requested run as data: which journey, with which rows, how, and where. It must not open files or
stores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.plan import Damaged, DatasetSource, Durability, Evidence
from reqflo_ray._internal.model.workers import shortest_form

if TYPE_CHECKING:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessApi


class Backend(StrEnum):
    """Where rows are executed: on Ray, in this process, or as suits the number of rows (`auto`)."""

    AUTO = "auto"
    RAY = "ray"
    LOCAL = "local"


class _Kind(NamedTuple):
    types: tuple[type, ...]
    called: str


_TEXT: Final = _Kind((str,), "text")
_PATH: Final = _Kind((str, os.PathLike), "a path or text")
_INTEGER: Final = _Kind((int,), "a whole number")
_NUMBER: Final = _Kind((int, float), "a number")

_NO_DELIMITERS: Final = ('"', "\r", "\n", "\0")

# A path, a glob, or an address.
File: TypeAlias = str | os.PathLike[str]


def read_damaged(damaged: str) -> Damaged:
    """Read the option for what happens with damaged files of results. Raises `UsageError` (`invalid_option`)."""
    if damaged not in tuple(Damaged):
        raise _out_of_range("damaged", damaged, f"one of {_names(Damaged)}")
    return Damaged(damaged)


def paths(files: File | Iterable[File]) -> tuple[Path, ...]:
    """Return one path or several as a tuple; a single string is one path, not its letters."""
    return (Path(files),) if isinstance(files, str | os.PathLike) else tuple(map(Path, files))


@dataclass(frozen=True, slots=True)
class Journey:
    """The journey to run: one of a workspace, by its name or the path of its YAML file, or a compiled one.

        Journey("place-order", workspace="shop", environment="staging", overrides={"qty": "2"})

    `name` is the name or path; instead, `artifact` is the path of a compiled journey. `workspace` is a folder; the
    default is the current one. `environment`, `case`, `presets`, `overlays`, and `overrides` correspond to `--env`,
    `--case`, `--preset`, `--overlay`, and `--set`. None means the setting of the workspace, or the default if
    there is none.

    Raises:
        UsageError: `invalid_option`.
    """

    name: str = ""
    _: KW_ONLY
    artifact: File | None = None
    workspace: File = "."
    environment: str | None = None
    case: str | None = None
    presets: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _need_kind(self, _PATH, "name", "artifact", "workspace")
        _need_kind(self, _TEXT, "environment", "case")
        if not isinstance(self.overrides, Mapping):
            raise _out_of_range("overrides", self.overrides, "a mapping of names to values")
        for name in ("presets", "overlays"):
            given = getattr(self, name)
            if not isinstance(given, Iterable):
                raise _out_of_range(name, given, "names")
            # A single string is one name, not its letters.
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))

    @classmethod
    def of(cls, journey: Journey | File) -> Journey:
        """Return the journey itself, or the one with that name or file in the workspace of the current folder."""
        if isinstance(journey, str | os.PathLike):
            return cls(os.fspath(journey))
        if not isinstance(journey, Journey):
            raise _out_of_range("journey", journey, "a `Journey`, or a name or path")
        return journey


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of a run: the journey is executed once per row.

        Dataset("data/orders.csv", key="order_ref")

    `source` is a path, glob, or address (`s3://`, `gs://`) of CSV, JSON, JSON Lines, or Parquet, `-` for standard
    input, or a list of them; or rows in memory: an iterable of mappings, an Arrow table, or a pandas or polars data
    frame. None is one row without values. `key` is the column with the row keys; by default, rows have no keys.
    `encoding` and `delimiter` (one character, or `tab`) apply to CSV files; without a delimiter, that of each file is
    detected. With `strict`, a column that the journey does not declare is an error.

    Raises:
        UsageError: `invalid_option`.
    """

    source: Any
    _: KW_ONLY
    key: str = ""
    encoding: str = "utf-8"
    delimiter: str = ""
    strict: bool = False

    def __post_init__(self) -> None:
        for name in ("key", "encoding", "delimiter"):
            if not isinstance(getattr(self, name), str):
                raise _out_of_range(name, getattr(self, name), "text")
        if not isinstance(self.strict, bool):
            raise _out_of_range("strict", self.strict, "True or False")
        if self.delimiter in ("tab", "\\t"):
            object.__setattr__(self, "delimiter", "\t")
        elif len(self.delimiter) > 1 or self.delimiter.isalnum() or self.delimiter in _NO_DELIMITERS:
            raise _out_of_range("delimiter", self.delimiter, "the character between cells, such as `;`, or `tab`")

    @classmethod
    def of(cls, data: Dataset | Any | None) -> Dataset:
        """Return the dataset itself, or one with that source; None is one row without values."""
        if isinstance(data, Dataset):
            return data
        return cls(data)

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the dataset as they were passed; none for rows in memory, or for one row without values."""
        if isinstance(self.source, str | os.PathLike):
            return (os.fspath(self.source),)
        if isinstance(self.source, list | tuple) and all(isinstance(item, str | os.PathLike) for item in self.source):
            return tuple(os.fspath(item) for item in self.source)
        return ()

    def as_source(self) -> DatasetSource:
        """Return the files and options in the form of the run record."""
        return DatasetSource(files=self.files, key_column=self.key, encoding=self.encoding, delimiter=self.delimiter)

    @property
    def is_in_memory(self) -> bool:
        """Whether `source` is the rows themselves."""
        return self.source is not None and not self.files


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How rows are executed.

        Execution(concurrency=50, rate=200, max_failures=10)

    `concurrency` is the number of rows in flight per worker, 1 or more. `rate` is the maximum of requests per second of
    the whole run, above 0. If either is None, the setting of the workspace applies, or the default if there is none.
    `evidence` decides which requests and responses are stored, and `durability` what a finished step survives; both
    correspond to the options of the same name. The run stops after `max_failures` rows that did not pass; None means no
    limit.

    Raises:
        UsageError: `invalid_option`, `invalid_rate`.
    """

    concurrency: int | None = None
    rate: float | None = None
    evidence: Evidence = Evidence.FULL
    durability: Durability = Durability.HOST
    max_failures: int | None = None

    def __post_init__(self) -> None:
        for name, kind in (("evidence", Evidence), ("durability", Durability)):
            given = getattr(self, name)
            if given not in tuple(kind):
                raise _out_of_range(name, given, f"one of {_names(kind)}")
            object.__setattr__(self, name, kind(given))
        _need_kind(self, _NUMBER, "rate")
        for name in ("concurrency", "max_failures"):
            given = getattr(self, name)
            _need_kind(self, _INTEGER, name)
            if given is not None and given < 1:
                raise _out_of_range(name, given, "1 or more, or None")
        if self.rate is not None and not 0 < self.rate < float("inf"):
            raise UsageError(
                f"the rate `{self.rate:g}` is not a valid number of requests per second",
                code="invalid_rate",
                hint="use a number above 0, such as `50` or `0.5`, or omit the rate for no limit",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a run is executed, and where its files are stored.

        Target(store="gs://example-runs/nightly", backend="ray", workers="2:8")

    `store` is a path or address. The default is `REQFLO_STORE`, then (for `run` and `submit`) the setting of the
    workspace, then `./.reqflo`. `backend` is `ray`, `local` (in this process), or `auto`, which decides by the number
    of rows. `address` is the address of a cluster to join, or, for `submit`, the URL of its dashboard. `workers` is the
    number of worker processes: a number, `MIN:MAX`, or `auto` for one per core. `transport` is a
    `reqflo_ray.testing.FakeApi` that answers instead of the network; the run is then executed in this process, even if
    the workspace sets another backend.

    Raises:
        UsageError: `invalid_option`, `invalid_workers`, `unknown_backend`, `address_without_cluster`,
            `transport_is_local`.
    """

    store: File | None = None
    backend: str = Backend.AUTO
    address: str | None = None
    workers: int | str | None = None
    transport: InProcessApi | None = None

    def __post_init__(self) -> None:
        _need_kind(self, _PATH, "store")
        _need_kind(self, _TEXT, "address")
        if self.transport is not None and not callable(getattr(self.transport, "respond", None)):
            raise _out_of_range("transport", self.transport, "a `reqflo_ray.testing.FakeApi`")
        if isinstance(self.transport, type):
            raise _out_of_range("transport", self.transport.__name__, "an instance, such as `FakeApi()`")
        if self.workers is not None:
            object.__setattr__(self, "workers", shortest_form(self.workers))
        if self.backend not in list(Backend):
            raise UsageError(
                f"there is no backend `{self.backend}`",
                code="unknown_backend",
                hint=f"use one of {_names(Backend)}",
            )
        if self.backend == Backend.LOCAL and self.address is not None:
            raise UsageError(
                "the backend `local` cannot be combined with the address of a cluster",
                code="address_without_cluster",
                hint="remove one of them: rows run either in this process or on a cluster",
            )
        if self.transport is not None and (self.backend == "ray" or self.address is not None):
            raise UsageError(
                "a fake API answers only in this process, but Ray workers are other processes",
                code="transport_is_local",
                hint="omit `backend` and `address`, or start `reqflo_ray.testing.demo_api` and let the run call it",
            )

    @property
    def joins_cluster(self) -> bool | None:
        """Whether rows run on an existing cluster; None: as the workspace says."""
        if self.address is not None:
            return True
        return False if self.backend == Backend.LOCAL or self.transport is not None else None


def _need_kind(asked: object, kind: _Kind, *names: str) -> None:
    """Refuse values of other types, because a record of them could not be read again. None is always allowed."""
    for name in names:
        given = getattr(asked, name)
        # In Python, True is an integer, but nobody means a number by it.
        if given is not None and (not isinstance(given, kind.types) or isinstance(given, bool)):
            raise _out_of_range(name, given, kind.called)


def _out_of_range(name: str, given: object, wanted: str) -> UsageError:
    return UsageError(f"`{name}` cannot be `{given}`", code="invalid_option", hint=f"use {wanted}")


def _names(known: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in known)
