"""The durability protocol, line by line, as programs for the simulated world. One yield before every visible action.

The journal is the product's: its frames on the simulated disk, its reader, its replay. `Rules` holds one switch for
each line whose order or presence matters; the tests turn them off one by one to see that the oracle notices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from protocol_oracle import SEALING_KEY, Attempt, ModelStep, Oracle
from protocol_row import Row
from simulated_world import Lines, Log, Process, World

from reqflo_ray._internal.journal.reader import JournalContents, read_journal
from reqflo_ray._internal.journal.records import CRC_SIZE, HEADER_SIZE, encode, file_header
from reqflo_ray._internal.journal.replay import replay
from reqflo_ray._internal.model.journal import Intent, JournalRecord


@dataclass(frozen=True)
class Rules:
    """The protocol has all of these on."""

    claim_before_reading: bool = True
    intent_before_looking: bool = True
    fence: bool = True
    sync_intents_that_must_not_repeat: bool = True
    completion_is_durable: bool = True
    unknown_is_respected: bool = True
    replay_older_journals: bool = True
    sync_what_was_read: bool = True
    commit_closes_the_shard: bool = True
    look_for_commit_after_claim: bool = True
    verdict_is_created_once: bool = True
    manifest_after_verdict: bool = True
    withdraw_only_unsent: bool = True
    stable_keys: bool = True
    sealing_key_before_workers: bool = True
    sealing_key_is_made_once: bool = True
    sealing_key_lives_until_the_manifest: bool = True
    completion_removes_the_sealing_key: bool = True
    finished_run_keeps_no_sealing_key: bool = True
    sensitive_values_are_sealed: bool = True
    sealed_values_are_opened: bool = True
    sealed_values_have_a_place: bool = True
    nothing_sensitive_without_a_key: bool = True
    lost_values_respect_the_policy: bool = True


@dataclass(frozen=True)
class Model:
    """One simulated run: who takes part, and by which rules. `sealing_luck` is the chance in all that has to do with
    sealed values, so that the schedules of other journeys do not depend on it."""

    world: World
    oracle: Oracle
    rules: Rules
    journey: tuple[ModelStep, ...]
    shards: int
    rows: int
    sealing_luck: Random

    def driver(self, name: str, *, seals: bool = True) -> Process:
        """Begin a driver process. It does not seal if it is of a version that could not."""
        return self.world.start(name, lambda process: Driver(self, name, seals).run())


class Driver:
    """One driver. It may be a zombie: nothing here assumes that it is the only one."""

    def __init__(self, model: Model, name: str, seals: bool) -> None:
        self._model = model
        self._name = name
        self._seals = seals and any(step.sensitive for step in model.journey)
        self._world = model.world
        self._disk = model.world.disk
        self._epoch = 0

    def run(self) -> Lines:
        disk = self._disk
        yield "is there a manifest?"
        if "manifest" in disk.files:
            if self._seals and self._model.rules.finished_run_keeps_no_sealing_key:
                yield "remove the sealing key that a driver left"
                disk.files.pop(SEALING_KEY, None)
            return
        if self._seals:
            yield "is there a run?"
            if "run" not in disk.files:
                yield from self._make_sealing_key()
        yield "create run"
        disk.create("run", {"nonce": self._name})
        while not self._epoch:
            yield "create the next epoch"
            number = max(disk.numbers("epochs"), default=0) + 1
            yield f"create epoch {number}"
            if disk.create(f"epochs/{number}", self._name):
                self._epoch = number
        # A run of a version that did not seal has no key, and one whose key is lost needs another from here on.
        yield from self._make_sealing_key()
        yield "is there a plan?"
        if "plan" not in disk.files:
            for shard in range(self._model.shards):
                yield f"stage rows {shard}"
                disk.write(f"rows/{shard}", self._model.rows)
            yield "create plan"
            disk.create("plan", self._model.shards)
        if (yield from self._dispatch()):
            yield from self._finish()
        elif not self._model.rules.sealing_key_lives_until_the_manifest:
            yield "remove the sealing key though the run is unfinished"
            disk.files.pop(SEALING_KEY, None)

    def _make_sealing_key(self) -> Lines:
        if not self._seals:
            return
        rules, disk = self._model.rules, self._disk
        if not rules.sealing_key_before_workers and not disk.numbers("attempts/0"):
            return
        yield "create the sealing key"
        key = self._model.sealing_luck.randbytes(64)
        if rules.sealing_key_is_made_once:
            disk.create(SEALING_KEY, key)
        else:
            disk.write(SEALING_KEY, key)

    def _dispatch(self) -> Lines:
        while True:
            yield "plan - commits"
            todo = [shard for shard in range(self._model.shards) if f"commits/{shard}" not in self._disk.files]
            if not todo:
                return True
            yield "still the owner?"
            if f"epochs/{self._epoch + 1}" in self._disk.files or f"stop/{self._epoch}" in self._disk.files:
                return False
            # Now and then a shard is run twice at the same time, as a scheduler does that believes a worker lost.
            if self._world.random.random() < 0.3:
                todo.append(todo[0])
            workers = [self._start_worker(shard) for shard in todo]
            yield _all_of(workers)

    def _start_worker(self, shard: int) -> Process:
        name = f"{self._name}.{len(self._world.processes)}(s{shard})"
        return self._world.start(
            name, lambda process: Worker(self._model, process, self._epoch, shard, self._seals).run()
        )

    def _finish(self) -> Lines:
        disk, rules, shards = self._disk, self._model.rules, range(self._model.shards)
        listed: dict[str, Any] = {path: disk.files[path] for path in ("run", "plan")}
        for shard in shards:
            yield f"check the files of commit {shard}"
            commit = disk.files[f"commits/{shard}"]
            if disk.files.get(commit["file"]) != commit["content"]:
                return
            listed |= {f"commits/{shard}": commit, commit["file"]: commit["content"]}
        if not rules.manifest_after_verdict:
            yield "create manifest"
            disk.create("manifest", listed | {"verdict": self._name})
        yield "create verdict"
        if rules.verdict_is_created_once:
            disk.create("verdict", self._name)
        else:
            disk.write("verdict", self._name)
        yield "read verdict"
        listed["verdict"] = disk.files["verdict"]
        yield "create manifest"
        disk.create("manifest", listed)
        yield from self._clean_up(disk.files["manifest"])

    def _clean_up(self, kept: dict[str, Any]) -> Lines:
        if self._seals and self._model.rules.completion_removes_the_sealing_key:
            yield "remove the sealing key"
            self._disk.files.pop(SEALING_KEY, None)
        for path in [path for path in self._disk.files if path.startswith("results/") and path not in kept]:
            yield f"remove {path}"
            self._disk.files.pop(path, None)
        for folder in ("journal", "attempts", "stop", "epochs"):
            for shard in ("", *(f"/{shard}" for shard in range(self._model.shards))):
                yield f"remove {folder}{shard}"
                self._disk.remove_tree(folder + shard)


def _all_of(processes: list[Process]) -> Callable[[], bool]:
    # A frozen worker is believed dead: that is how zombies come to be.
    return lambda: all(process.ended or process.frozen for process in processes)


class Worker:
    """One call of `run_shard`."""

    def __init__(self, model: Model, process: Process, epoch: int, shard: int, seals: bool) -> None:
        self.model = model
        self.sealing_key = b""
        self._process = process
        self._world = model.world
        self._disk = model.world.disk
        self._epoch = epoch
        self._shard = shard
        self._commit_path = f"commits/{shard}"
        self._claims = f"attempts/{shard}"
        self.attempt = Attempt(shard, seals=seals)
        self._log = Log()
        self._sequence = 0

    def run(self) -> Lines:
        rules = self.model.rules
        if self.attempt.seals:
            yield "read the sealing key"
            self.sealing_key = self._disk.files.get(SEALING_KEY, b"")
        yield "is there a commit?"
        if self._commit_path in self._disk.files:
            return
        older: list[tuple[int, JournalContents]] = []
        if not rules.claim_before_reading:
            older = yield from self._read_journals(max(self._disk.numbers(self._claims), default=0) + 1)
        if not (yield from self._claim()):
            return
        if rules.look_for_commit_after_claim:
            yield "is there a commit now?"
            if self._commit_path in self._disk.files:
                return
        if rules.claim_before_reading:
            older = yield from self._read_journals(self.attempt.number)
        history = replay(older if rules.replay_older_journals else [], steps=[step.id for step in self.model.journey])
        yield "create journal"
        self._log = self._disk.logs.setdefault(f"journal/{self._shard}/{self.attempt.number}", Log())
        if older:
            yield "append what was read"
            yield from self.append(history.takeover)
        rows = [self._process.start(Row(self, history.row(row)).run()) for row in range(self.model.rows)]
        yield lambda: all(task.done for task in rows)
        if all(task.result is not None for task in rows):
            yield from self._commit({row: task.result for row, task in enumerate(rows)})

    def _claim(self) -> Lines:
        while True:
            yield "find the last attempt"
            last = max(self._disk.numbers(self._claims), default=0)
            closed = self._disk.files.get(f"{self._claims}/{last}")
            if closed is not None:
                yield "publish the commit of a closed shard"
                self._disk.create(self._commit_path, closed)
                return False
            yield f"create attempt {last + 1}"
            if self._disk.create(f"{self._claims}/{last + 1}", None):
                self.model.oracle.claimed(self.attempt, last + 1)
                self._process.name += f"#{last + 1}"
                return True

    def _read_journals(self, below: int) -> Lines:
        yield "list the older journals"
        found = [number for number in self._disk.numbers(f"journal/{self._shard}") if number < below]
        journals: list[tuple[int, JournalContents]] = []
        for number in range(1, below):
            contents = JournalContents()
            if number in found:
                yield f"read journal {number}"
                log = self._disk.logs.get(f"journal/{self._shard}/{number}", Log())
                contents = read_journal(bytes(log.data))
                if self.model.rules.sync_what_was_read:
                    # Its writer may have died before its own sync: what we build on must not vanish under us.
                    size = len(log.data)
                    yield f"sync journal {number}"
                    log.synced = max(log.synced, size)
            intents = frozenset(record for record in contents.records if isinstance(record, Intent))
            self.model.oracle.read(self.attempt, number, intents)
            journals.append((number, contents))
        return journals

    def _commit(self, rows: dict[int, Any]) -> Lines:
        file = f"results/{self._shard}.a{self.attempt.number}"
        content = {"by": self._process.name, "rows": rows}
        yield "write results"
        self._disk.write(file, content)
        commit = {"file": file, "content": content}
        if self.model.rules.commit_closes_the_shard:
            yield "close the shard with the commit"
            if not self._disk.create(f"{self._claims}/{self.attempt.number + 1}", commit):
                return
        yield "create commit"
        self._disk.create(self._commit_path, commit)

    @property
    def name(self) -> str:
        """The worker's name, as its process has it."""
        return self._process.name

    def key(self, row: int, step: str) -> str:
        """The idempotency key of a step."""
        owner = self._disk.files["run"]["nonce"] if self.model.rules.stable_keys else self._process.name
        return f"{owner}/{self._shard}/{row}/{step}"

    def append(self, record: JournalRecord) -> Lines:
        """One write call. A crash, or a reader, may see a part of it; other tasks of this process do not run."""
        frame = encode(self._sequence, record)
        self.model.oracle.written(frame)
        frame = frame if self._sequence else file_header() + frame
        self._sequence += 1
        if self._world.random.random() < 0.2:
            cut = self._world.random.randrange(len(frame))
            self._log.data += frame[:cut]
            self._process.busy = self._world.task
            yield "(in the middle of a write)"
            self._process.busy = None
            frame = frame[cut:]
        self._log.data += frame

    def sync(self) -> Lines:
        """What was appended when it began is durable when it ends."""
        size = len(self._log.data)
        yield "(sync)"
        self._log.synced = max(self._log.synced, size)

    def fence_is_open(self) -> Lines:
        """The looks of an attempt before a send, one by one."""
        for path in (
            f"{self._claims}/{self.attempt.number + 1}",
            self._commit_path,
            f"epochs/{self._epoch + 1}",
            f"stop/{self._epoch}",
        ):
            yield f"look for {path}"
            if path in self._disk.files and self.model.rules.fence:
                return False
        return True

    def holds(self, record: JournalRecord) -> bool:
        """Whether the file really has `record`: looked for in its bytes, so that the reader is not trusted here."""
        return encode(0, record)[HEADER_SIZE:-CRC_SIZE] in bytes(self._log.data)
