"""The options that say where a run is carried out and kept, and the `Target` that they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

import typer

from reqflo_ray import Backend, Target
from reqflo_ray._internal.cli.options.panels import STORE, WHERE

StoreOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URI",
        envvar="REQFLO_STORE",
        show_envvar=False,
        rich_help_panel=STORE,
        help="Where runs live: a folder or a cloud URI (or set REQFLO_STORE; else ./.reqflo).",
    ),
]
AddressOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--address", metavar="auto|HOST", rich_help_panel=WHERE, help="The Ray cluster to attach to."),
]
DashboardOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        envvar="RAY_API_SERVER_ADDRESS",
        show_envvar=False,
        rich_help_panel=WHERE,
        help="The cluster's dashboard, http://HEAD:8265 (or set RAY_API_SERVER_ADDRESS).",
    ),
]
AllowUnauthenticated: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--allow-unauthenticated-cluster",
        rich_help_panel=WHERE,
        help="Also talk to another machine without TLS and without a token.",
    ),
]
WorkersOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|MIN:MAX|auto",
        rich_help_panel=WHERE,
        help="Worker processes: a number, a range, or one for each core of the cluster (auto).",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Where a run is carried out that this process drives."""

    backend: Annotated[
        Backend,
        typer.Option(
            "--backend", rich_help_panel=WHERE, help="Ray, this process, or (auto) what suits the number of rows."
        ),
    ] = Backend.AUTO
    address: AddressOption = None
    workers: WorkersOption = None
    store: StoreOption = None

    def read(self) -> Target:
        """The target that is asked for. Raises `UsageError` (`invalid_workers`, `address_without_cluster`)."""
        return Target(store=self.store, backend=self.backend, address=self.address, workers=self.workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Where a run is carried out that a job of a remote cluster drives."""

    address: DashboardOption = None
    workers: WorkersOption = None
    store: StoreOption = None

    def read(self) -> Target:
        """The target that is asked for. Raises `UsageError` (`invalid_workers`)."""
        return Target(store=self.store, address=self.address, workers=self.workers)
