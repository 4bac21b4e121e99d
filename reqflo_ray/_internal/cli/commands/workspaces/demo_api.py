"""`reqflo-ray demo-api`: serves the shop that the examples call. It must not know what the server answers."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reqflo_ray._internal.cli.options.panels import HOW, WHERE

EXAMPLES: Final = """\
reqflo-ray demo-api
reqflo-ray demo-api --port 0 --latency 20 --error-rate 0.01 --seed 7
"""


def demo_api(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", rich_help_panel=WHERE, help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="N",
            min=0,
            max=65535,
            rich_help_panel=WHERE,
            help="The port to listen on; 0 selects a free one.",
        ),
    ] = 8480,
    latency: Annotated[
        float,
        typer.Option(
            "--latency",
            metavar="MS",
            min=0,
            show_default=False,
            rich_help_panel=HOW,
            help="Delay of every answer, in milliseconds. Default: 0.",
        ),
    ] = 0.0,
    error_rate: Annotated[
        float,
        typer.Option(
            "--error-rate",
            metavar="SHARE",
            min=0,
            max=1,
            show_default=False,
            rich_help_panel=HOW,
            help="Share of requests answered with 503, from 0 to 1. Default: 0.",
        ),
    ] = 0.0,
    ledger: Annotated[
        int,
        typer.Option(
            "--ledger",
            metavar="N",
            min=0,
            show_default=False,
            rich_help_panel=HOW,
            help="How many requests `GET /ledger` lists at most. Default: 100,000.",
        ),
    ] = 100_000,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            show_default=False,
            rich_help_panel=HOW,
            help="Seed that selects the requests answered with 503. Default: 0.",
        ),
    ] = 0,
) -> None:
    """Serve the small shop API that the examples use, until it is interrupted.

    Paths below `/hostile/` answer as no API should, for tests:

    - slow, slow-head, hang, reset, binary, invalid-utf8, deep, controls, huge-header, many-headers

    - bomb/gzip|deflate|br|zstd, length/short|long|two|bad, redirect/loop|N|to?url=URL

    - head/ssh|smtp|tls|http2|none|status|blank|colon|null|both|chunk|cut|folded

    - retry/429|503/FORM, with `Retry-After` as now, seconds, far, date, past, fraction, negative, text, empty, two or
      huge
    """
    from reqflo_ray._internal.demo.server import ServerOptions, serve

    serve(ServerOptions(host=host, port=port, latency_ms=latency, error_rate=error_rate, seed=seed, ledger=ledger))
