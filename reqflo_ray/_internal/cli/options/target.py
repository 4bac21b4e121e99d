"""The options that say where a run is carried out and kept, and the `Target` that they make."""

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
        help="Where runs are kept: a folder or a bucket URI. Default: $REQFLO_STORE; for `run`, `check`, and "
        "`submit` also `runner.store`; else ./.reqflo.",
    ),
]
AddressOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT|auto",
        rich_help_panel=WHERE,
        help="The address of the Ray cluster; `auto` finds the cluster of this machine.",
    ),
]
DashboardOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        envvar="RAY_API_SERVER_ADDRESS",
        show_envvar=False,
        rich_help_panel=WHERE,
        help="The cluster's dashboard, such as http://HEAD:8265. Default: $RAY_API_SERVER_ADDRESS.",
    ),
]
AllowUnauthenticated: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--allow-unauthenticated-cluster",
        rich_help_panel=WHERE,
        help="Allow a cluster on another machine that has neither TLS nor a token.",
    ),
]
WorkersOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|MIN:MAX|auto",
        rich_help_panel=WHERE,
        help="Worker processes: a number, a range, or `auto`: one per core of the cluster. Default: "
        "`runner.workers`, else auto.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Where a run that this process drives is carried out."""

    backend: Annotated[
        Backend,
        typer.Option(
            "--backend",
            rich_help_panel=WHERE,
            help="Ray, this process (`local`), or `auto`: Ray with `--address` or from 5,000 rows on, else local.",
        ),
    ] = Backend.AUTO
    address: AddressOption = None
    workers: WorkersOption = None
    store: StoreOption = None

    def read(self) -> Target:
        """Return the target. Raises `UsageError` (`invalid_workers`, `address_without_cluster`)."""
        return Target(store=self.store, backend=self.backend, address=self.address, workers=self.workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Where a run that a job on a remote cluster drives is carried out."""

    address: DashboardOption = None
    workers: WorkersOption = None
    store: StoreOption = None

    def read(self) -> Target:
        """Return the target. Raises `UsageError` (`invalid_workers`)."""
        return Target(store=self.store, address=self.address, workers=self.workers)
