"""What a person asks for, as data: which journey, on which rows, how, and where. It knows no file and no store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.plan import Durability, Evidence
from reqflo_ray._internal.model.workers import shortest_form

if TYPE_CHECKING:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessApi


class Backend(StrEnum):
    """Who executes the rows: Ray, this process, or what suits the number of rows."""

    AUTO = "auto"
    RAY = "ray"
    LOCAL = "local"


# A path, a glob or an address.
File: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Journey:
    """What runs: a journey of a workspace by its name or the path of its YAML file, or a compiled one (`artifact`).

    `environment`, `case`, `presets`, `overlays` and `overrides` are what `--env`, `--case`, `--preset`, `--overlay` and
    `--set` are; None means "as the workspace says, else the default".
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
        for name in ("presets", "overlays"):
            given = getattr(self, name)
            # A single name would be taken for its letters.
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))

    @classmethod
    def of(cls, journey: Journey | File) -> Journey:
        """The journey itself, or the one of that name or file in the current folder's workspace."""
        return journey if isinstance(journey, Journey) else cls(os.fspath(journey))


@dataclass(frozen=True, slots=True)
class Dataset:
    """On what a journey runs: once for each row.

    `source` is a path, glob or address (`s3://`, `gs://`) of CSV, JSON, JSON Lines or Parquet, or a list of them; or
    rows from memory: an iterable of mappings, an Arrow table, a pandas or polars data frame. `key` is the column that
    names each row. With `strict`, a column that the journey does not declare is an error.
    """

    source: Any
    _: KW_ONLY
    key: str = ""
    encoding: str = "utf-8"
    strict: bool = False

    @classmethod
    def of(cls, data: Dataset | Any | None) -> Dataset:
        """The dataset itself, or one of that source; None is the dataset of one row without a value."""
        if isinstance(data, Dataset):
            return data
        return cls(() if data is None else data)

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the dataset as they were given; none if it is rows from memory, or one row without a value."""
        if isinstance(self.source, str | os.PathLike):
            return (os.fspath(self.source),)
        if isinstance(self.source, list | tuple) and all(isinstance(item, str | os.PathLike) for item in self.source):
            return tuple(os.fspath(item) for item in self.source)
        return ()

    @property
    def is_in_memory(self) -> bool:
        """Whether `source` is the rows themselves."""
        return not self.files and not (isinstance(self.source, tuple) and not self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How rows are executed. `concurrency` is rows in flight per worker, `rate` requests per second over the whole run;
    None means "as the workspace says, else the default". After `max_failures` rows that did not pass the run stops.

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
                raise _out_of_range(name, given, f"one of {', '.join(kind)}")
            object.__setattr__(self, name, kind(given))
        for name in ("concurrency", "max_failures"):
            given = getattr(self, name)
            if given is not None and given < 1:
                raise _out_of_range(name, given, "1 or more, or None")
        if self.rate is not None and not 0 < self.rate < float("inf"):
            raise UsageError(
                f"{self.rate:g} is no rate: it is a number of requests a second",
                code="invalid_rate",
                hint="give a number above 0, such as 50 or 0.5; leave it out for no limit",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a run is carried out, and where its files are kept.

    `store` is a path or address, else `REQFLO_STORE`, else what the workspace says, else `./.reqflo`. `backend` is
    `auto`, `local` or `ray`; `address` is that of a cluster to join, or for `submit` of its dashboard. `workers` is a
    number, `MIN:MAX` or `auto`. `transport` is a `reqflo_ray.testing.FakeApi` that answers in place of the
    network: then the run stays in this process, whatever the workspace says.

    Raises:
        UsageError: `invalid_workers`, `unknown_backend`, `address_without_cluster`, `transport_is_local`.
    """

    store: File | None = None
    backend: str = Backend.AUTO
    address: str | None = None
    workers: int | str | None = None
    transport: InProcessApi | None = None

    def __post_init__(self) -> None:
        if self.workers is not None:
            object.__setattr__(self, "workers", shortest_form(self.workers))
        if self.backend not in list(Backend):
            raise UsageError(
                f"there is no backend `{self.backend}`",
                code="unknown_backend",
                hint=f"backends are {', '.join(Backend)}",
            )
        if self.backend == Backend.LOCAL and self.address is not None:
            raise UsageError(
                "the backend `local` and the address of a cluster are both given",
                code="address_without_cluster",
                hint="rows run in this process or on a cluster: leave one of the two out",
            )
        if self.transport is not None and (self.backend == "ray" or self.address is not None):
            raise UsageError(
                "a fake API answers in this process only, and workers of Ray are others",
                code="transport_is_local",
                hint="leave `backend` and `address` out; or let the run call `reqflo_ray.testing.demo_api`",
            )


def _out_of_range(name: str, given: object, wanted: str) -> UsageError:
    return UsageError(f"`{name}` cannot be `{given}`", code="invalid_option", hint=f"give {wanted}")
