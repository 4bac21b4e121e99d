"""Claims a run for its driver, keeps the claim alive, and asks workers to stop. It must not know rows or backends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final

from reqflo_ray._internal.errors import RunConflictError, StoreError
from reqflo_ray._internal.model.clock import Clock
from reqflo_ray._internal.process import handling_signals
from reqflo_ray._internal.runs.folder.claims import Beat, EpochClaim
from reqflo_ray._internal.runs.folder.owner import Liveness, Owner, liveness
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

# An owner whose process cannot be examined is presumed dead if its counter has not changed for this long by our clock.
SILENCE_SECONDS: Final = 30.0
_BEAT_SECONDS: Final = 5.0
# The count of an owner that has released the run: all its workers have ended, whether or not it is still alive.
_RELEASED: Final = -1
# A caller that cancels interrupts the run like a SIGINT.
_CANCELLED: Final = 128 + signal.SIGINT


def claim_run(folder: RunFolder, owner: Owner, *, take_over: bool, clock: Clock, wait: Callable[[float], None]) -> int:
    """Claim the run; return the number of the new epoch.

    Args:
        take_over: whether to skip the check that an earlier owner is dead.
        wait: waits a number of seconds.

    Raises:
        RunConflictError: another driver owns the run and is alive, or was faster.
    """
    while True:
        latest = folder.latest_epoch()
        if latest is not None and not take_over and folder.read_beat(latest.epoch).count != _RELEASED:
            _outwait(folder, latest, clock, wait)
        record = folder.record_sha256()
        epoch = folder.claim_epoch(owner, after=latest.epoch if latest else 0, record_sha256=record)
        if epoch is not None:
            return epoch
        # Another driver was faster and is alive, so its claim is valid.
        if not take_over and (newer := folder.latest_epoch()) is not None:
            raise _owned(folder, newer)


def _outwait(folder: RunFolder, claim: EpochClaim, clock: Clock, wait: Callable[[float], None]) -> None:
    """Return when the owner is certainly dead, or has been silent for too long."""
    match liveness(claim.owner):
        case Liveness.GONE:
            return
        case Liveness.ALIVE:
            raise _owned(folder, claim)
        case Liveness.UNKNOWN:
            first, since = folder.read_beat(claim.epoch).count, clock.monotonic()
            while clock.monotonic() - since < SILENCE_SECONDS:
                wait(1.0)
                if folder.read_beat(claim.epoch).count != first:
                    raise _owned(folder, claim)


def _owned(folder: RunFolder, claim: EpochClaim) -> RunConflictError:
    return RunConflictError(
        f"run `{folder.run_id}` is already driven by {claim.owner}",
        code="run_owned",
        hint="wait for it or stop it; use `--take-over` if you know that the process is dead",
    )


@contextmanager
def heartbeat(folder: RunFolder, epoch: int, clock: Clock) -> Iterator[None]:
    """Raise the counter of the epoch in a thread while the block runs, so that no other driver takes over; release the
    run when the block ends."""
    ended = threading.Event()

    def beat() -> None:
        count = 0
        while not ended.is_set():
            count += 1
            _write_beat(folder, epoch, Beat(count=count, at_us=clock.now_us()))
            ended.wait(_BEAT_SECONDS)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if not folder.is_complete():
            _write_beat(folder, epoch, Beat(count=_RELEASED, at_us=clock.now_us()))


def _write_beat(folder: RunFolder, epoch: int, beat: Beat) -> None:
    # A full disk is reported where it matters; a missed beat only makes the driver look silent.
    with suppress(StoreError):
        folder.write_beat(epoch, beat)


class Stop:
    """A stop that the driver of an epoch requests: after SIGINT, SIGTERM, or SIGHUP, when its caller cancels the run,
    or after too many failures.

    Workers read the stop marker. If it cannot be written (a full disk), every call of `is_asked` tries again, and
    `problem` holds the first error.
    """

    def __init__(self, folder: RunFolder, epoch: int, is_cancelled: Callable[[], bool] | None = None) -> None:
        self._folder = folder
        self._epoch = epoch
        self._is_cancelled = is_cancelled
        self._asked = self._written = False
        self.exit_code = 0  # 129, 130, or 143 after a signal; the first signal decides
        self.problem: StoreError | None = None

    def ask(self) -> None:
        """Request the stop: rows in flight end, and no others start."""
        self._asked = True
        self.is_asked()

    def is_asked(self) -> bool:
        """Whether the run is to stop. Writes the stop marker when it becomes true."""
        if not self._asked and self._is_cancelled is not None and self._is_cancelled():
            self._asked, self.exit_code = True, _CANCELLED
        if self._asked and not self._written:
            try:
                self._folder.stop(self._epoch)
                self._written = True
            except StoreError as problem:
                self.problem = self.problem or problem
        return self._asked

    def by_signals(self) -> AbstractContextManager[None]:
        """Stop the run at a signal while the block runs. The first lets requests end; a later SIGINT ends the process
        immediately."""
        return handling_signals(self._heed)

    def _heed(self, number: int) -> bool:
        if self.exit_code:
            return number != signal.SIGINT
        self.exit_code = 128 + number
        self._asked = True  # the next call of `is_asked` writes the marker, because a handler must not do I/O
        return True
