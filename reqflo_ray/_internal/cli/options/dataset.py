"""The options that say on which rows a journey runs, and the `Dataset` that they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reqflo_ray import Dataset
from reqflo_ray._internal.cli.options.panels import GATES, WHAT
from reqflo_ray._internal.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """On which rows."""

    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="FILE",
            rich_help_panel=WHAT,
            help="Rows: CSV, JSON, JSON Lines or Parquet, a path, URI or glob, or - for standard input. Several are "
            "read one after the other.",
        ),
    ] = None
    key: Annotated[
        str, typer.Option("--key", metavar="COLUMN", rich_help_panel=WHAT, help="The column that names each row.")
    ] = ""
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", rich_help_panel=WHAT, help="Text encoding of CSV files.")
    ] = "utf-8"
    delimiter: Annotated[
        str,
        typer.Option(
            "--delimiter",
            metavar="CHARACTER",
            rich_help_panel=WHAT,
            help="What comes between the cells of CSV files, such as ';' or tab. Default: as each file shows.",
        ),
    ] = ""
    strict: Annotated[
        bool, typer.Option("--strict", rich_help_panel=GATES, help="Refuse dataset columns that nothing declares.")
    ] = False

    def read(self) -> Dataset:
        """The dataset that is asked for. Raises `UsageError` (`key_without_data`)."""
        if self.key and not self.data:
            raise UsageError(
                "`--key` needs `--data`", code="key_without_data", hint="`--key` names a column of the dataset"
            )
        return Dataset(
            tuple(self.data) if self.data else None,
            key=self.key,
            encoding=self.encoding,
            delimiter=self.delimiter,
            strict=self.strict,
        )
