"""Keeps a run to its request rate: a schedule grants instants, one per request, in batches.

One schedule serves all workers of a run, so the rate holds however many there are, whichever of them die, and however
the work is distributed. It must not know how a worker reaches the schedule.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, TypeAlias

from reqflo_ray._internal.model.clock import Clock

# The longest batch, in time of the whole run: this much is lost when its worker dies, and others wait this long.
_BATCH_SECONDS: Final = 0.25
# While requests wait for their instants, more than the immediate need may go unused: at most this much is granted.
_RISKED_SECONDS: Final = 0.08
# An unused instant can be used this much later; then it expires, so that saved instants do not make a burst.
_KEPT_SECONDS: Final = 0.1
# The next batch is requested this long before the last instant of the current one, because a request takes time.
_ASK_AHEAD_SECONDS: Final = 0.05
# The fastest of the last grants tells how far the clocks differ; older ones are dropped because clocks drift.
_REMEMBERED_ANSWERS: Final = 32


class Pacer(Protocol):
    """Spaces the requests of one worker."""

    async def turn(self) -> None:
        """Wait until the request may be sent."""
        ...


class Grant(NamedTuple):
    """A number of `instants`, `interval` apart, starting at `first`. All times are in seconds of the schedule's clock,
    which shows `now`."""

    now: float
    first: float
    interval: float
    instants: int


class Schedule:
    """Grants the instants of `rate` requests per second, each of them once."""

    def __init__(self, rate: float) -> None:
        self._interval = 1.0 / rate
        self._most = max(1, int(rate * _BATCH_SECONDS))
        self._risked = max(1, int(rate * _RISKED_SECONDS))
        self._next = 0.0

    def grant(self, needed: int, welcome: int, now: float) -> Grant:
        """Return the next instants: at least one, and at most as many as `needed` or `welcome`, whichever is more."""
        behind = self._next > now
        wanted = max(needed, min(welcome, self._risked) if behind else welcome)
        count = max(1, min(wanted, self._most))
        first = max(self._next, now)
        self._next = first + count * self._interval
        return Grant(now, first, self._interval, count)


AskForTurns: TypeAlias = Callable[[int, int], Awaitable[Grant]]


class Unpaced:
    """The pacer of a run without a rate."""

    async def turn(self) -> None:
        """Return immediately."""


class LocalPacer:
    """The pacer of a process that is the only worker of a run."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._schedule = Schedule(rate)
        self._clock = clock

    async def turn(self) -> None:
        """See `Pacer.turn`."""
        now = self._clock.monotonic()
        instant = self._schedule.grant(1, 1, now).first
        if instant > now:
            await self._clock.sleep(instant - now)


class SharedPacer:
    """The pacer of a worker that shares the rate with others. It requests a batch of instants when it has none left.

    Args:
        ask: obtains a `Grant` from the schedule of the run, for the numbers of instants that are needed and welcome. It
            may take time, and must not fail.
    """

    def __init__(self, ask: AskForTurns, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._instants: deque[float] = deque()
        self._leads: deque[float] = deque(maxlen=_REMEMBERED_ANSWERS)
        self._taken: deque[float] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """See `Pacer.turn`. Requests get their turns in the order of the calls."""
        now = self._clock.monotonic()
        self._forget(now)
        if self._instants and not self._waiting:
            instant = self._instants.popleft()
        else:
            instant = await self._wait()
        self._taken.append(instant)
        if instant > now:
            await self._clock.sleep(instant - self._clock.monotonic())

    async def _wait(self) -> float:
        waiter: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._serve())
        return await waiter

    async def _serve(self) -> None:
        """Request batches until no request waits; never far ahead, so that little is lost if this worker dies."""
        try:
            while self._waiting:
                last = self._share_out(await self._ask(len(self._waiting), self._sent_lately()))
                if self._waiting:
                    await self._clock.sleep(last - _ASK_AHEAD_SECONDS - self._clock.monotonic())
        except Exception as error:
            while self._waiting:
                _answer(self._waiting.popleft(), error)
        finally:
            self._asking = None

    def _sent_lately(self) -> int:
        """Return the number of requests sent lately, as an estimate of those to come, so that a few of them do not need
        a batch each. Requests that still wait for their instants are not counted: instants for them would expire."""
        now = self._clock.monotonic()
        return sum(instant <= now for instant in self._taken)

    def _share_out(self, grant: Grant) -> float:
        """Assign the instants of a grant to waiting requests, and keep the rest; return the last one, on our clock."""
        now = self._clock.monotonic()
        self._leads.append(grant.now - now)
        first = grant.first - max(self._leads)
        self._instants.extend(first + index * grant.interval for index in range(grant.instants))
        self._forget(now)
        while self._waiting and self._instants:
            if _answer(self._waiting[0], self._instants[0]):
                self._instants.popleft()
            self._waiting.popleft()
        return first + (grant.instants - 1) * grant.interval

    def _forget(self, now: float) -> None:
        """Drop expired instants, and those that were taken long ago."""
        for kept in (self._instants, self._taken):
            while kept and kept[0] < now - _KEPT_SECONDS:
                kept.popleft()


def choose_pacer(rate: float | None, ask: AskForTurns | None, clock: Clock) -> Pacer:
    """Return the pacer of a worker. `rate` is that of the whole run, None for none; `ask` is None if the worker does
    not share it."""
    if rate is None:
        return Unpaced()
    return LocalPacer(rate, clock) if ask is None else SharedPacer(ask, clock)


def _answer(waiter: asyncio.Future[float], answer: float | Exception) -> bool:
    """Answer a waiter; return False if it no longer waits."""
    if waiter.done():
        return False
    if isinstance(answer, Exception):
        waiter.set_exception(answer)
    else:
        waiter.set_result(answer)
    return True
