"""Room at a host: how many are in, who comes next, and that nobody takes a place along."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import run_in_virtual_time

from reqflo_ray._internal.http.host_limits import HostLimits, NoRoomError
from reqflo_ray._internal.model.http.exchange import TransportRequest


def _request(url: str, total_ms: int = 60_000) -> TransportRequest:
    return TransportRequest(method="GET", url=url, connect_ms=1000, read_ms=1000, total_ms=total_ms)


class Visitors:
    """Requests that hold room until they are let go."""

    def __init__(self, limit: int) -> None:
        self.limits = HostLimits(limit)
        self.inside: list[str] = []
        self.doors: dict[str, asyncio.Event] = {}

    def send(self, name: str, url: str = "http://api.example/x", total_ms: int = 60_000) -> asyncio.Task[int]:
        self.doors[name] = asyncio.Event()

        async def visit() -> int:
            async with self.limits.room(_request(url, total_ms)) as request:
                self.inside.append(name)
                try:
                    await self.doors[name].wait()
                finally:
                    self.inside.remove(name)
                return request.total_ms

        return asyncio.ensure_future(visit())

    async def settle(self) -> list[str]:
        for _ in range(5):
            await asyncio.sleep(0)
        return sorted(self.inside)


def test_so_many_are_in_and_the_others_follow_in_their_order() -> None:
    async def main() -> None:
        visitors = Visitors(2)
        tasks = [visitors.send(name) for name in "abcde"]
        assert await visitors.settle() == ["a", "b"]
        visitors.doors["b"].set()
        assert await visitors.settle() == ["a", "c"]
        visitors.doors["a"].set()
        visitors.doors["c"].set()
        assert await visitors.settle() == ["d", "e"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_in_virtual_time(main())


def test_hosts_do_not_wait_for_one_another_and_a_port_makes_another_host() -> None:
    async def main() -> None:
        visitors = Visitors(1)
        urls = ("http://a.example/1", "http://a.example:80/2", "HTTP://A.example/3", "https://a.example/", "http://b/")
        tasks = [visitors.send(str(number), url) for number, url in enumerate(urls)]
        assert await visitors.settle() == ["0", "3", "4"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_in_virtual_time(main())


def test_who_is_cancelled_inside_or_while_waiting_leaves_room_and_no_trace() -> None:
    async def main() -> None:
        visitors = Visitors(1)
        inside, waiting, last = visitors.send("a"), visitors.send("b"), visitors.send("c")
        await visitors.settle()
        waiting.cancel()
        inside.cancel()
        assert await visitors.settle() == ["c"]
        visitors.doors["c"].set()
        await last
        await asyncio.gather(inside, waiting, return_exceptions=True)
        assert visitors.limits.hosts == 0

    run_in_virtual_time(main())


def test_the_time_of_a_request_counts_while_it_waits() -> None:
    async def main() -> None:
        visitors = Visitors(1)
        first = visitors.send("a")
        late, patient = visitors.send("late", total_ms=20), visitors.send("patient", total_ms=10_000)
        with pytest.raises(NoRoomError, match=r"1 requests to api.example:80 .* 20 ms"):
            await late
        visitors.doors["a"].set()
        visitors.doors["patient"].set()
        assert await first == 60_000
        assert await patient == 10_000 - 20

    run_in_virtual_time(main())


@pytest.mark.parametrize(("limit", "url"), [(0, "http://api.example/"), (1, "no URL"), (1, "http://[::1")])
def test_without_a_limit_or_a_host_nobody_waits(limit: int, url: str) -> None:
    async def main() -> None:
        visitors = Visitors(limit)
        tasks = [visitors.send(name, url) for name in "abc"]
        assert await visitors.settle() == ["a", "b", "c"]
        for door in visitors.doors.values():
            door.set()
        await asyncio.gather(*tasks)
        assert visitors.limits.hosts == 0

    run_in_virtual_time(main())
