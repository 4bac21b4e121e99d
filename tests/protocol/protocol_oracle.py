"""The promises, checked from outside: it sees every send, acknowledgement, read and commit, and knows the whole truth.

It must not use the product's reader or replay for its judgement, nor help the protocol in any way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec
from simulated_world import ProtocolBroken, World

from reqflo_ray._internal.model.artifact import OnInterrupt
from reqflo_ray._internal.model.journal import Completion, Intent
from reqflo_ray._internal.model.results import ResendReason

NEVER = -1  # the number of a request that was not sent
RowStep = tuple[int, int, str]  # shard, row, step
SEALING_KEY = "sealing.key"
_TOKEN = "token-from-answer-"


def token_of(number: int) -> str:
    """The sensitive value in the API's answer to a request."""
    return f"{_TOKEN}{number}"


@dataclass(frozen=True)
class ModelStep:
    """A step of the model's journey. `needs` names an earlier step whose capture it reads."""

    id: str
    on_interrupt: OnInterrupt
    sensitive: bool = False
    needs: str = ""


@dataclass(eq=False)
class Attempt:
    """What the oracle knows of one attempt of a shard. `seen` are the intents that it read, by older attempt; `seals`:
    its version seals; `not_opened` are the completed steps whose sensitive value it could not open, as (row, step)."""

    shard: int
    number: int = 0
    claimed_at: int = 0
    seals: bool = True
    seen: dict[int, frozenset[Intent]] = field(default_factory=dict)
    repeated: set[tuple[int, int, str, int]] = field(default_factory=set)
    not_opened: set[tuple[int, str]] = field(default_factory=set)


