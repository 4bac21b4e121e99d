"""How a run keeps to its request rate: a schedule gives out instants, one for each request, in batches.

One schedule serves all workers of a run, so the rate holds however many there are, whoever dies, and whoever has the
work. It must not know how a worker reaches it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, TypeAlias

from reqflo_ray._internal.model.clock import Clock

# A batch is at most this much of the whole run's time: so much is lost when its worker dies, and so long others wait.
_BATCH_SECONDS: Final = 0.25
# While requests wait for their instants, more than who asks needs just now may go unused: so much of it is risked.
_RISKED_SECONDS: Final = 0.08
# An instant that nobody needed may be used so much later; then it is lost, lest what was saved up goes out at once.
_KEPT_SECONDS: Final = 0.1
# Asking takes a moment: the next batch is asked for so long before the last instant of this one.
_ASK_AHEAD_SECONDS: Final = 0.05
# The shortest way from a schedule to a worker is looked for in so many answers; clocks drift apart in the long run.
_REMEMBERED_ANSWERS: Final = 32


class Pacer(Protocol):
    """Spaces the requests of one worker."""

    async def turn(self) -> None:
        """Wait until it is this request's turn."""
        ...


class Grant(NamedTuple):
    """So many `instants`, `interval` apart, from `first` on: seconds of the schedule's clock, where it is `now`."""

    now: float
    first: float
    interval: float
    instants: int


class Schedule:
    """Gives out the instants of `rate` requests a second, each of them once."""

    def __init__(self, rate: float) -> None:
        self._interval = 1.0 / rate
        self._most = max(1, int(rate * _BATCH_SECONDS))
        self._risked = max(1, int(rate * _RISKED_SECONDS))
        self._next = 0.0

    def grant(self, needed: int, welcome: int, now: float) -> Grant:
        """The next instants: at least one, at most what is `needed` or, if that is more, what is `welcome`."""
        behind = self._next > now
        wanted = max(needed, min(welcome, self._risked) if behind else welcome)
        count = max(1, min(wanted, self._most))
        first = max(self._next, now)
        self._next = first + count * self._interval
        return Grant(now, first, self._interval, count)


AskForTurns: TypeAlias = Callable[[int, int], Awaitable[Grant]]


class Unpaced:
    """Without a rate it is always everybody's turn."""

    async def turn(self) -> None:
        """Return at once."""


class LocalPacer:
    """The pacer of a process that has the rate for itself."""

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
    """The pacer of a worker that shares the rate with others: it asks for a batch of instants when it has none left.

    Args:
        ask: brings the `Grant` for so many requests that are needed, and so many that are welcome, from the schedule of
            the run. It may take a while, and must not fail.
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
        """See `Pacer.turn`. Turns come in the order of asking."""
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
        """Ask until nobody waits; never far ahead, so that little is lost if this worker dies."""
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
        """So many requests are likely to come again soon, so that few of them do not mean a question for each. One that
        still waits for its instant will not: what was asked for on its behalf would be lost."""
        now = self._clock.monotonic()
        return sum(instant <= now for instant in self._taken)

    def _share_out(self, grant: Grant) -> float:
        """Give the instants of a grant to who waits, and keep the others; the last of them, on our clock."""
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
        """Drop instants that nobody needed in time, and what was taken long ago."""
        for kept in (self._instants, self._taken):
            while kept and kept[0] < now - _KEPT_SECONDS:
                kept.popleft()


def choose_pacer(rate: float | None, ask: AskForTurns | None, clock: Clock) -> Pacer:
    """The pacer of a worker: `rate` is the whole run's, None for none; `ask` None means that nobody shares it."""
    if rate is None:
        return Unpaced()
    return LocalPacer(rate, clock) if ask is None else SharedPacer(ask, clock)


def _answer(waiter: asyncio.Future[float], answer: float | Exception) -> bool:
    """False if nobody waits for it any more."""
    if waiter.done():
        return False
    if isinstance(answer, Exception):
        waiter.set_exception(answer)
    else:
        waiter.set_result(answer)
    return True
