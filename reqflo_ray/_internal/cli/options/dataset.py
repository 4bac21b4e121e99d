"""The options that select the rows of a run, and the `Dataset` that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reqflo_ray import Dataset
from reqflo_ray._internal.cli.options.panels import GATES, WHAT
from reqflo_ray._internal.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """The rows of a run."""

    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="FILE",
            rich_help_panel=WHAT,
            help="The rows: a path, URI, or glob of CSV, JSON, JSON Lines, or Parquet files; `-` is standard input. "
            "Repeatable. Default: one row without values.",
        ),
    ] = None
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="COLUMN",
            rich_help_panel=WHAT,
            help="The column that identifies each row, such as an order number.",
        ),
    ] = ""
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", rich_help_panel=WHAT, help="The text encoding of CSV files.")
    ] = "utf-8"
    delimiter: Annotated[
        str,
        typer.Option(
            "--delimiter",
            metavar="CHARACTER",
            rich_help_panel=WHAT,
            help="The character between the cells of CSV files, such as `;`, or `tab`. Default: detected per file.",
        ),
    ] = ""
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", rich_help_panel=GATES, help="Refuse dataset columns that the journey does not declare."
        ),
    ] = False

    def read(self) -> Dataset:
        """Return the dataset. Raises `UsageError` (`key_without_data`)."""
        if self.key and not self.data:
            raise UsageError(
                "`--key` needs `--data`",
                code="key_without_data",
                hint="add `--data FILE`, or remove `--key`: it names a column of the dataset",
            )
        return Dataset(
            tuple(self.data) if self.data else None,
            key=self.key,
            encoding=self.encoding,
            delimiter=self.delimiter,
            strict=self.strict,
        )
