"""A driver's claim on a run: taking it, keeping it, asking its workers to stop. Knows nothing of rows or backends."""

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

# An owner that cannot be judged is given up when its counter stood still for this long, on our own clock.
SILENCE_SECONDS: Final = 30.0
_BEAT_SECONDS: Final = 5.0
# The count of an owner that has let go: all its workers have ended, so nobody needs to judge whether it lives.
_RELEASED: Final = -1
# A caller that cancels is an interrupt, as a SIGINT is.
_CANCELLED: Final = 128 + signal.SIGINT


def claim_run(folder: RunFolder, owner: Owner, *, take_over: bool, clock: Clock, wait: Callable[[float], None]) -> int:
    """Own the run: the number of the new epoch.

    Args:
        take_over: do not ask whether an earlier owner still lives.
        wait: lets some seconds pass.

    Raises:
        RunConflictError: another driver owns the run and lives, or was quicker.
    """
    while True:
        latest = folder.latest_epoch()
        if latest is not None and not take_over and folder.read_beat(latest.epoch).count != _RELEASED:
            _outwait(folder, latest, clock, wait)
        record = folder.record_sha256()
        epoch = folder.claim_epoch(owner, after=latest.epoch if latest else 0, record_sha256=record)
        if epoch is not None:
            return epoch
        # Somebody else was quicker with the same idea; they are alive, so their claim stands.
        if not take_over and (newer := folder.latest_epoch()) is not None:
            raise _owned(folder, newer)


def _outwait(folder: RunFolder, claim: EpochClaim, clock: Clock, wait: Callable[[float], None]) -> None:
    """Return when the owner is certainly gone, or silent for too long."""
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
        f"run `{folder.run_id}` is being driven by {claim.owner}",
        code="run_owned",
        hint="wait for it, or stop it; `--take-over` takes the run from an owner that you know to be gone",
    )


@contextmanager
def heartbeat(folder: RunFolder, epoch: int, clock: Clock) -> Iterator[None]:
    """Raise the epoch's counter while the block runs, in a thread, so that nobody takes the run for abandoned; let the
    run go at the end of the block."""
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
    # A full disk is reported by what needs it; a missed beat only makes others less patient.
    with suppress(StoreError):
        folder.write_beat(epoch, beat)


class Stop:
    """The stop of an epoch, by its own driver: by SIGINT, SIGTERM, SIGHUP, because its caller has cancelled it, or
    because it has seen enough.

    Workers learn of it by the stop marker. One that cannot be written (a full disk) is tried again at every look at
    `is_asked`, and `problem` says what was in the way the first time.
    """

    def __init__(self, folder: RunFolder, epoch: int, is_cancelled: Callable[[], bool] | None = None) -> None:
        self._folder = folder
        self._epoch = epoch
        self._is_cancelled = is_cancelled
        self._asked = self._written = False
        self.exit_code = 0  # 129, 130 or 143 once a signal came: the first one says why
        self.problem: StoreError | None = None

    def ask(self) -> None:
        """Let rows in flight end, and begin no others."""
        self._asked = True
        self.is_asked()

    def is_asked(self) -> bool:
        """Whether the run is to stop."""
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
        """Ask for it at a signal while the block runs. The first drains, a later SIGINT ends at once."""
        return handling_signals(self._heed)

    def _heed(self, number: int) -> bool:
        if self.exit_code:
            return number != signal.SIGINT
        self.exit_code = 128 + number
        self._asked = True  # the marker is written at the next look: a handler is no place for I/O
        return True
