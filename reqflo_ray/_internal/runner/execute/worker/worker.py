"""Holds what a worker process needs for a run: the prepared journey, the adapters, and the limits that its rows share.

It must not know who schedules it, or anything about workspaces: a worker reads only the artifact and the run record.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from reqflo_ray._internal.engine.judge import Judgement
from reqflo_ray._internal.engine.program import PreparedStep, Program, prepare
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.http.host_limits import HostLimits
from reqflo_ray._internal.model.clock import Clock
from reqflo_ray._internal.model.http.exchange import Exchange, Transport
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.runner.clock import SystemClock
from reqflo_ray._internal.runner.execute.response.evidence import EvidenceBuilder, MaskedAside
from reqflo_ray._internal.runner.execute.response.judging import Judging
from reqflo_ray._internal.runner.execute.response.masking import Masking
from reqflo_ray._internal.runner.execute.response.side_jobs import first_message
from reqflo_ray._internal.runner.execute.response.side_process import SideProcesses
from reqflo_ray._internal.runner.execute.worker.pacing import AskForTurns, Pacer, choose_pacer
from reqflo_ray._internal.runner.execute.worker.proxy_login import proxy_login
from reqflo_ray._internal.runner.execute.worker.row_places import RowPlaces
from reqflo_ray._internal.runner.execute.worker.rows_at_once import fewer_rows, rows_at_once
from reqflo_ray._internal.runner.progress.metrics import WorkerMetrics
from reqflo_ray._internal.runner.progress.shard import ShardCounter
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import Sealer, find_sealer, open_record
from reqflo_ray._internal.secrets.core_dumps import no_core_dumps
from reqflo_ray._internal.secrets.redactor import Redactor
from reqflo_ray._internal.secrets.store import SecretStore

if TYPE_CHECKING:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessApi

# The number of new objects after which the garbage collector examines the young ones.
_YOUNG_OBJECTS: Final = 100_000


def unknown_node(owner: Owner) -> bool:
    """Return False: without a cluster, no other node is known to be alive."""
    return False


class Judges(Protocol):
    """Judges the responses to the steps of the run."""

    async def judge(self, step: PreparedStep, exchange: Exchange, scope: Scope) -> Judgement:
        """See `Judging.judge`."""
        ...


class Masks(Protocol):
    """Masks heavy data."""

    async def aside(
        self, request: bytes | None, response: bytes | None, outputs: bytes | None, redactor: Redactor
    ) -> MaskedAside:
        """See `Masking.aside`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The adapters and limits of a worker process. `rows` limits the rows in flight in all its shards; `stopping` is
    set when no new request may be sent. `counters` holds the progress of shards in flight, by number. `sealer` opens
    the sensitive values of staged rows, if there are any. `warnings` is what the user should know about this worker."""

    folder: RunFolder
    run: RunRecord
    program: Program
    transport: Transport
    secrets: SecretStore
    redactor: Redactor
    evidence: EvidenceBuilder
    clock: Clock
    pacer: Pacer
    hosts: HostLimits
    rows: RowPlaces
    judging: Judges
    masking: Masks
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    counters: dict[int, ShardCounter] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    node_lives: Callable[[Owner], bool] = unknown_node
    sealer: Sealer | None = None
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Reserve the whole worker: while the block runs, only the caller's row is in flight."""
        held = 0
        async with self._alone:  # two callers that each held some of the places would wait forever
            try:
                while held < self.rows.count:
                    await self.rows.take(first=True)
                    held += 1
                yield
            finally:
                for _ in range(held):
                    self.rows.give_back()

    async def pause(self, seconds: float) -> bool:
        """Wait `seconds`, or less if the run is stopped. Return True if the whole time has passed."""
        if seconds <= 0:
            return not self.stopping.is_set()
        stopped = asyncio.ensure_future(self.stopping.wait())
        slept = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            await asyncio.wait({stopped, slept}, return_when=asyncio.FIRST_COMPLETED)
            return not self.stopping.is_set()
        finally:
            stopped.cancel()
            slept.cancel()


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let the garbage collector search for cycles less often: rows make many objects and hardly any cycles, and a
    search every 700 objects takes a tenth of the processor time. If the collector is off (0), it stays off."""
    young, *older = gc.get_threshold()
    gc.set_threshold(max(young, _YOUNG_OBJECTS) if young else 0, *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)


@asynccontextmanager
async def open_worker(
    folder: RunFolder,
    *,
    ask: AskForTurns | None = None,
    node_lives: Callable[[Owner], bool] = unknown_node,
    clock: Clock | None = None,
    api: InProcessApi | None = None,
) -> AsyncIterator[Worker]:
    """Load the run in `folder`, and hold its adapters until the block ends.

    Args:
        ask: obtains instants from the schedule that all workers of a run with a rate share; None if this worker is the
            only one.
        node_lives: returns whether the node of a worker that lost its shard is alive, so that the node did not die.
        api: answers all requests in this process, instead of the network.

    Raises:
        StoreError: the run record or the artifact cannot be read.
    """
    sealer = find_sealer(folder)
    run = open_record(folder.load_proven_run(), sealer)
    artifact = folder.load_artifact(run.artifact)
    clock = clock or SystemClock()
    redactor = Redactor()
    options = run.options
    count, problem = rows_at_once(options.concurrency)
    rows = RowPlaces(count)
    warnings = [problem] if problem else []

    def short(possible: int) -> None:
        if rows.lower(possible):
            cause = "this machine could not open more connections"
            warnings[:] = [fewer_rows(rows.count, options.concurrency, cause)]

    secrets = SecretStore(run.secrets, redactor)
    transport = create_transport(
        run.http, limit=count, short=short, credentials=lambda: proxy_login(run.http, secrets.values), api=api
    )
    program = prepare(artifact, run)
    sides = SideProcesses(lambda: first_message(artifact, run))
    with no_core_dumps(), _seldom_collected():
        try:
            yield Worker(
                folder=folder,
                run=run,
                program=program,
                transport=transport,
                secrets=secrets,
                redactor=redactor,
                evidence=EvidenceBuilder(options.evidence, run.http.evidence_body_bytes),
                clock=clock,
                pacer=choose_pacer(options.rate, ask, clock),
                hosts=HostLimits(run.http.max_in_flight_per_host),
                rows=rows,
                judging=Judging(sides),
                masking=Masking(sides, run.http.evidence_body_bytes),
                warnings=warnings,
                sealer=sealer,
                node_lives=node_lives,
            )
        finally:
            await sides.close()
            await transport.close()
