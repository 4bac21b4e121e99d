"""The options that several commands share, declared once, and how their text becomes values.

No command's own words, and nothing of what the options do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.plan import Damaged, Durability, Evidence
from reqflo_ray._internal.model.workers import parse_workers

WHAT: Final = "What to run"
VALUES: Final = "Values"
WHERE: Final = "Where it runs"
HOW: Final = "How it runs"
GATES: Final = "When to stop and fail"
OUTPUT: Final = "Output"
STORE: Final = "Store"


class Backend(StrEnum):
    """Who executes the rows."""

    AUTO = "auto"
    RAY = "ray"
    LOCAL = "local"


Journey: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="JOURNEY", show_default=False, help="Name of the journey, or the path of its YAML file."),
]
Run: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", help="Run id, a unique beginning of one, or `latest`.")]

Artifact: TypeAlias = Annotated[
    Path | None,
    typer.Option("--artifact", metavar="FILE", rich_help_panel=WHAT, help="A compiled journey instead of JOURNEY."),
]
Workspace: TypeAlias = Annotated[
    str,
    typer.Option("--workspace", metavar="DIR", rich_help_panel=WHAT, help="The folder that holds `reqflo.yaml`."),
]
Overlays: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--overlay", metavar="NAME", rich_help_panel=WHAT, help="Apply an overlay; several in this order."),
]
Data: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="FILE",
        rich_help_panel=WHAT,
        help="Rows: CSV, JSON, JSON Lines or Parquet, a path, URI or glob. Several are read one after the other.",
    ),
]
Key: TypeAlias = Annotated[
    str, typer.Option("--key", metavar="COLUMN", rich_help_panel=WHAT, help="The column that names each row.")
]
Encoding: TypeAlias = Annotated[
    str, typer.Option("--encoding", metavar="NAME", rich_help_panel=WHAT, help="Text encoding of CSV files.")
]

EnvironmentName: TypeAlias = Annotated[
    str | None, typer.Option("--env", metavar="NAME", rich_help_panel=VALUES, help="The environment to run against.")
]
Case: TypeAlias = Annotated[
    str | None, typer.Option("--case", metavar="NAME", rich_help_panel=VALUES, help="A saved case, by its exact name.")
]
Presets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--preset", metavar="NAME", rich_help_panel=VALUES, help="A preset; of several the later wins."),
]
Sets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", rich_help_panel=VALUES, help="Give one input or variable its value."),
]

BackendChoice: TypeAlias = Annotated[
    Backend,
    typer.Option(
        "--backend", rich_help_panel=WHERE, help="Ray, this process, or (auto) what suits the number of rows."
    ),
]
Address: TypeAlias = Annotated[
    str | None,
    typer.Option("--address", metavar="auto|HOST", rich_help_panel=WHERE, help="The Ray cluster to attach to."),
]
Cluster: TypeAlias = Annotated[
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
Workers: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|MIN:MAX|auto",
        rich_help_panel=WHERE,
        help="Worker processes: a number, a range, or one for each core of the cluster (auto).",
    ),
]
TakeOver: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--take-over", rich_help_panel=WHERE, help="Take the run from another driver that still claims to be alive."
    ),
]

Concurrency: TypeAlias = Annotated[
    int | None,
    typer.Option("--concurrency", metavar="N", min=1, rich_help_panel=HOW, help="Rows in flight per worker."),
]
Rate: TypeAlias = Annotated[
    float | None,
    typer.Option("--rate", metavar="N", rich_help_panel=HOW, help="At most N requests a second over the whole run."),
]
EvidenceChoice: TypeAlias = Annotated[
    Evidence,
    typer.Option("--evidence", rich_help_panel=HOW, help="Keep requests and responses of which rows."),
]
DurabilityChoice: TypeAlias = Annotated[
    Durability,
    typer.Option("--durability", rich_help_panel=HOW, help="What must survive: a power cut (host) or a crash."),
]

Strict: TypeAlias = Annotated[
    bool, typer.Option("--strict", rich_help_panel=GATES, help="Refuse dataset columns that nothing declares.")
]
FailFast: TypeAlias = Annotated[
    bool,
    typer.Option("--fail-fast", rich_help_panel=GATES, help="Stop after a row that did not pass: no more rows start."),
]
MaxFailures: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        metavar="N",
        min=1,
        rich_help_panel=GATES,
        help="Stop after N rows that did not pass: no more rows start.",
    ),
]
StoreLocation: TypeAlias = Annotated[
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
RunId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--run-id", metavar="ID", rich_help_panel=STORE, help="Name the run; the same command again goes on with it."
    ),
]

REPORT_FORMATS: Final = "junit, html, markdown, json, ctrf"
Reports: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FORMAT=PATH",
        rich_help_panel=OUTPUT,
        help=f"Write a report when the run has ended: {REPORT_FORMATS}. May be repeated.",
    ),
]
OutputFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE.json",
        rich_help_panel=OUTPUT,
        help="Write the verdict and every row's result there: `--report json=FILE.json`.",
    ),
]
DamagedFiles: TypeAlias = Annotated[
    Damaged,
    typer.Option(
        "--damaged",
        rich_help_panel=OUTPUT,
        help="Results that are not what was written: refuse (exit 3), or leave them out and say so.",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="JSON on standard output.")]
Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", rich_help_panel=OUTPUT, help="No progress: errors and the last lines only.")
]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_overrides(given: Sequence[str] | None) -> dict[str, str]:
    """`NAME=VALUE` pairs as a mapping; a value may hold `=` and may be empty.

    Raises:
        UsageError: `invalid_set` for a text that is no pair, `repeated_set` for a name given twice.
    """
    values: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        name = name.strip()
        # The text itself is not quoted beyond its name: the value may be one that nobody should see.
        if not equals or not name:
            raise UsageError(
                "`--set` needs NAME=VALUE" if not name else f"`--set {name}` has no value",
                code="invalid_set",
                hint=f"write `--set {name or 'NAME'}=VALUE`; `--set {name or 'NAME'}=` gives the empty text",
            )
        if name in values:
            raise UsageError(
                f"`--set {name}` is given twice",
                code="repeated_set",
                hint="give each name once",
            )
        values[name] = value
    return values


def parse_rate(rate: float | None) -> float | None:
    """Requests per second, or None for no limit.

    Raises:
        UsageError: `invalid_rate` unless it is a finite number above 0.
    """
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError(
            f"`--rate {rate:g}` is no number of requests a second",
            code="invalid_rate",
            hint="give a number above 0, such as `--rate 50` or `--rate 0.5`; leave it out for no limit",
        )
    return rate


def checked_workers(workers: str | None) -> int | str | None:
    """A number of workers, a range or `auto`, as it was given.

    Raises:
        UsageError: `invalid_workers`.
    """
    if workers is None:
        return None
    least, most = parse_workers(workers or " ")
    return most if least == most != 0 else workers.strip()


def parse_age(text: str) -> float:
    """Seconds of an age such as `30d`, `12h`, `90m`.

    Raises:
        UsageError: `invalid_duration`.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"`{text}` is no age",
            code="invalid_duration",
            hint="write a number and one of s, m, h, d, w: `30d`",
        )
    return float(found[1]) * _SECONDS[found[2]]


