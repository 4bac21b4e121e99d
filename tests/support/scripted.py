"""Runs one row of a journey, given as YAML, against scripted answers: no sockets, no clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from simulation import Bomb, Disk, JudgedHere, MaskedHere, SimulatedClock, SimulatedStorage

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.engine.program import prepare
from reqflo_ray._internal.http.host_limits import HostLimits
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.journal.replay import RowHistory, replay
from reqflo_ray._internal.journal.writer import JournalWriter
from reqflo_ray._internal.model.artifact import digest
from reqflo_ray._internal.model.http.exchange import (
    RESEND,
    CookieStore,
    Exchange,
    FailureKind,
    Timings,
    TransportEvent,
    TransportFailure,
    TransportRequest,
    TransportResponse,
)
from reqflo_ray._internal.model.plan import Durability, Evidence, Row, RunOptions, RunRecord
from reqflo_ray._internal.model.results import StepRecord
from reqflo_ray._internal.runner.execute.fence import Fence
from reqflo_ray._internal.runner.execute.response.evidence import EvidenceBuilder
from reqflo_ray._internal.runner.execute.row.context import ShardAttempt
from reqflo_ray._internal.runner.execute.row.row import RowOutcome, RowRunner
from reqflo_ray._internal.runner.execute.worker.pacing import Unpaced
from reqflo_ray._internal.runner.execute.worker.row_places import RowPlaces
from reqflo_ray._internal.runner.execute.worker.worker import Worker
from reqflo_ray._internal.runner.prepare.checks.check import RunSelection, check_run
from reqflo_ray._internal.runner.progress.metrics import WorkerMetrics
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import Sealer
from reqflo_ray._internal.secrets.redactor import Redactor
from reqflo_ray._internal.secrets.store import SecretStore

WORKSPACE = """\
workspace: {name: w, defaults: {environment: local}}
---
environment:
  name: local
  services: {api: {base_url: "http://api.example"}}
"""


def one_step(extra: str) -> str:
    """A journey of one step that has `extra`."""
    return f"""\
