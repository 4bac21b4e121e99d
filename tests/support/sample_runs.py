"""Sample runs for tests that read or write a store: made-up records; no journey is executed."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reqflo_ray._internal.model.artifact import (
    Artifact,
    AssertionOrigin,
    AssertionType,
    JourneyIdentity,
    Operator,
    WaitStep,
)
from reqflo_ray._internal.model.http.exchange import Timings
from reqflo_ray._internal.model.plan import Plan, RunRecord, ShardPlan
from reqflo_ray._internal.model.results import (
    TABLE_VERSION,
    AssertionResult,
    Commit,
    Counts,
    FileDigest,
    LogEvent,
    RowResult,
    ShardSummary,
    Status,
    StepRecord,
    Verdict,
    exit_code,
    worst_status,
)
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.completion import clean_up, complete
from reqflo_ray._internal.runs.folder.owner import this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.rows import write_plan
from reqflo_ray._internal.storage.local import LocalStorage

STARTED_US = 1_790_000_000_000_000


def sample_steps(row: int, key: str, chance: random.Random, *, failed: bool = False) -> list[StepRecord]:
    """The evidence of a row of three steps, as an order API answers them."""
    order = f"ord-{chance.getrandbits(48):012x}"
    customer, total = f"cus-{chance.randrange(1000):03d}", f"{chance.uniform(1, 999):.2f}"
    document = f'{{"order": {{"id": "{order}", "customer_id": "{customer}", "total": {total}}}}}'.encode()
    request = f'{{"customer_id":"{customer}","total":{total}}}'.encode()
    idempotency_key = f"{chance.getrandbits(128):032x}"
    actual = "500" if failed else "200"
    started = STARTED_US + row * 10_000
    steps: list[StepRecord] = []

    def add(step: str, method: str, path: str, code: int, body: bytes, **more: Any) -> None:
        nonlocal started
        wait = chance.lognormvariate(1.2, 0.4)
        steps.append(
            StepRecord(
                **{
                    "row_index": row,
                    "row_key": key,
                    "step_id": step,
                    "step_index": len(steps),
                    "attempt": 1,
                    "status": Status.PASSED,
                    "method": method,
                    "url": f"http://127.0.0.1:8080{path}",
                    "request_headers": (("Host", "127.0.0.1:8080"), ("Authorization", "[secret:TOKEN]")),
                    "response_status": code,
                    "response_reason": "OK",
                    "response_headers": (("Content-Type", "application/json"), ("Content-Length", str(len(body)))),
                    "response_body": body,
                    "response_body_size": len(body),
                    "http_version": "1.1",
                    "started_at_us": started,
                    "duration_ms": wait + 0.5,
                    "timings": Timings(total_ms=wait + 0.5, blocked_ms=0.02, wait_ms=wait, receive_ms=0.1, reused=True),
                    **more,
                }
            )
        )
        started += int(wait * 1000) + 200

    add("token", "POST", "/auth/token", 200, b'{"access_token": "[sensitive]", "expires_in": 3600}')
    add(
        "create",
        "POST",
        "/orders",
        201,
        document,
        request_body=request,
        request_body_size=len(request),
        outputs=f'{{"order_id":"{order}"}}',
        idempotency_key=idempotency_key,
    )
    add(
        "read",
        "GET",
        f"/orders/{order}",
        int(actual),
        document,
        status=Status.FAILED if failed else Status.PASSED,
        error_code="assertion_failed" if failed else "",
        assertions=(
            AssertionResult(
                AssertionType.STATUS_CODE,
                "",
                Operator.EQUALS,
                "200",
                actual,
                Status.FAILED if failed else Status.PASSED,
                False,
                AssertionOrigin.STEP,
                "",
                f"status is {actual}, expected 200" if failed else "",
            ),
            AssertionResult(
                AssertionType.JSON_PATH,
                "$.order.total",
                Operator.EQUALS,
                total,
                total,
                Status.PASSED,
                True,
                AssertionOrigin.TEMPLATE,
                "total",
                "",
            ),
        ),
        events=(LogEvent(started, "retry", "attempt 1 failed: connection_closed"),) if failed else (),
    )
    return steps


def sample_shard(shard: int, rows: int, *, fail_every: int = 0) -> tuple[list[RowResult], list[StepRecord]]:
    """Results and steps of a shard; every `fail_every`th row fails."""
    chance = random.Random(shard)
    results: list[RowResult] = []
    steps: list[StepRecord] = []
    for row in range(shard * rows, (shard + 1) * rows):
        key, failed = f"ref-{row:06d}", bool(fail_every) and row % fail_every == 0
        steps += sample_steps(row, key, chance, failed=failed)
        results.append(
            RowResult(
                row_index=row,
                row_key=key,
                status=Status.FAILED if failed else Status.PASSED,
                error_code="assertion_failed" if failed else "",
                failed_step="read" if failed else "",
                inputs=f'{{"order_ref":"{key}","qty":{chance.randrange(9)}}}',
                started_at_us=STARTED_US + row * 10_000,
                duration_ms=12.345,
                requests=3,
            )
        )
    return results, steps


@dataclass(frozen=True)
class RunMaker:
    """Makes runs in a store as a driver and its workers would."""

    storage: LocalStorage

    def begin(self, run_id: str, *, steps: Sequence[str] = (), **fields: Any) -> RunFolder:
        """A dispatched run, its driver being this process. The journey has these `steps`."""
        identity = JourneyIdentity(name=fields.get("journey", "place-order"))
        artifact = Artifact(journey=identity, steps=tuple(WaitStep(id=step, duration_ms=0) for step in steps))
        digest = save_artifact(self.storage, artifact)
        record = RunRecord(
            **{
                "run_id": run_id,
                "nonce": "00ff",
                "created_at": "2026-11-22T10:45:00Z",
                "artifact": digest,
                "journey": "place-order",
                **fields,
            }
        )
        folder = RunFolder(self.storage, run_id)
        assert folder.create_run(record)
        assert folder.claim_epoch(this_process(), after=0) == 1
        return folder

    def stage(self, folder: RunFolder, shards: int) -> None:
        """A plan, with stand-ins for the staged rows: nobody reads them here."""
        lines = []
        for shard in range(shards):
            data = b"rows %d" % shard
            folder.write_file(layout.rows(shard), data)
            lines.append(ShardPlan(shard=shard, first_row=shard, rows=1, sha256=hashlib.sha256(data).hexdigest()))
        write_plan(folder.storage, folder.run_id, Plan(lines))

    def write(self, folder: RunFolder, shard: int, rows: int, *, fail_every: int = 0) -> Commit:
        """What a worker writes before it commits."""
        return self.write_records(folder, shard, *sample_shard(shard, rows, fail_every=fail_every))

    def write_records(
        self,
        folder: RunFolder,
        shard: int,
        results: list[RowResult],
        steps: list[StepRecord],
        *,
        flaky_steps: frozenset[str] = frozenset(),
    ) -> Commit:
        """The same of given records."""
        from reqflo_ray._internal.runs.results.writer import Origin, results_file, steps_file

        attempt = folder.claim_attempt(shard, 1)
        assert not isinstance(attempt, Commit), "the shard is committed"
        folder.open_journal(shard, attempt).close()
        files = []
        journey = folder.load_run().journey if folder.exists() else "place-order"
        origin = Origin(run_id=folder.run_id, journey=journey, shard=shard, flaky_steps=flaky_steps)
        for name, data, count in (
            (layout.results(shard, attempt), results_file(results, origin), len(results)),
            (layout.steps(shard, attempt), steps_file(steps, origin), len(steps)),
        ):
            folder.write_file(name, data)
            digest = hashlib.sha256(data).hexdigest()
            files.append(FileDigest(path=name, sha256=digest, size=len(data), rows=count, table_version=TABLE_VERSION))
        ended = Counter(result.status.value for result in results)
        summed = ("requests", "retries", "soft_failures", "flaky")
        sums = {name: sum(getattr(result, name) for result in results) for name in summed}
        counts = Counts(rows=len(results), **ended, steps=len(steps), **sums)
        summary = ShardSummary(shard=shard, attempt=attempt, counts=counts)
        return Commit(shard=shard, attempt=attempt, epoch=1, files=tuple(files), summary=summary)

    def commit(self, folder: RunFolder, shard: int, rows: int, *, fail_every: int = 0) -> None:
        """A shard that is done."""
        assert folder.commit(self.write(folder, shard, rows, fail_every=fail_every))

    def verdict(self, folder: RunFolder) -> Verdict:
        """The verdict that follows from the commits."""
        counts = Counts()
        for commit in folder.commits():
            counts = counts.plus(commit.summary.counts)
        record = folder.load_run()
        return Verdict(
            run_id=folder.run_id,
            journey=record.journey,
            artifact=record.artifact,
            environment=record.environment.name,
            status=worst_status(counts),
            exit_code=exit_code(counts),
            counts=counts,
            started_at=record.created_at,
            finished_at="2026-11-22T10:45:02.5Z",
            duration_ms=1500.0,
        )

    def finish(self, run_id: str, *, shards: int = 2, rows: int = 5, fail_every: int = 0, **fields: Any) -> RunFolder:
        """A run from dispatch to the end."""
        folder = self.begin(run_id, **fields)
        self.stage(folder, shards)
        for shard in range(shards):
            self.commit(folder, shard, rows, fail_every=fail_every)
        complete(folder, lambda *_: self.verdict(folder), shards)
        clean_up(folder)
        return folder
