"""One stored run: its record, who drives it, the attempts of its shards, and the commits that make results final.

It owns the rules of claiming and fencing. It must not know how rows are executed, nor what is in the tables and
journals whose files it names. `completion` completes a run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial

import msgspec

from reqflo_ray._internal.errors import IntegrityError, StoreError, UsageError
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.results import Commit, Verdict
from reqflo_ray._internal.runs.folder import artifacts, layout
from reqflo_ray._internal.runs.folder.claims import UNREADABLE_ATTEMPT, AttemptClaim, Beat, EpochClaim
from reqflo_ray._internal.runs.folder.deletion import delete_run, is_run
from reqflo_ray._internal.runs.folder.document import has_checksum
from reqflo_ray._internal.runs.folder.manifest import Manifest, ManifestHead
from reqflo_ray._internal.runs.folder.owner import Liveness, Owner, liveness, this_process
from reqflo_ray._internal.runs.folder.run_files import RunFiles, damaged
from reqflo_ray._internal.runs.folder.run_order import note_next
from reqflo_ray._internal.storage.protocol import LogFile


class FenceState(StrEnum):
    """Whether an attempt may continue, or why not."""

    OPEN = "open"
    SUPERSEDED = "superseded"  # a higher attempt of the shard exists
    COMMITTED = "committed"  # the shard is done
    NEWER_EPOCH = "newer_epoch"  # another driver owns the run
    STOPPED = "stopped"  # the driver of this epoch asked to stop


class RunFolder(RunFiles):
    """One stored run. It has no state: any number of these may exist for one run, anywhere."""

    # What the run does

    def create_run(self, record: RunRecord) -> bool:
        """Create the run with its record. Return False if the run already exists, perhaps with another record."""
        if record.run_id != self.run_id:
            raise ValueError(f"the record of run {record.run_id!r} does not belong in the folder of {self.run_id!r}")
        if self.exists():
            return False
        # Before the record, because a run without a number counts as older than all others.
        note_next(self.storage, self.run_id)
        return self.storage.create(self.path(layout.RECORD), self.encode(layout.RECORD, record))

    def discard(self) -> None:
        """Remove a run that has sent nothing, with all its files."""
        delete_run(self.storage, self.run_id)

    def exists(self) -> bool:
        """Return whether the run was dispatched."""
        return self.storage.exists(self.path(layout.RECORD))

    def load_run(self) -> RunRecord:
        """Return the run record. Raises `UsageError` (`unknown_run`) if there is none, `IntegrityError` if it is
        damaged."""
        return self.decode(layout.RECORD, self._read_record(), RunRecord)

    def load_proven_run(self) -> RunRecord:
        """Return the run record for sending requests: exactly the one that the first driver found, or that the manifest
        lists.

        Raises:
            UsageError: `unknown_run`.
            IntegrityError: it is damaged, or another one is in its place.
        """
        data = self._read_record()
        record = self.decode(layout.RECORD, data, RunRecord)
        claims = (self._epoch_claim(number) for number in self.numbers(layout.EPOCHS, ".json"))
        claimed = next((claim.record_sha256 for claim in claims if claim.record_sha256), "")
        if not claimed and (manifest := self.read_manifest()) is not None:
            claimed = manifest.digest_of(layout.RECORD)
        if claimed and claimed != hashlib.sha256(data).hexdigest():
            proof = layout.epoch(1) if self.numbers(layout.EPOCHS) else layout.MANIFEST
            raise damaged(self.run_id, layout.RECORD, f"it is not the record that `{proof}` names")
        return record

    def record_sha256(self) -> str:
        """Return the SHA-256 of the bytes of the run record. Raises as `load_run`."""
        return hashlib.sha256(self._read_record()).hexdigest()

    def _read_record(self) -> bytes:
        try:
            return self.storage.read(self.path(layout.RECORD))
        except FileNotFoundError:
            if is_run(self.storage, self.run_id):
                raise damaged(self.run_id, layout.RECORD, "it is missing") from None
            raise UsageError(
                f"there is no run `{self.run_id}` in `{self.storage.uri}`",
                code="unknown_run",
                hint="list the runs with `reqflo-ray runs`, or choose another `--store`",
            ) from None

    def load_artifact(self, digest: str) -> Artifact:
        """Return the artifact with this digest. Raises as `artifacts.load_artifact`."""
        return artifacts.load_artifact(self.storage, digest)

    # Drivers

    def latest_epoch(self) -> EpochClaim | None:
        """Return the driver that owns the run now, None if there was none. If the claim is damaged, lost, or of another
        run, the owner is unknown and can still be outwaited."""
        try:
            return self.read_latest_epoch()
        except IntegrityError:
            return EpochClaim(epoch=self._latest_epoch(), owner=Owner())

    def read_latest_epoch(self) -> EpochClaim | None:
        """As `latest_epoch`, for reporting the owner. Raises `IntegrityError` if the claim is damaged, or of another
        run."""
        number = self._latest_epoch()
        if not number:
            return None
        claim = self._read_epoch(number)
        if claim.record_sha256 and claim.record_sha256 != self.record_sha256():
            raise damaged(self.run_id, layout.epoch(number), f"it was made for another `{layout.RECORD}`")
        return claim

    def _latest_epoch(self) -> int:
        # Also by heartbeats: a lost claim must not make an earlier driver the latest.
        return max(self.numbers(layout.EPOCHS, ".json", ".beat"), default=0)

    def _epoch_claim(self, number: int) -> EpochClaim:
        try:
            return self._read_epoch(number)
        except IntegrityError:
            return EpochClaim(epoch=number, owner=Owner())

    def _read_epoch(self, number: int) -> EpochClaim:
        name = layout.epoch(number)
        data = self.read_file(name)
        if has_checksum(data):
            return self.decode(name, data, EpochClaim)
        try:
            return EpochClaim(epoch=number, owner=self.decode(name, data, Owner))  # as 0.1.0 wrote it
        except IntegrityError:
            raise damaged(self.run_id, name, "its checksum cannot be read") from None

    def claim_epoch(self, owner: Owner, *, after: int, record_sha256: str = "") -> int | None:
        """Claim the run as the successor of epoch `after` (0: of none); return the new epoch.

        Return None if another driver was faster: the owner that the caller judged is no longer the latest, and the
        caller must judge again.

        Args:
            record_sha256: the digest of the run record that `owner` follows.
        """
        number = after + 1
        claim = EpochClaim(epoch=number, owner=owner, record_sha256=record_sha256)
        name = layout.epoch(number)
        return number if self.storage.create(self.path(name), self.encode(name, claim)) else None

    def write_beat(self, epoch: int, beat: Beat) -> None:
        """Write the heartbeat of the driver of `epoch`."""
        name = layout.beat(epoch)
        self.write_file(name, self.encode(name, beat))

    def read_beat(self, epoch: int) -> Beat:
        """Return the latest heartbeat of the driver of `epoch`; count 0 if there is none."""
        name = layout.beat(epoch)
        try:
            return self.decode(name, self.storage.read(self.path(name)), Beat)
        except (FileNotFoundError, IntegrityError):
            return Beat()

    def stop(self, epoch: int) -> None:
        """Ask all workers of `epoch` to stop before their next send."""
        self.storage.create(self.path(layout.stop(epoch)), b"")

    def is_stopped(self, epoch: int) -> bool:
        """Return whether the workers of `epoch` were asked to stop."""
        return self.storage.exists(self.path(layout.stop(epoch)))

    # Attempts

    def claim_attempt(self, shard: int, epoch: int, owner: Owner | None = None) -> int | Commit:
        """Start the next attempt of `shard`; return its number, or the commit if an attempt has closed the shard.

        From then on, all earlier attempts find their fence closed.

        Args:
            owner: the process of the attempt; None for the calling one.
        """
        claim = AttemptClaim(epoch=epoch, owner=owner or this_process())
        number = max(self.numbers(layout.attempts(shard)), default=0)
        begun = self.numbers(layout.journals(shard), ".log")
        while True:
            closing = self._attempt_claim(shard, number)
            if closing is not None and closing.commit is not None:
                return self._publish(closing.commit)
            number += 1  # without gaps, because a fence looks only for the next number
            name = layout.attempt(shard, number)
            # If there is a journal, its claim was lost: this fills the place, and the next number is taken.
            if self.storage.create(self.path(name), self.encode(name, claim)) and number not in begun:
                break
        # A worker that slept until the run was complete finds no claims, and would become the first attempt again.
        commit = self.read_commit(shard)
        if commit is not None:
            self.storage.remove(self.path(layout.attempt(shard, number)))
            return commit
        return number

    def _attempt_claim(self, shard: int, number: int) -> AttemptClaim | None:
        """Return the claim with this number; None if there is none."""
        try:
            return self._read_attempt(shard, number)
        except FileNotFoundError:
            return None
        except IntegrityError:
            return UNREADABLE_ATTEMPT

    def _read_attempt(self, shard: int, number: int) -> AttemptClaim:
        name = layout.attempt(shard, number)
        return self.decode(name, self.storage.read(self.path(name)), AttemptClaim)

    def _publish(self, commit: Commit) -> Commit:
        """Publish the commit of a closed shard, and return the one that counts."""
        name = layout.commit(commit.shard)
        self.storage.create(self.path(name), self.encode(name, commit))
        return self.read_commit(commit.shard) or commit

    def is_begun(self) -> bool:
        """Return whether any shard was started."""
        return bool(self.storage.list(self.path(layout.ATTEMPTS)) or self.committed())

    def damaged_epochs(self) -> Iterator[tuple[str, StoreError]]:
        """Yield the claims of drivers that cannot be read: the name of the file, and why."""
        numbers = self.numbers(layout.EPOCHS, ".json")
        return self._damaged([(layout.epoch(number), partial(self._read_epoch, number)) for number in numbers])

    def damaged_claims(self) -> Iterator[tuple[str, StoreError]]:
        """As `damaged_epochs`, including claims of attempts."""
        yield from self.damaged_epochs()
        shards = self.numbers(layout.ATTEMPTS)
        attempts = self.storage.each(lambda shard: (shard, self.numbers(layout.attempts(shard))), shards)
        yield from self._damaged(
            [
                (layout.attempt(shard, number), partial(self._read_attempt, shard, number))
                for shard, numbers in attempts
                for number in numbers
            ]
        )

    def _damaged(self, checks: list[tuple[str, Callable[[], object]]]) -> Iterator[tuple[str, StoreError]]:
        for name, problem in self.storage.each(_problem_of, checks):
            # A missing claim is not damage: the run was completed meanwhile.
            if problem is not None and self.storage.exists(self.path(name)):
                yield name, problem

    def attempts(self, shard: int) -> list[tuple[int, AttemptClaim]]:
        """Return all attempts of `shard` in order, with their claims."""
        found = ((number, self._attempt_claim(shard, number)) for number in self.numbers(layout.attempts(shard)))
        # None: the run was completed meanwhile.
        return [(number, claim) for number, claim in found if claim is not None and claim.commit is None]

    def worker_deaths(
        self,
        attempts: Sequence[tuple[int, AttemptClaim]],
        attempt: int,
        node_lives: Callable[[Owner], bool] = lambda _: False,
    ) -> set[int]:
        """Return those of `attempts` before `attempt` that ended only because their worker process died.

        It excludes attempts whose driver was replaced or asked to stop, and those whose whole node may have died. For
        a process on another node, only `node_lives` can exclude that (the node lives, and the process does not).

        Args:
            attempts: the result of the method `attempts` for the shard.
        """
        claims = dict(attempts)
        deaths = set()
        for number, claim in claims.items():
            successor = claims.get(number + 1)
            if number >= attempt or successor is None or successor.epoch != claim.epoch:
                continue
            state = liveness(claim.owner)
            died = state is Liveness.GONE or (state is Liveness.UNKNOWN and node_lives(claim.owner))
            if died and not self.is_stopped(claim.epoch):
                deaths.add(number)
        return deaths

    def fence_state(self, epoch: int, shard: int, attempt: int) -> FenceState:
        """Return whether this attempt may still send and commit: to be checked after every intent, before its send."""
        exists, path = self.storage.exists, self.path
        places = (layout.attempt(shard, attempt + 1), layout.epoch(epoch + 1), layout.stop(epoch))
        superseded, newer, stopped = self.storage.each(exists, [path(place) for place in places])
        # Checked after the claim: when the claims of a complete run are removed, its commits exist and stay.
        if exists(path(layout.commit(shard))):
            return FenceState.COMMITTED
        if superseded:
            return FenceState.SUPERSEDED
        if newer:
            return FenceState.NEWER_EPOCH
        return FenceState.STOPPED if stopped else FenceState.OPEN

    def fence_open(self, epoch: int, shard: int, attempt: int) -> bool:
        """Return whether `fence_state` lets the attempt continue."""
        return self.fence_state(epoch, shard, attempt) is FenceState.OPEN

    def open_journal(self, shard: int, attempt: int) -> LogFile:
        """Create the journal of an attempt that the caller has claimed."""
        return self.storage.open_log(self.path(layout.journal(shard, attempt)))

    def note_journal(self, shard: int, attempt: int) -> None:
        """Record in the claim of an attempt that its journal was started."""
        name = layout.attempt(shard, attempt)
        claim = self._attempt_claim(shard, attempt)
        if claim is not None:  # otherwise the run was completed meanwhile
            self.write_file(name, self.encode(name, msgspec.structs.replace(claim, has_journal=True)))

    def older_journals(self, shard: int, attempt: int, *, synced: bool) -> list[tuple[int, bytes]]:
        """Return the current journals of all attempts before `attempt`, in order. The caller must claim the attempt
        first.

        Args:
            synced: make what is returned survive a power cut. An attempt that died may have left records that are
                readable and not yet on disk; what is built on them must not outlive them.
        """
        journals = []
        for number in self.numbers(layout.journals(shard), ".log"):
            if number < attempt:
                try:
                    data = self.storage.read_log(self.path(layout.journal(shard, number)), synced=synced)
                    journals.append((number, data))
                except FileNotFoundError:
                    continue  # the run was completed meanwhile
        return journals

    # Results

    def commit(self, commit: Commit) -> bool:
        """Make the results of the shard final. Return False if another attempt continues the shard, or has committed
        it.

        The commit first takes the place of the next attempt's claim: an attempt with a successor cannot commit, and one
        that has committed gets no successor. Otherwise it could omit what its successor has already acknowledged.
        """
        name = layout.attempt(commit.shard, commit.attempt + 1)
        claim = AttemptClaim(epoch=commit.epoch, owner=this_process(), commit=commit)
        if not self.storage.create(self.path(name), self.encode(name, claim)):
            return False
        if self._publish(commit) == commit:
            return True
        self.storage.remove(self.path(name))
        return False

    def drop_files(self, commit: Commit) -> None:
        """Remove the files of an attempt whose commit lost."""
        for file in commit.files:
            self.storage.remove(self.path(file.path))

    def read_commit(self, shard: int) -> Commit | None:
        """Return the commit of `shard`, None if it has none. Raises `IntegrityError` if it is damaged."""
        try:
            return self.decode_commit(shard, self.storage.read(self.path(layout.commit(shard))))
        except FileNotFoundError:
            return None

    def decode_commit(self, shard: int, data: bytes) -> Commit:
        """Decode the commit of `shard`. Raises `IntegrityError` if it is damaged, or of another shard."""
        name = layout.commit(shard)
        commit = self.decode(name, data, Commit)
        if {commit.shard, commit.summary.shard} != {shard}:
            raise damaged(self.run_id, name, f"it is the commit of shard {commit.shard}")
        return commit

    def copy_of_commit(self, shard: int, attempt: int | None = None) -> Commit | None:
        """Return the copy of the commit of `shard` in the claim that closed the shard; None if there is none. Claims
        exist while the run is unfinished.

        Args:
            attempt: the attempt that committed; None to search for it.
        """
        numbers = [attempt + 1] if attempt is not None else reversed(self.numbers(layout.attempts(shard)))
        claims = (self._attempt_claim(shard, number) for number in numbers)
        return next((claim.commit for claim in claims if claim is not None and claim.commit is not None), None)

    def restore_commit(self, commit: Commit) -> None:
        """Replace a damaged commit with its copy."""
        name = layout.commit(commit.shard)
        self.write_file(name, self.encode(name, commit))

    def commits(self) -> Iterator[Commit]:
        """Yield all commits in the order of shards; each is read on demand, because a run may have 100,000."""
        found = self.storage.each(self.read_closing, self.begun())
        return (commit for commit in found if commit is not None)

    def begun(self) -> list[int]:
        """Return the shards that have a claim or a commit, in order; `read_closing` shows which of them are closed."""
        return sorted({*self.committed(), *self.numbers(layout.ATTEMPTS)})

    def read_closing(self, shard: int) -> Commit | None:
        """Return the commit of a shard, or its copy if it is lost or not published yet; None if no attempt has closed
        the shard. Raises `IntegrityError` if the commit is damaged."""
        return self.read_commit(shard) or self.copy_of_commit(shard)

    def contradiction(self, commit: Commit) -> str:
        """Return how a commit contradicts the claim that closed its shard, "" if it does not."""
        if self.copy_of_commit(commit.shard, commit.attempt) in (None, commit):
            return ""
        return f"it differs from its copy in `{layout.attempt(commit.shard, commit.attempt + 1)}`"

    def committed(self) -> list[int]:
        """Return the shards that have a commit, in order, without reading the commits."""
        return self.numbers(layout.COMMITS, ".json")

    # Completion

    def is_complete(self) -> bool:
        """Return whether the run has its manifest: it is complete, and never changes again.

        Raises:
            IntegrityError: it was complete, and its manifest is lost.
        """
        if self.storage.exists(self.path(layout.MANIFEST)):
            return True
        # Claims of drivers stay until the manifest exists: a verdict without either means that the manifest is lost.
        if self.storage.exists(self.path(layout.VERDICT)) and not self.storage.list(self.path(layout.EPOCHS)):
            # Checked last, because a run that was completed meanwhile has also lost its claims.
            if not self.storage.exists(self.path(layout.MANIFEST)):
                raise damaged(self.run_id, layout.MANIFEST, "it is missing")
            return True
        return False

    def read_verdict(self, record: RunRecord) -> Verdict | None:
        """Return the verdict of a complete run, None while it is unfinished. Raises `IntegrityError` if it is damaged,
        or not of the run of `record`."""
        if not self.is_complete():
            return None
        data = self.read_file(layout.VERDICT)
        verdict = self.decode(layout.VERDICT, data, Verdict)
        if (verdict.artifact, verdict.started_at) != (record.artifact, record.created_at):
            raise damaged(self.run_id, layout.VERDICT, f"it belongs to another run than `{layout.RECORD}`")
        if not has_checksum(data):  # written by 0.1.0: only the manifest proves it
            manifest = self.read_manifest()
            if manifest is not None and manifest.digest_of(layout.VERDICT) != hashlib.sha256(data).hexdigest():
                raise damaged(self.run_id, layout.VERDICT, "it is not the verdict that the manifest lists")
        return verdict

    def read_manifest(self) -> Manifest | None:
        """Return the manifest, None while the run is unfinished. Raises `IntegrityError` if it is damaged."""
        try:
            data = self.storage.read(self.path(layout.MANIFEST))
        except FileNotFoundError:
            return None
        manifest = Manifest(self.decode(layout.MANIFEST, data, ManifestHead), data)
        # A manifest of 0.1.0 has no checksum, but proves itself: its bytes follow from its content.
        proven = has_checksum(data) or manifest.proves_itself()
        if manifest.head.run_id != self.run_id or not proven:
            raise damaged(self.run_id, layout.MANIFEST, "its bytes differ from those that were written")
        return manifest


def _problem_of(check: tuple[str, Callable[[], object]]) -> tuple[str, StoreError | None]:
    name, read = check
    try:
        read()
    except FileNotFoundError:
        return name, None
    except StoreError as problem:
        return name, problem
    return name, None