def need_consistent(*, data: Sequence[str] | None, key: str, fail_fast: bool, max_failures: int | None) -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: `key_without_data` or `two_limits`.
    """
    if key and not data:
        raise UsageError(
            "`--key` needs `--data`", code="key_without_data", hint="`--key` names a column of the dataset"
        )
    if fail_fast and max_failures is not None:
        raise UsageError(
            "`--fail-fast` and `--max-failures` are both given",
            code="two_limits",
            hint="`--fail-fast` is `--max-failures 1`: leave one of the two out",
        )


def need_one_place(backend: Backend, address: str | None) -> None:
    """Refuse a cluster for rows that are to run in this process.

    Raises:
        UsageError: `address_without_cluster`.
    """
    if backend is Backend.LOCAL and address is not None:
        raise UsageError(
            "`--backend local` and `--address` are both given",
            code="address_without_cluster",
            hint="rows run in this process or on a cluster: leave one of the two out",
        )


def need_one_journey(journey: str, artifact: Path | None) -> None:
    """Refuse a command line that names both a journey and an artifact, or neither.

    Raises:
        UsageError: `missing_journey` or `journey_and_artifact`.
    """
    if journey and artifact:
        raise UsageError(
            "both a journey and `--artifact` are given",
            code="journey_and_artifact",
            hint="an artifact is a compiled journey: leave one of the two out",
        )
    if not journey and not artifact:
        raise UsageError(
            "no journey is given",
            code="missing_journey",
            hint="name one, as in `reqflo-ray run place-order`, or give a compiled one with `--artifact FILE`",
        )
