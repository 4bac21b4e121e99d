"""Measures speed and memory, and prints a Markdown table of what was found and what should be.

    python tests/benchmarks/run.py                        all of it, in about a quarter of an hour on two cores
    python tests/benchmarks/run.py throughput evidence    some of it
    python tests/benchmarks/run.py throughput --rows 2000 --repeat 1
    python tests/benchmarks/run.py overhead --rows 100000     up to a million rows

Numbers are ratios of things measured in turns wherever possible; on a machine that does other work at the same time
the others mean little. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import evidence_size
import first_answer
import heavy_neighbours
import journal_cost
import ray_overhead
import recovery
import redaction
import row_cost
import rows_in_flight
import staging
import start_up
import submission
import throughput
import two_nodes
import worker_memory
from measurement import Measurement, table
from workbench import Workbench

BENCHMARKS: dict[str, Callable[[Workbench, int, int], list[Measurement]]] = {
    "start-up": start_up.measure,
    "evidence": evidence_size.measure,
    "first-answer": first_answer.measure,
    "throughput": throughput.measure,
    "two-nodes": two_nodes.measure,
    "submit": submission.measure,
    "in-flight": rows_in_flight.measure,
    "row": row_cost.measure,
    "redaction": redaction.measure,
    "heavy-neighbours": heavy_neighbours.measure,
    "journal": journal_cost.measure,
    "recovery": recovery.measure,
    "staging": staging.measure,
    "memory": worker_memory.measure,
    "overhead": ray_overhead.measure,
}


def main() -> int:
    """Measure as the command line says; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description="Measure speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all, unless given")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a run")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of what varies")
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    found: list[Measurement] = []
    with Workbench(lambda line: print(line, file=sys.stderr, flush=True)) as bench:
        for name in given.names or BENCHMARKS:
            found += BENCHMARKS[name](bench, given.rows, given.repeat)
    print(table(found))
    return 0 if all(measurement.reached for measurement in found) else 1


if __name__ == "__main__":
    sys.exit(main())
