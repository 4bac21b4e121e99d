"""What a row costs our own code: the reference journey with answers from memory, so no HTTP library and no network.

Everything else is real: rendering, judging, journal, fence, evidence, masking. The fastest batch counts: others met
something that is not ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import msgspec
from measurement import Measurement
from workbench import Workbench

from reqflo_ray._internal.journal.replay import RowHistory
from reqflo_ray._internal.journal.writer import JournalWriter
from reqflo_ray._internal.model.http.exchange import CookieStore, Exchange, Timings, TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import Durability, Row
from reqflo_ray._internal.runner.execute.fence import Fence
from reqflo_ray._internal.runner.execute.row.context import ShardAttempt
from reqflo_ray._internal.runner.execute.row.row import RowRunner
from reqflo_ray._internal.runner.execute.worker.worker import open_worker
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import make_sealer
from reqflo_ray._internal.runs.staging.rows import read_plan, read_rows

_BATCHES = 40
_HEADERS = (
    ("Content-Type", "application/json"),
    ("Content-Length", "200"),
    ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("Server", "memory"),
)


class Memory:
    """A transport that answers as the demo API does, at once."""

    def __init__(self) -> None:
        self._orders: dict[str, dict[str, object]] = {}
        self._numbers = count()
        self._timings = Timings(total_ms=1.0, connect_ms=0.0, wait_ms=0.9, receive_ms=0.1)

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        """See `Transport.send`."""
        path = request.url.partition("//")[2].partition("/")[2]
        status = 200
        answer: object
        if path == "auth/token":
            answer = {"access_token": f"made-up-token-{next(self._numbers):08d}", "token_type": "Bearer"}
        elif path == "orders":
            status = 201
            order = {"id": "", **msgspec.json.decode(request.body or b"{}")}
            order["id"] = f"ord-{next(self._numbers):08d}"
            self._orders[order["id"]] = order
            answer = {"order": order}
        else:
            answer = {"order": self._orders.pop(path.rpartition("/")[2])}
        body = msgspec.json.encode(answer)
        response = TransportResponse(status=status, reason="OK", headers=_HEADERS, body=body, wire_size=len(body))
        return Exchange(
            request_headers=(*request.headers, ("Host", "memory")),
            url=request.url,
            timings=self._timings,
            response=response,
        )

    async def close(self) -> None:
        """See `Transport.close`."""


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Of at most 1,000 rows at a time, whatever `rows` says."""
    run = bench.run(1_000, backend="local")
    seconds = asyncio.run(_fastest(bench.run_folder(run.run_id)))
    return [Measurement(name="a row without HTTP", value=seconds * 1e6, unit="µs")]


async def _fastest(folder: RunFolder) -> float:
    rows: list[Row] = []
    for entry in read_plan(folder.storage, folder.run_id) or ():
        rows += read_rows(folder.storage, folder.path(layout.rows(entry.shard)), sha256=entry.sha256)
    # The run is finished, and its key is gone: the rows of one that is not have their token sealed.
    record = folder.load_run()
    make_sealer(folder, folder.load_artifact(record.artifact), record)
    async with open_worker(folder) as opened:
        worker = replace(opened, transport=Memory())
        journal = JournalWriter(folder.storage.open_log("row-cost.log"), durability=Durability.PROCESS)
        # An epoch and a shard that nobody else has: all files that close a fence are looked for, none is there.
        fence = Fence(lambda: folder.fence_open(9, 99_999, 9), is_near=True)
        shard = ShardAttempt(journal=journal, may_send=fence.is_open, takes_over=False)

        async def batch(part: Sequence[Row]) -> float:
            began = time.process_time()
            # Together, as in a shard: they share writes and looks.
            outcomes = await asyncio.gather(
                *[RowRunner(worker, shard, row, RowHistory(row=row.index)).run() for row in part]
            )
            assert all(outcome.result.status == "passed" for outcome in outcomes)
            return (time.process_time() - began) / len(part)

        size = len(rows) // 10
        found = [await batch(rows[at * size : (at + 1) * size]) for _ in range(_BATCHES // 10) for at in range(10)]
        await journal.close()
        return min(found)
