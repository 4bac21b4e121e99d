"""Judges a disturbed run of `place-order` by what the API really received. Every test with real processes asks it.

The API's ledger, the journals while the run lasted, and the committed results must tell one story: no acknowledged step
is sent again, none is lost, and what was in flight at a fault goes out again under the same key and a bounded number of
times. Tokens are sensitive, and lie sealed: none is asked for again once it is acknowledged. A request for one names no
row, so they are judged by their number.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.model.journal import Completion, Intent, Withdrawn
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.rows import read_plan
from reqflo_ray._internal.storage.open import open_storage

STEPS = ("token", "create", "read")
_RESULT_COLUMNS = ("row_index", "row_key", "status", "error_code", "failed_step", "inputs")
_STEP_COLUMNS = (
    *("row_index", "row_key", "step_id", "attempt", "status", "error_code", "http_request_method", "url_full"),
    *("http_request_body", "http_response_status_code", "http_response_body", "outputs"),
)
_GIVEN_BY_THE_API = re.compile(rb"ord-\d+|http://127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Moment:
    """What was acknowledged, and what was in flight, when the API had received `arrived` requests. `cut_off` are the
    rows in flight whose process had just been struck."""

    finished: frozenset[tuple[int, str]]
    in_flight: frozenset[tuple[int, str]]
    cut_off: frozenset[int]
    arrived: int
    at_us: int


@dataclass(frozen=True)
class Judgement:
    """What the faults of one run cost; nothing was lost or repeated, or there would be none."""

    injected: int
    resent: int
    resent_sensitive: int
    recovery_s: tuple[float, ...]

    def as_line(self, fault: str) -> dict[str, Any]:
        """A line of the table that `make chaos` prints."""
        slowest = sorted(self.recovery_s)[int(0.95 * (len(self.recovery_s) - 1))] if self.recovery_s else None
        return {
            "fault": fault,
            "injected": self.injected,
            "lost": 0,
            "repeated": 0,
            "re-sent": self.resent,
            "re-sent for a sensitive value": self.resent_sensitive,
            "time to recover, p95": "" if slowest is None else f"{slowest:.1f} s",
        }


@dataclass(frozen=True)
class Contents:
    """The committed tables of a run, without what a repetition may change: times, ids that the API gives, keys."""

    results: list[dict[str, Any]]
    steps: list[dict[str, Any]]


@dataclass
class LedgerOracle:
    """Watches one run in `store` whose requests all go to `shop`, whose ledger was empty before."""

    shop: DemoServer
    store: str
    run_id: str
    moments: list[Moment] = field(default_factory=list)
    _rows: tuple[dict[str, int], dict[str, int]] | None = None

    @property
    def folder(self) -> RunFolder:
        return RunFolder(open_storage(self.store), self.run_id)

    def arrived(self) -> int:
        """How many requests the API has received."""
        with urllib.request.urlopen(f"{self.shop.url}/ledger?limit=0", timeout=30) as answer:
            return int(json.load(answer)["total"])

    def note(self, struck: Callable[[Owner], bool] = lambda _: False) -> Moment:
        """Remember what is acknowledged now. The run may be going on meanwhile.

        Args:
            struck: which processes have just been struck: until the rows that they had in flight go on, time is taken.
        """
        at_us = time.time_ns() // 1000
        finished, in_flight, cut_off = set(), set(), set()
        storage, journals = self.folder.storage, self.folder.path(layout.JOURNALS)
        paths = [
            f"{journals}/{shard}/{name}"
            for shard in storage.list(journals)
            for name in storage.list(f"{journals}/{shard}")
        ]
        for path in paths:
            try:
                data = storage.read_log(path, synced=False)
            except FileNotFoundError:
                continue
            begun = set()
            for record in read_journal(data).records:
                if isinstance(record, Completion) and record.final:
                    finished.add((record.row, record.step))
                if isinstance(record, Intent):
                    begun.add((record.row, record.step))
                if isinstance(record, Withdrawn):
                    begun.discard((record.row, record.step))
            in_flight |= begun
            attempts = self.folder.attempts(int(path.split("/")[-2])) if begun else []
            if attempts and struck(attempts[-1][1].owner):
                cut_off |= begun
        plan = {entry.shard: entry for entry in read_plan(self.folder.storage, self.run_id) or ()}
        for shard in self.folder.committed():
            staged = range(plan[shard].first_row, plan[shard].first_row + plan[shard].rows)
            finished |= {(row, step) for row in staged for step in STEPS}
        # Counted last: whatever is acknowledged has arrived before.
        rows = frozenset(row for row, _ in cut_off - finished)
        moment = Moment(frozenset(finished), frozenset(in_flight - finished), rows, self.arrived(), at_us)
        self.moments.append(moment)
        return moment

    def contents(self) -> Contents:
        """What is committed. Raises `IntegrityError` if a row has two verdicts."""
        results, steps = self._table("results"), self._table("steps")
        verdicts = Counter(row["row_index"] for row in results)
        if verdicts and max(verdicts.values()) > 1:
            raise IntegrityError("a row has two verdicts")
        return Contents(
            results=[{name: row[name] for name in _RESULT_COLUMNS} for row in results],
            steps=[{name: _without_ids(row[name]) for name in _STEP_COLUMNS} for row in steps],
        )

    def judge(
        self, *, rows: int, faults: int, in_flight: int, undisturbed: Contents, drained: bool = False
    ) -> Judgement:
        """Assert every promise.

        Args:
            faults: how often the run was interrupted.
            in_flight: how many rows can be under way at one fault.
            drained: what was in flight was let finish each time, so that nothing may go out again.
        """
        assert faults > 0, "no fault was injected: this has tested nothing"
        results, steps = self._table("results"), self._table("steps")
        assert len(results) == rows, f"{rows - len(results)} rows have no verdict"
        contents = self.contents()
        assert not _differences(contents.results, undisturbed.results)
        assert not _differences(contents.steps, undisturbed.steps)

        ledger = self.shop.ledger()
        assert ledger["dropped"] == 0 and ledger["orders_created"] == rows, "an order was placed twice, or never"
        arrivals = [(entry, self._step_of(entry, steps)) for entry in ledger["requests"]]
        times = Counter(step for _, step in arrivals if step is not None)
        assert {row for row, step in times if step == "create"} == set(range(rows))
        assert {row for row, step in times if step == "read"} == set(range(rows))

        acknowledged: dict[tuple[int, str], int] = {}
        for moment in self.moments:
            for step in moment.finished:
                acknowledged.setdefault(step, moment.arrived)
        again = [step for entry, step in arrivals if step in acknowledged and entry["sequence"] > acknowledged[step]]
        assert not again, f"acknowledged steps were sent again: {again[:5]}"
        told = Counter((row["row_index"], row["step_id"]) for row in steps)
        assert all(told[step] == 1 for step in acknowledged), "an acknowledged step is not in the results exactly once"

        sensitive = sum(row["resent_sensitive"] for row in results)
        assert sensitive == 0 and not any(row["resend_reason"] == "sensitive" for row in steps), (
            f"{sensitive} requests were sent again for a value that lies sealed"
        )
        tokens = sum(entry["path"] == "/auth/token" for entry in ledger["requests"]) - rows
        assert tokens >= 0, "a row went on without a token of its own"
        resent = sum(times.values()) - len(times) + tokens
        # A row has one request in flight at a time, a token or another.
        cut_off = 0 if drained else faults * in_flight
        assert resent <= cut_off, (
            f"{resent} requests were sent again after {faults} faults, {tokens} of them for tokens"
        )
        return Judgement(faults, resent, sensitive, tuple(self._recoveries(arrivals)))

    def _recoveries(self, arrivals: list[tuple[dict[str, Any], tuple[int, str] | None]]) -> list[float]:
        """For each row that was cut off at a noted moment, the seconds until something of it arrived again."""
        seconds = []
        for moment in self.moments:
            waiting = set(moment.cut_off)
            for entry, step in arrivals:
                if step is not None and step[0] in waiting and entry["at_us"] > moment.at_us:
                    waiting.discard(step[0])
                    seconds.append((entry["at_us"] - moment.at_us) / 1e6)
        return seconds

    def _step_of(self, entry: dict[str, Any], steps: list[dict[str, Any]]) -> tuple[int, str] | None:
        """Which step of which row a request was; None for a token."""
        if self._rows is None:
            keys = {row["idempotency_key"]: row["row_index"] for row in steps if row["step_id"] == "create"}
            paths = {
                f"/orders/{row['url_full'].rpartition('/')[2]}": row["row_index"]
                for row in steps
                if row["step_id"] == "read"
            }
            assert len(keys) == len(set(keys.values())), "a row has several idempotency keys"
            self._rows = (keys, paths)
        keys, paths = self._rows
        if entry["path"] == "/auth/token":
            return None
        if entry["method"] == "POST":
            assert entry["idempotency_key"] in keys, "a request under a key that no result knows"
            return keys[entry["idempotency_key"]], "create"
        assert entry["path"] in paths, "a request that no result knows"
        return paths[entry["path"]], "read"

    def _table(self, table: str) -> list[dict[str, Any]]:
        folder, rows = self.folder, []
        for commit in folder.commits():
            [file] = [file for file in commit.files if file.path.startswith(f"{table}/")]
            rows += parquet.read_table(pa.BufferReader(folder.read_file(file.path))).to_pylist()
        return rows


def _differences(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[Any]:
    """The first few lines that differ; one that is short enough to be read when an assertion shows it."""
    pairs = ((old, new) for old, new in zip_longest(wanted, found) if old != new)
    return list(islice(pairs, 2))


def _without_ids(value: Any) -> Any:
    if isinstance(value, bytes):
        return _GIVEN_BY_THE_API.sub(b"", value)
    return _GIVEN_BY_THE_API.sub(b"", value.encode()).decode() if isinstance(value, str) else value
