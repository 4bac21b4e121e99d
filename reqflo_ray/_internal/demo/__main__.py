"""Starts the demo API without the rest of the command line: `python -m reqflo_ray._internal.demo --port 0`."""

from __future__ import annotations

import argparse
import sys

from reqflo_ray._internal.demo.server import DEFAULT_PORT, ServerOptions, serve
from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.process import Ending, open_standard_streams


def _options() -> ServerOptions:
    parser = argparse.ArgumentParser(prog="python -m reqflo_ray._internal.demo", description="Serve the demo API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 selects a free one")
    parser.add_argument("--latency", type=float, default=0.0, dest="latency_ms", help="milliseconds before each answer")
    parser.add_argument("--error-rate", type=float, default=0.0, help="share of requests that get a 503")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ledger", type=int, default=100_000, help="how many requests the ledger keeps")
    parser.add_argument("--maximum-body", type=int, default=2**20, help="bytes")
    return ServerOptions(**vars(parser.parse_args()))


def _main() -> int:
    try:
        serve(_options())
    except ReqfloError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error[{error.code}]: {error.message}{hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    open_standard_streams()
    sys.exit(Ending().run(_main))
