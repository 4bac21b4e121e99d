"""The yardstick: the reference journey as a script that somebody would write by hand.

asyncio and aiohttp in N processes, the same three requests, assertions and retries over the same CSV, and nothing else:
no journal, no evidence, no redaction, no resume. Prints one JSON line. Starting the processes, importing and opening
connections is not counted: all processes wait for one another, then run for real. `--tuned` is by somebody who knows
uvloop and msgspec.

    python tests/benchmarks/baseline_client.py --url http://127.0.0.1:8480 --data orders.csv --processes 2
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

import aiohttp
import msgspec
import uvloop

WARM_UP_ROWS = 100  # a process, before the clock starts
RETRIES = 2
FIRST_DELAY = 0.2  # seconds, doubled for the second retry

_decode: Callable[[bytes], Any] = json.loads


def _encode(value: Any, /) -> bytes:
    return json.dumps(value).encode()


def tune() -> None:
    """Read and write JSON by msgspec."""
    global _decode, _encode
    _decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is to do."""

    url: str
    rows: list[dict[str, str]]
    concurrency: int
    secret: str
    run: str
    tuned: bool


class JourneyError(Exception):
    """A request could not be carried out, or an assertion does not hold."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise JourneyError(what)


async def create(session: aiohttp.ClientSession, row: dict[str, str], total: float, headers: dict[str, str]) -> Any:
    """Place the order; errors of the network and of the server are tried again with the same key."""
    body = _encode(
        {
            "customer_id": row["customer_id"],
            "total": total,
            "sku": row["sku"] or "SKU-1",
            "qty": int(row["qty"] or 1),
        }
    )
    for attempt in range(RETRIES + 1):
        try:
            async with session.post("/orders", data=body, headers=headers) as answer:
                data = await answer.read()
                if answer.status < 500 or attempt == RETRIES:
                    expect(answer.status == 201, f"create: {answer.status}")
                    return _decode(data)
        except (aiohttp.ClientError, TimeoutError):
            if attempt == RETRIES:
                raise
        await asyncio.sleep(FIRST_DELAY * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


async def journey(session: aiohttp.ClientSession, row: dict[str, str], secret: str, run: str) -> None:
    """One row of the reference journey."""
    total = float(row["total"])
    login = _encode({"client_id": "reqflo", "client_secret": secret})
    async with session.post("/auth/token", data=login, headers={"Content-Type": "application/json"}) as answer:
        data = await answer.read()
        expect(answer.status == 200, f"token: {answer.status}")
    bearer = f"Bearer {_decode(data)['access_token']}"

    key = f"{run}-{row['order_ref']}"
    headers = {"Content-Type": "application/json", "Authorization": bearer, "Idempotency-Key": key}
    order = (await create(session, row, total, headers))["order"]
    expect("id" in order, "create: no id")
    expect(order["customer_id"] == row["customer_id"], "create: another customer")

    began = time.perf_counter()
    headers = {"Authorization": bearer, "Accept": "application/json"}
    async with session.get(f"/orders/{order['id']}", headers=headers) as answer:
        data = await answer.read()
        expect(answer.status == 200, f"read: {answer.status}")
        expect("json" in answer.headers["Content-Type"], "read: not JSON")
    expect(_decode(data)["order"]["total"] == total, "read: another total")
    expect(time.perf_counter() - began <= 2.0, "read: slow")


async def run_rows(session: aiohttp.ClientSession, job: Job, rows: list[dict[str, str]], run: str) -> dict[str, int]:
    """All `rows`, at most `concurrency` of them at once; how many passed and failed."""
    counts = {"passed": 0, "failed": 0}
    waiting = iter(rows)

    async def worker() -> None:
        for row in waiting:
            try:
                await journey(session, row, job.secret, run)
                counts["passed"] += 1
            except (JourneyError, aiohttp.ClientError, TimeoutError, KeyError, ValueError) as problem:
                counts["failed"] += 1
                if counts["failed"] <= 3:
                    sys.stderr.write(f"row {row['order_ref']}: {problem!r}\n")

    await asyncio.gather(*(worker() for _ in range(job.concurrency)))
    return counts


async def work(job: Job, barrier: Barrier) -> dict[str, float]:
    """Warm up, wait for the others, run; when it began and ended on the machine's monotonic clock."""
    connector = aiohttp.TCPConnector(limit=job.concurrency)
    timeout = aiohttp.ClientTimeout(total=60, connect=5, sock_read=30)
    async with aiohttp.ClientSession(
        job.url, connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), raise_for_status=False
    ) as session:
        await run_rows(session, job, job.rows[:WARM_UP_ROWS], f"{job.run}-warm-up")
        await asyncio.to_thread(barrier.wait, 120)
        began, used = time.monotonic(), time.process_time()
        counts = await run_rows(session, job, job.rows, job.run)
        ended, cpu = time.monotonic(), time.process_time() - used
    return {**counts, "began": began, "ended": ended, "cpu": cpu}


def process(job: Job, barrier: Barrier, results: Any) -> None:
    if job.tuned:
        tune()
    results.put((uvloop.run if job.tuned else asyncio.run)(work(job, barrier)))


def measure(url: str, data: str, processes: int, concurrency: int, secret: str, *, tuned: bool) -> dict[str, Any]:
    """Run every row of `data` once in `processes` processes with `concurrency` rows in flight each."""
    with open(data, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    run = f"baseline-{os.getpid()}-{time.time_ns()}"
    started = [
        context.Process(
            target=process, args=(Job(url, rows[part::processes], concurrency, secret, run, tuned), barrier, results)
        )
        for part in range(processes)
    ]
    for one in started:
        one.start()
    try:
        done = [results.get(timeout=3600) for _ in started]
    finally:
        for one in started:
            one.join(10)
            if one.is_alive():
                one.kill()
                one.join()
    seconds = max(part["ended"] for part in done) - min(part["began"] for part in done)
    return {
        "rows": len(rows),
        "passed": sum(part["passed"] for part in done),
        "failed": sum(part["failed"] for part in done),
        "processes": processes,
        "concurrency": concurrency,
        "seconds": round(seconds, 4),
        "rows_per_second": round(len(rows) / seconds, 1),
        "requests_per_second": round(3 * len(rows) / seconds, 1),
        "client_cpu_seconds": round(sum(part["cpu"] for part in done), 4),
    }


def main() -> int:
    """Measure as the command line says; 0 if every row passed."""
    parser = argparse.ArgumentParser(description="Run the reference journey by hand-written code, for comparison.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--data", required=True, help="CSV with order_ref, customer_id, total, sku, qty")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--concurrency", type=int, default=64, help="rows in flight in each process")
    parser.add_argument("--tuned", action="store_true", help="uvloop and msgspec instead of asyncio and json")
    given = parser.parse_args()
    secret = os.environ.get("SHOP_CLIENT_SECRET", "made-up-for-the-benchmark")
    result = measure(given.url, given.data, given.processes, given.concurrency, secret, tuned=given.tuned)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["passed"] == result["rows"] else 1


if __name__ == "__main__":
    sys.exit(main())