journey:
  name: one
  inputs: [{{name: item}}, {{name: card, sensitive: true}}]
  variables: [{{name: path}}]
  steps:
    - id: get
      request: {{service: api, method: GET, url: /x}}
{extra}
"""


@dataclass
class Api:
    """Gives its answers in turn, the last one for ever, and remembers what was asked. Those in `late` came after the
    request was sent again on another connection."""

    answers: Sequence[TransportResponse | TransportFailure]
    seen: list[TransportRequest] = field(default_factory=list)
    late: list[TransportResponse | TransportFailure] = field(default_factory=list)

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        own = next((value for name, value in request.headers if name.lower() == "cookie"), "")
        if cookies is not None and (line := cookies.header(request.url, own)) != own:
            others = tuple(pair for pair in request.headers if pair[0].lower() != "cookie")
            request = msgspec.structs.replace(request, headers=(*others, ("Cookie", line)))
        answer = self.answers[min(len(self.seen), len(self.answers) - 1)]
        self.seen.append(request)
        await asyncio.sleep(0)
        if cookies is not None:
            cookies.receive(request.url, answer.headers)
        return Exchange(
            request_headers=request.headers,
            url=request.url,
            timings=Timings(total_ms=1.0),
            response=answer if isinstance(answer, TransportResponse) else None,
            failure=answer if isinstance(answer, TransportFailure) else None,
            events=(TransportEvent(kind=RESEND, text="sent again", at_ms=0.5),) if answer in self.late else (),
        )

    async def close(self) -> None:
        """Nothing to do."""


def ok(body: Any = None, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> TransportResponse:
    """A JSON answer."""
    data = json.dumps({} if body is None else body).encode()
    kind = ("content-type", "application/json")
    return TransportResponse(status=status, reason="", headers=(kind, *headers), body=data, wire_size=len(data))


def refused() -> TransportFailure:
    """A connection that was refused."""
    return TransportFailure(kind=FailureKind.REFUSED, message="the connection was refused", sent=False)


class Journey:
    """A journey compiled from YAML, whose rows can be run. `sealer` is that of the next attempt."""

    def __init__(
        self, folder: Path, text: str, *, evidence: Evidence = Evidence.FULL, row_timeout_ms: int = 600_000
    ) -> None:
        (folder / "reqflo.yaml").write_text(WORKSPACE)
        (folder / "journey.yaml").write_text(text)
        workspace = load_workspace(folder)
        name = workspace.journeys[0].name
        compilation = compile_journey(workspace, name, [overlay.name for overlay in workspace.overlays])
        checked = check_run(
            compilation, workspace, RunSelection(columns=("item", "card")), me={"user": "u", "host": "h"}
        )
        checked.raise_errors()
        self.artifact = compilation.artifact
        self.record = RunRecord(
            run_id="scripted",
            nonce="00" * 16,
            created_at="2026-01-01T00:00:00Z",
            artifact=digest(self.artifact),
            journey=name,
            environment=checked.environment,
            http=checked.http,
            options=RunOptions(evidence=evidence, row_timeout_ms=row_timeout_ms),
        )
        self.disk = Disk()
        self.sealer: Sealer | None = Sealer(bytes(range(64)))
        self.clock = SimulatedClock()
        self.metrics = WorkerMetrics()

    def run(
        self,
        *answers: TransportResponse | TransportFailure,
        row: Mapping[str, Any] | None = None,
        history: RowHistory | None = None,
        may_send: Callable[[], bool] = lambda: True,
        late: Sequence[TransportResponse | TransportFailure] = (),
    ) -> tuple[RowOutcome, Api]:
        """Run one row to its end in a new attempt; what the API was asked comes along."""
        api = Api(answers or (ok(),), late=list(late))
        outcome = asyncio.run(self._run(api, Row(index=0, key="k", values=dict(row or {})), history, may_send))
        return outcome, api

    def history(self) -> RowHistory:
        """What the journals of all attempts so far say about the row."""
        journals = [(number, read_journal(bytes(data))) for number, data in enumerate(self.disk.logs.values(), 1)]
        return replay(journals, steps=[step.id for step in self.artifact.steps]).row(0)

    async def _run(self, api: Api, row: Row, history: RowHistory | None, may_send: Callable[[], bool]) -> RowOutcome:
        storage = SimulatedStorage(self.disk, Bomb())
        redactor = Redactor()
        worker = Worker(
            folder=RunFolder(storage, "scripted"),
            run=self.record,
            program=prepare(self.artifact, self.record),
            transport=api,
            secrets=SecretStore({}, redactor),
            redactor=redactor,
            evidence=EvidenceBuilder(self.record.options.evidence, 65_536),
            clock=self.clock,
            pacer=Unpaced(),
            hosts=HostLimits(0),
            rows=RowPlaces(1),
            judging=JudgedHere(),
            masking=MaskedHere(),
            metrics=self.metrics,
            sealer=self.sealer,
        )
        log = storage.open_log(f"journal-{len(self.disk.logs) + 1}")
        journal = JournalWriter(log, durability=Durability.PROCESS)
        fence = Fence(may_send, is_near=True)
        attempt = ShardAttempt(journal=journal, may_send=fence.is_open, takes_over=history is not None)
        try:
            return await RowRunner(worker, attempt, row, history or RowHistory(row=0)).run()
        finally:
            await journal.close()


def statuses(records: Sequence[StepRecord]) -> list[tuple[str, int, str, str]]:
    """Step, attempt, status and code of each record."""
    return [(record.step_id, record.attempt, str(record.status), record.error_code) for record in records]


def without_captures(history: RowHistory, step: str) -> RowHistory:
    """The history as if all captures of `step` had been withheld, as sensitive ones are."""
    past = history.steps[step]
    final = past.final
    assert final is not None
    withheld = tuple(f"steps.{step}.{key}" for key in final.captures)
    changed = msgspec.structs.replace(final, captures={}, withheld=withheld)
    steps = {**history.steps, step: replace(past, completions=(*past.completions[:-1], changed))}
    return replace(history, steps=steps)