class Oracle:
    """Watches one world. Every method raises `ProtocolBroken` when a promise is broken."""

    def __init__(self, world: World, journey: tuple[ModelStep, ...]) -> None:
        self.world = world
        self._steps = {step.id: step for step in journey}
        self._attempts: dict[int, list[Attempt]] = defaultdict(list)
        self._keys: dict[RowStep, str] = {}
        self._sends: dict[tuple[int, int, str, int], int] = defaultdict(int)
        self._sent_intents: list[tuple[Attempt, Intent]] = []
        self._finished: dict[RowStep, list[tuple[int, Attempt]]] = defaultdict(list)
        self._owed: dict[RowStep, int] = {}
        self._answers: dict[str, RowStep] = {}  # tokens, each with the request that it was the answer to
        self._kept: dict[tuple[int, bytes], tuple[bytes, bool]] = {}  # by shard and record: the writer's key and kind
        self.lost_sealing_keys: set[bytes] = set()
        self.changed_completions: list[Completion] = []
        self.outcomes = {NEVER: "inconclusive"}
        self.resent = 0
        self.opened = 0

    @property
    def repeated(self) -> int:
        """How many requests were sent again for their sensitive captures."""
        return sum(len(attempt.repeated) for attempts in self._attempts.values() for attempt in attempts)

    @property
    def most_attempts(self) -> int:
        """How many attempts the shard with the most of them had."""
        return max(map(len, self._attempts.values()), default=0)

    def claimed(self, attempt: Attempt, number: int) -> None:
        """An attempt was begun."""
        attempt.number, attempt.claimed_at = number, self.world.now
        # After the clean-up of a complete run numbers begin again, but then a commit keeps everybody from sending.
        if f"commits/{attempt.shard}" not in self.world.disk.files:
            self._attempts[attempt.shard].append(attempt)

    def read(self, attempt: Attempt, older: int, intents: frozenset[Intent]) -> None:
        """`attempt` has read the journal of attempt `older`, and these intents were in it."""
        if f"commits/{attempt.shard}" not in self.world.disk.files:
            attempt.seen[older] = intents

    def written(self, frame: bytes) -> None:
        """These bytes are being written to a journal."""
        if _TOKEN.encode() in frame:
            raise ProtocolBroken("a sensitive value lies in a journal, and everybody can read it")

    def keeps(self, attempt: Attempt, completion: Completion, *, key: bytes) -> None:
        """`attempt` is about to write a completion with a sensitive value; it has that sealing key (b"": none)."""
        self._kept[attempt.shard, msgspec.json.encode(completion)] = (key, attempt.seals)

    def not_opened(self, attempt: Attempt, completion: Completion) -> None:
        """`attempt` cannot have the sensitive value of a completed step from its journal."""
        where = (completion.row, completion.step)
        attempt.not_opened.add(where)
        complete = "manifest" in self.world.disk.files  # the key is gone, and nothing is sent any more
        if complete or not attempt.seals or completion in self.changed_completions:
            return
        key, sealed = self._kept[attempt.shard, msgspec.json.encode(completion)]
        if sealed and not (key in self.lost_sealing_keys if key else self.lost_sealing_keys):
            raise ProtocolBroken(f"the sensitive value of {where} cannot be opened, and no key was lost")

    def sent(
        self, attempt: Attempt, intent: Intent, *, appended: bool, built_on: list[Completion], token: str = ""
    ) -> int:
        """A request left, that follows from what is in `built_on`, with a sensitive value in it. Returns its number."""
        where = (attempt.shard, intent.row, intent.step)
        step = self._steps[intent.step]
        if not appended:
            raise ProtocolBroken(f"{where} was sent without an intent in the journal")
        for other in self._attempts[attempt.shard]:
            if other.number > attempt.number and intent not in other.seen.get(attempt.number, {intent}):
                raise ProtocolBroken(f"{where}: attempt {other.number} took over without seeing this request's intent")
        if self._keys.setdefault(where, intent.idempotency_key) != intent.idempotency_key:
            raise ProtocolBroken(f"{where} was sent again with another key")
        for completion in built_on:
            if not self._is_durable(attempt.shard, completion):
                raise ProtocolBroken(f"{where} was sent, but a power cut may still undo {completion.step}")
        self._check_repetition(attempt, intent, where, step)
        if step.needs and self._answers.get(token) != (attempt.shard, intent.row, step.needs):
            raise ProtocolBroken(f"{where} was sent with `{token}`, which is no answer to {step.needs} of its row")
        self._sent_intents.append((attempt, intent))
        number = len(self.outcomes)
        self.outcomes[number] = ""
        self._answers[token_of(number)] = where
        return number

    def _is_durable(self, shard: int, completion: Completion) -> bool:
        # Without what is sealed, the last field: that it may be changed on the disk is another matter.
        payload = msgspec.json.encode(msgspec.structs.replace(completion, sealed=b"")).removesuffix(b'"]')
        if f"commits/{shard}" in self.world.disk.files:
            return True  # the request was under way when another attempt committed; journals may be gone
        journals = (log for path, log in self.world.disk.logs.items() if path.startswith(f"journal/{shard}/"))
        return any(payload in log.data[: log.synced] for log in journals)

    def _check_repetition(self, attempt: Attempt, intent: Intent, where: RowStep, step: ModelStep) -> None:
        again = (*where, intent.attempt)
        known = [at for at, by in self._finished[where] if by is attempt or at < attempt.claimed_at]
        if intent.resend_reason is ResendReason.SENSITIVE:
            lost = (intent.row, intent.step) in attempt.not_opened
            if not lost or step.on_interrupt is OnInterrupt.FAIL or again in attempt.repeated:
                raise ProtocolBroken(f"{where} was sent again for its sensitive captures, which is not allowed")
            attempt.repeated.add(again)
        elif known:
            raise ProtocolBroken(f"{where} was sent again though it was completed")
        if step.on_interrupt is OnInterrupt.FAIL:
            self._sends[again] += 1
            if self._sends[again] > 1:
                raise ProtocolBroken(f"{where} was sent twice, and may not be")
        self.resent += intent.resend_reason is ResendReason.UNKNOWN

    def withdrawn(self, attempt: Attempt, intent: Intent) -> None:
        """An attempt says that it did not send the request of `intent`."""
        if any(owner is attempt and sent is intent for owner, sent in self._sent_intents):
            raise ProtocolBroken(f"{intent} was withdrawn after it was sent")

    def acknowledged(self, attempt: Attempt, row: int, step: str, *, final: bool) -> None:
        """The journal said that a completion is durable."""
        where = (attempt.shard, row, step)
        if final:
            self._finished[where].append((self.world.now, attempt))
            # A successor that began meanwhile has to find it in doubt, and may end the row so: that is no loss.
            if all(other.number <= attempt.number for other in self._attempts[attempt.shard]):
                self._owed[where] = self.world.now

    def complete(self, shards: list[int]) -> None:
        """The run has a manifest: it must hold everything, and everything must be as it was listed."""
        files = self.world.disk.files
        manifest = files["manifest"]
        if files.get(SEALING_KEY) in {key for key, _ in self._kept.values()}:
            raise ProtocolBroken("the run is finished, and its sensitive values can still be opened")
        for path in ("verdict", "plan", "run", *(f"commits/{shard}" for shard in shards)):
            if path not in manifest:
                raise ProtocolBroken(f"the manifest does not list {path}")
        for path, content in manifest.items():
            if path not in files or files[path] != content:
                raise ProtocolBroken(f"{path} is not what the manifest says")
        for shard in shards:
            self._check_results(shard, files[files[f"commits/{shard}"]["file"]])

    def _check_results(self, shard: int, results: dict[str, Any]) -> None:
        rows = results["rows"]
        if sorted(rows) != list(range(len(rows))):
            raise ProtocolBroken("a row has no verdict")
        for (where, row, step), _ in self._owed.items():
            if where == shard and rows[row].get(step, (NEVER, ""))[0] == NEVER:
                raise ProtocolBroken(f"the acknowledged completion of {(where, row, step)} is not in the results")
        for row, result in rows.items():
            for step, (number, outcome) in result.items():
                if self.outcomes[number] != outcome:
                    raise ProtocolBroken(f"the results of {(shard, row, step)} are not what the API answered")
