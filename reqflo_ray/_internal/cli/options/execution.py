"""The options that say how rows are executed, and the `Execution` that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reqflo_ray import Durability, Evidence, Execution
from reqflo_ray._internal.cli.options.panels import GATES, HOW
from reqflo_ray._internal.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionOptions:
    """How rows are executed."""

    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency",
            metavar="N",
            min=1,
            rich_help_panel=HOW,
            help="Rows in flight per worker. Default: `runner.concurrency`, else 64.",
        ),
    ] = None
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="N",
            rich_help_panel=HOW,
            help="At most N requests per second over the whole run. Default: `runner.rate`, else no limit.",
        ),
    ] = None
    evidence: Annotated[
        Evidence,
        typer.Option(
            "--evidence",
            rich_help_panel=HOW,
            help="Keep the requests and responses of all rows, of rows that did not pass, or of none.",
        ),
    ] = Evidence.FULL
    durability: Annotated[
        Durability,
        typer.Option(
            "--durability",
            rich_help_panel=HOW,
            help="Finished steps survive a power cut (`host`), or only a crash of the process (`process`).",
        ),
    ] = Durability.HOST
    fail_fast: Annotated[
        bool,
        typer.Option(
            "--fail-fast",
            rich_help_panel=GATES,
            help="Start no more rows once one row has not passed.",
        ),
    ] = False
    max_failures: Annotated[
        int | None,
        typer.Option(
            "--max-failures",
            metavar="N",
            min=1,
            rich_help_panel=GATES,
            help="Start no more rows once N rows have not passed.",
        ),
    ] = None

    def read(self) -> Execution:
        """Return the execution. Raises `UsageError` (`two_limits`, `invalid_rate`)."""
        if self.fail_fast and self.max_failures is not None:
            raise UsageError(
                "`--fail-fast` and `--max-failures` cannot be used together",
                code="two_limits",
                hint="remove one of them: `--fail-fast` is short for `--max-failures 1`",
            )
        return Execution(
            concurrency=self.concurrency,
            rate=self.rate,
            evidence=self.evidence,
            durability=self.durability,
            max_failures=1 if self.fail_fast else self.max_failures,
        )
