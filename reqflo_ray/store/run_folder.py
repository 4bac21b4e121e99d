"""One run on disk: its record, who drives it, the attempts of its shards, and the commits that make results count.

It keeps the rules of claiming and fencing. It must not know how rows are run, nor what is in the tables and journals
whose files it names. How a run is finished is `completion`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from reqflo_ray.errors import IntegrityError, StoreError, UsageError
from reqflo_ray.model import plan
from reqflo_ray.model.artifact import Artifact
from reqflo_ray.model.plan import RunRecord
from reqflo_ray.model.results import Commit, Verdict
from reqflo_ray.store import artifacts, layout
from reqflo_ray.store.deletion import is_run
from reqflo_ray.store.manifest import Manifest, ManifestHead
from reqflo_ray.store.owner import Liveness, Owner, liveness, this_process
from reqflo_ray.store.run_order import note_next
from reqflo_ray.store.storage import LogFile, Storage

_T = TypeVar("_T", RunRecord, Commit, ManifestHead, Verdict)
_FORMAT = 1


class FenceState(StrEnum):
    """Whether an attempt may go on, or why not."""

    OPEN = "open"
    SUPERSEDED = "superseded"  # a higher attempt of the shard exists
    COMMITTED = "committed"  # the shard is done
    NEWER_EPOCH = "newer_epoch"  # another driver owns the run
    STOPPED = "stopped"  # the driver of this epoch asked to stop


class EpochClaim(msgspec.Struct, frozen=True, kw_only=True):
    """The driver that owns the run."""

    epoch: int
    owner: Owner


class AttemptClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Who made an attempt, under which driver: how it ended can be judged from this and the stop markers.

    `has_journal`: its journal was begun, so one that is missing or empty is lost. With `commit` it is no attempt: it
    holds the place of the next one for ever, since the one before has committed.
    """

    epoch: int = 0
    owner: Owner = Owner()
    has_journal: bool = False
    commit: Commit | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A driver's sign of life: a counter that it raises, negative once it has let the run go. `at_us` (its wall
    clock) is for people only."""

    count: int = 0
    at_us: int = 0


# msgspec learns each type once, and ends the process (SIGSEGV) when two threads are the first to ask for the same one.
# So one thread asks for all of them, while this is imported.
_LEARNED = [msgspec.json.Decoder(kind) for kind in (Owner, AttemptClaim, Beat, Commit, Manifest, Verdict)]


class RunFolder:
    """The files of run `run_id` in `storage`. It holds no state: any number may exist for one run, anywhere.

    Files are named within the run (`layout`). All methods raise `StoreError` if the store does not answer.
    """

    def __init__(self, storage: Storage, run_id: str) -> None:
        self.storage = storage
        self.run_id = layout.check_run_id(run_id)
        self._folder = layout.run(run_id)

    def path(self, name: str) -> str:
        """The path within the store of a file that is named within the run."""
        return f"{self._folder}/{name}"

    def read_file(self, name: str) -> bytes:
        """All bytes of a file that must be there. Raises `IntegrityError` if it is missing."""
        try:
            return self.storage.read(self.path(name))
        except FileNotFoundError:
            raise damaged(self.run_id, name, "it is missing") from None

    def write_file(self, name: str, data: bytes) -> None:
        """Store a file durably, all of it or nothing."""
        self.storage.write(self.path(name), data)

    # What the run does

    def create_run(self, record: RunRecord) -> bool:
        """Record what the run will do. False if the run exists already, perhaps with another record."""
        if record.run_id != self.run_id:
            raise ValueError(f"the record of run {record.run_id!r} does not belong into the folder of {self.run_id!r}")
        if self.exists():
            return False
        # Before the record: a run without a number would be older than all others.
        note_next(self.storage, self.run_id)
        return self.storage.create(self.path(layout.RECORD), plan.encode_run(record))

    def discard(self) -> None:
        """Remove the run, of which nothing was sent, with everything in it."""
        self.storage.remove_tree(self._folder)

    def exists(self) -> bool:
        """Whether the run was dispatched."""
        return self.storage.exists(self.path(layout.RECORD))

    def load_run(self) -> RunRecord:
        """The run record. Raises `UsageError` (`unknown_run`) if there is none, `IntegrityError` if it is damaged."""
        try:
            data = self.storage.read(self.path(layout.RECORD))
        except FileNotFoundError:
            if is_run(self.storage, self.run_id):
                raise damaged(self.run_id, layout.RECORD, "it is missing") from None
            raise UsageError(
                f"there is no run `{self.run_id}` in `{self.storage.uri}`",
                code="unknown_run",
                hint="`reqflo-ray runs` lists them; --store names another store",
            ) from None
        return self.decode(layout.RECORD, data, RunRecord)

    def load_artifact(self, digest: str) -> Artifact:
        """The artifact of that digest, as `artifacts.load_artifact`."""
        return artifacts.load_artifact(self.storage, digest)

    def read_rows_file(self, shard: int) -> bytes:
        """The staged rows of `shard`; `staging.read_rows` checks and reads them."""
        return self.read_file(layout.rows(shard))

    # Drivers

    def latest_epoch(self) -> EpochClaim | None:
        """The driver that owns the run now, None if there was never one."""
        number = max(self._numbers(layout.EPOCHS, ".json"), default=0)
        if not number:
            return None
        try:
            owner = msgspec.json.decode(self.read_file(layout.epoch(number)), type=Owner)
        except msgspec.DecodeError:
            owner = Owner()  # damaged: an unknown owner, who can still be outwaited
        return EpochClaim(epoch=number, owner=owner)

    def claim_epoch(self, owner: Owner, *, after: int) -> int | None:
        """Own the run from now on, as the successor of epoch `after` (0: of none).

        None if another driver was quicker: the caller judged an owner that is not the latest any more, and must look
        again.
        """
        number = after + 1
        claimed = self.storage.create(self.path(layout.epoch(number)), msgspec.json.encode(owner))
        return number if claimed else None

    def write_beat(self, epoch: int, beat: Beat) -> None:
        """Show that the driver of `epoch` lives."""
        self.write_file(layout.beat(epoch), msgspec.json.encode(beat))

    def read_beat(self, epoch: int) -> Beat:
        """The latest sign of life of the driver of `epoch`; count 0 if it never gave one."""
        try:
            return msgspec.json.decode(self.storage.read(self.path(layout.beat(epoch))), type=Beat)
        except (FileNotFoundError, msgspec.DecodeError):
            return Beat()

    def stop(self, epoch: int) -> None:
        """Ask all workers of `epoch` to stop before their next send."""
        self.storage.create(self.path(layout.stop(epoch)), b"")

    def is_stopped(self, epoch: int) -> bool:
        """Whether the workers of `epoch` were asked to stop."""
        return self.storage.exists(self.path(layout.stop(epoch)))

    # Attempts

    def claim_attempt(self, shard: int, epoch: int, owner: Owner | None = None) -> int | Commit:
        """Begin the next attempt of `shard`: its number, or the commit if an attempt has closed the shard.

        From then on, all earlier attempts find their fence closed.

        Args:
            owner: the process that makes it; the calling one, unless given.
        """
        claim = msgspec.json.encode(AttemptClaim(epoch=epoch, owner=owner or this_process()))
        number = max(self._numbers(layout.attempts(shard)), default=0)
        while True:
            closing = self._closing(shard, number)
            if closing is not None:
                return self._publish(closing)
            number += 1  # without gaps: a fence looks for the very next number only
            if self.storage.create(self.path(layout.attempt(shard, number)), claim):
                break
        # A worker that slept until the run was complete finds no claims any more, and would be the first again.
        commit = self.read_commit(shard)
        if commit is not None:
            self.storage.remove(self.path(layout.attempt(shard, number)))
            return commit
        return number

    def _closing(self, shard: int, number: int) -> Commit | None:
        """The commit that claim `number` of `shard` holds, None if it is an ordinary claim or none."""
        try:
            data = self.storage.read(self.path(layout.attempt(shard, number)))
            return msgspec.json.decode(data, type=AttemptClaim).commit
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _publish(self, commit: Commit) -> Commit:
        """Make the commit of a closed shard known, and return the one that counts."""
        self.storage.create(self.path(layout.commit(commit.shard)), msgspec.json.encode(commit))
        return self.read_commit(commit.shard) or commit

    def attempt_exists(self, shard: int, attempt: int) -> bool:
        """Whether attempt number `attempt` of `shard` was begun."""
        return self.storage.exists(self.path(layout.attempt(shard, attempt)))

    def attempts(self, shard: int) -> list[tuple[int, AttemptClaim]]:
        """All attempts of `shard`, in order, with who made them."""
        claims = []
        for number in self._numbers(layout.attempts(shard)):
            try:
                data = self.storage.read(self.path(layout.attempt(shard, number)))
                claim = msgspec.json.decode(data, type=AttemptClaim)
                if claim.commit is None:
                    claims.append((number, claim))
            except FileNotFoundError:
                continue  # the run was completed meanwhile
            except msgspec.DecodeError:
                claims.append((number, AttemptClaim()))
        return claims

    def worker_deaths(
        self,
        attempts: Sequence[tuple[int, AttemptClaim]],
        attempt: int,
        node_lives: Callable[[Owner], bool] = lambda _: False,
    ) -> set[int]:
        """The attempts before `attempt` that ended since their worker process died, and nothing else: of those that
        `attempts` gave for the shard.

        Not those whose driver was replaced or asked to stop, and not those whose whole node may have died: of a
        process on another node, only `node_lives` can tell that (its node lives, the process does not).
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
        """Whether this attempt may still send and commit: looked at after every intent, before its send."""
        exists, path = self.storage.exists, self.path
        places = (layout.attempt(shard, attempt + 1), layout.epoch(epoch + 1), layout.stop(epoch))
        superseded, newer, stopped = self.storage.each(exists, [path(place) for place in places])
        # Looked at after the claim: when a finished run's claims are removed, its commits are there and stay.
        if exists(path(layout.commit(shard))):
            return FenceState.COMMITTED
        if superseded:
            return FenceState.SUPERSEDED
        if newer:
            return FenceState.NEWER_EPOCH
        return FenceState.STOPPED if stopped else FenceState.OPEN

    def fence_open(self, epoch: int, shard: int, attempt: int) -> bool:
        """Whether `fence_state` says that the attempt may go on."""
        return self.fence_state(epoch, shard, attempt) is FenceState.OPEN

    def open_journal(self, shard: int, attempt: int) -> LogFile:
        """A new journal for an attempt that the caller has claimed."""
        return self.storage.open_log(self.path(layout.journal(shard, attempt)))

    def note_journal(self, shard: int, attempt: int) -> None:
        """Say in the claim of an attempt that its journal was begun."""
        name = layout.attempt(shard, attempt)
        try:
            claim = msgspec.json.decode(self.storage.read(self.path(name)), type=AttemptClaim)
        except FileNotFoundError:
            return  # the run was completed meanwhile
        self.write_file(name, msgspec.json.encode(msgspec.structs.replace(claim, has_journal=True)))

    def older_journals(self, shard: int, attempt: int, *, synced: bool) -> list[tuple[int, bytes]]:
        """The journals of all attempts before `attempt`, in order, as they are now. Claim the attempt first.

        Args:
            synced: what is returned also survives a power cut from now on. An attempt that died may have left records
                that are readable and not yet on the disk; what is built on them must not outlive them.
        """
        journals = []
        for number in self._numbers(layout.journals(shard), ".log"):
            if number < attempt:
                try:
                    data = self.storage.read_log(self.path(layout.journal(shard, number)), synced=synced)
                    journals.append((number, data))
                except FileNotFoundError:
                    continue  # the run was completed meanwhile
        return journals

    # Results

    def commit(self, commit: Commit) -> bool:
        """Make the shard's results count. False if another attempt goes on with the shard, or has finished it.

        The commit first takes the place of the next attempt's claim: an attempt that has a successor cannot commit,
        and one that has committed gets none. Else it could leave out what its successor has already acknowledged.
        """
        place = self.path(layout.attempt(commit.shard, commit.attempt + 1))
        claim = AttemptClaim(epoch=commit.epoch, owner=this_process(), commit=commit)
        if not self.storage.create(place, msgspec.json.encode(claim)):
            return False
        if self._publish(commit) == commit:
            return True
        self.storage.remove(place)
        return False

    def drop_files(self, commit: Commit) -> None:
        """Remove the files of an attempt whose commit lost."""
        for file in commit.files:
            self.storage.remove(self.path(file.path))

    def read_commit(self, shard: int) -> Commit | None:
        """The commit of `shard`, None if it has none. Raises `IntegrityError` if it is damaged."""
        name = layout.commit(shard)
        try:
            data = self.storage.read(self.path(name))
        except FileNotFoundError:
            return None
        return self.decode(name, data, Commit)

    def commits(self) -> Iterator[Commit]:
        """All commits, in the order of shards, each read when it is asked for: a run may have a hundred thousand."""
        return (commit for commit in self.storage.each(self.read_commit, self.committed()) if commit is not None)

    def committed(self) -> list[int]:
        """The shards that have a commit, in order; the commits are not read."""
        return self._numbers(layout.COMMITS, ".json")

    # Completion

    def is_complete(self) -> bool:
        """Whether the run has its manifest: it is finished, and never changes again."""
        return self.storage.exists(self.path(layout.MANIFEST))

    def read_verdict(self) -> Verdict | None:
        """The verdict of a finished run, None while it is unfinished. Raises `IntegrityError` if it is damaged."""
        if not self.is_complete():
            return None
        return self.decode(layout.VERDICT, self.read_file(layout.VERDICT), Verdict)

    def read_manifest(self) -> Manifest | None:
        """The manifest, None while the run is unfinished. Raises `IntegrityError` if it is damaged."""
        try:
            data = self.storage.read(self.path(layout.MANIFEST))
        except FileNotFoundError:
            return None
        manifest = Manifest(self.decode(layout.MANIFEST, data, ManifestHead), data)
        # It lists everything but itself, so it must prove itself: its bytes follow from its content.
        if manifest.head.run_id != self.run_id or not manifest.proves_itself():
            raise damaged(self.run_id, layout.MANIFEST, "its bytes are not those that were written")
        return manifest

    def decode(self, name: str, data: bytes, kind: type[_T]) -> _T:
        """Read a JSON document of the run.

        Raises:
            IntegrityError: `damaged_file`.
            StoreError: `unsupported_run`, for a format of another version.
        """
        try:
            document: _T = plan.decode_run(data) if kind is RunRecord else msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise damaged(self.run_id, name, str(problem)) from None
        if document.format != _FORMAT:
            raise StoreError(
                f"`{name}` of run `{self.run_id}` has format {document.format}; this version reads {_FORMAT}",
                code="unsupported_run",
                hint="use the version that made the run",
            )
        return document

    def _numbers(self, folder: str, ending: str = "") -> list[int]:
        names = (name for name in self.storage.list(self.path(folder)) if name.endswith(ending))
        return sorted(number for name in names if (number := layout.number_of(name)) is not None)


def damaged(run_id: str, name: str, cause: str) -> IntegrityError:
    """The error for a file of a run that is not what was written."""
    return IntegrityError(
        f"`{name}` of run `{run_id}` is damaged or missing",
        code="damaged_file",
        cause=cause,
        hint=f"`reqflo-ray verify {run_id}` lists all damage; restore the file, or run again under another id",
    )
