"""A world in memory for the product's own shard code: a disk that can forget, an API that keeps a ledger, and a crash
that can strike at any operation. No sockets, no clock, no sleeps.

Every operation on the disk or the network is a numbered point, struck before it or after it. After a crash nothing of
that process does anything any more; what a later process finds depends on the kind of crash.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from reqflo_ray._internal.demo.api import DemoApi
from reqflo_ray._internal.demo.ledger import Ledger
from reqflo_ray._internal.demo.messages import Answer, Request
from reqflo_ray._internal.demo.shop import Shop
from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.model.http.exchange import CookieStore, Exchange, Timings, TransportRequest, TransportResponse
from reqflo_ray._internal.runner.execute.response.evidence import MaskedAside, keep_heavy
from reqflo_ray._internal.secrets.redactor import Redactor
from reqflo_ray._internal.storage.file_stat import FileStat

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Crash(BaseException):
    """The process is gone. Not an `Exception`, so that nothing in it can carry on."""


@dataclass
class Bomb:
    """Strikes at operation number `at`; `after` it has taken effect, or before."""

    at: int = -1
    after: bool = False
    count: int = 0
    gone: bool = False
    names: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def point(self, name: str, effect: Callable[[], Any], torn: Callable[[], Any] | None = None) -> Any:
        """Carry out `effect` as the next operation, unless the process is gone or goes now."""
        with self.lock:
            if self.gone:
                raise Crash(name)
            number, self.count = self.count, self.count + 1
            self.names.append(name)
            if number == self.at and not self.after:
                self.gone = True
                if torn is not None:
                    torn()
                raise Crash(name)
            result = effect()
            if number == self.at:
                self.gone = True
                raise Crash(name)
            return result


@dataclass
class FullDisk(Bomb):
    """Nobody dies: from operation number `at` on, whatever writes finds the disk full. An append may be cut by that."""

    struck: bool = False

    def point(self, name: str, effect: Callable[[], Any], torn: Callable[[], Any] | None = None) -> Any:
        with self.lock:
            number, self.count = self.count, self.count + 1
            if 0 <= self.at <= number and name.split()[0] in ("create", "write", "open_log", "append", "sync"):
                self.struck = True
                if torn is not None and number == self.at:
                    torn()
                raise StoreError(f"{name}: no space left", code="disk_full", hint="make room, then resume the run")
            return effect()


@dataclass
class SleepBomb(Bomb):
    """Nobody dies: at operation number `at` the process falls asleep; when `meanwhile` is over it wakes and goes on."""

    meanwhile: Callable[[], object] = lambda: None
    slept: bool = False

    def point(self, name: str, effect: Callable[[], Any], torn: Callable[[], Any] | None = None) -> Any:
        with self.lock:
            number, self.count = self.count, self.count + 1
            if number == self.at and not self.after:
                self._sleep()
            result = effect()
            if number == self.at and self.after:
                self._sleep()
            return result

    def _sleep(self) -> None:
        self.slept = True
        # In a thread, since the process that falls asleep has the event loop of this one.
        other = threading.Thread(target=self.meanwhile)
        other.start()
        other.join()


@dataclass
class OneStepBomb(Bomb):
    """The process dies as soon as `finished`, the number of steps that are finished on the disk, has grown."""

    finished: Callable[[], int] = lambda: 0

    def __post_init__(self) -> None:
        self.before = self.finished()

    def point(self, name: str, effect: Callable[[], Any], torn: Callable[[], Any] | None = None) -> Any:
        result = super().point(name, effect, torn)
        if name == "sync" and self.finished() > self.before:
            self.gone = True
            raise Crash(name)
        return result


class Disk:
    """What survives processes: files, and logs with the part of them that is synced.

    Args:
        is_far: it is a bucket: what is appended and not synced is in the process that appended it, and dies with it.
    """

    def __init__(self, *, is_far: bool = False) -> None:
        self.is_far = is_far
        self.files: dict[str, bytes] = {}
        self.logs: dict[str, bytearray] = {}
        self.synced: dict[str, int] = {}

    def lose_power(self) -> None:
        """Forget everything in logs that was not synced."""
        for path, data in self.logs.items():
            del data[self.synced[path] :]

    def readable_logs(self) -> list[bytes]:
        """What the logs say to other processes."""
        return [bytes(data[: self.synced[path]] if self.is_far else data) for path, data in self.logs.items()]


class SimulatedStorage:
    """The `Storage` of one process on a shared `Disk`."""

    uri = "memory://"

    def __init__(self, disk: Disk, bomb: Bomb) -> None:
        self._disk = disk
        self._bomb = bomb
        self.is_near = not disk.is_far

    def each(self, action: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        return map(action, items)

    def create(self, path: str, data: bytes) -> bool:
        def effect() -> bool:
            if self.exists(path):
                return False
            self._disk.files[path] = data
            return True

        return bool(self._bomb.point(f"create {path}", effect))

    def create_from(self, path: str, parts: Iterable[bytes]) -> bool:
        return not self.exists(path) and self.create(path, b"".join(parts))

    def write(self, path: str, data: bytes) -> None:
        self._bomb.point(f"write {path}", lambda: self._disk.files.__setitem__(path, data))

    def read(self, path: str) -> bytes:
        if path in self._disk.files:
            return self._disk.files[path]
        if path in self._disk.logs:
            return bytes(self._disk.logs[path])
        raise FileNotFoundError(path)

    def pieces(self, path: str) -> Iterator[bytes]:
        return iter([self.read(path)])

    def stat(self, path: str) -> FileStat:
        data = self.read(path)
        return FileStat(size=len(data), identity=hashlib.sha256(data).hexdigest(), changed_at=0.0)

    def exists(self, path: str) -> bool:
        return path in self._disk.files or path in self._visible_logs()

    def _visible_logs(self) -> list[str]:
        return [path for path in self._disk.logs if not self._disk.is_far or self._disk.synced[path]]

    def read_log(self, path: str, *, synced: bool) -> bytes:
        data = self._disk.logs.get(path)
        if data is None:
            raise FileNotFoundError(path)
        if self._disk.is_far:
            return bytes(data[: self._disk.synced[path]])
        if synced:
            self._bomb.point("sync older", lambda: self._disk.synced.__setitem__(path, len(data)))
        return bytes(data)

    def list(self, folder: str) -> list[str]:
        prefix = f"{folder.rstrip('/')}/"
        paths = [*self._disk.files, *self._visible_logs()]
        return sorted({path[len(prefix) :].split("/")[0] for path in paths if path.startswith(prefix)})

    def remove(self, path: str) -> None:
        self._bomb.point(f"remove {path}", lambda: self._disk.files.pop(path, None))

    def remove_tree(self, folder: str) -> None:
        def effect() -> None:
            for group in (self._disk.files, self._disk.logs):
                for path in [path for path in group if path.startswith(f"{folder}/")]:
                    del group[path]

        self._bomb.point(f"remove_tree {folder}", effect)

    def sweep(self, folder: str) -> None:
        """Nothing is left behind in memory."""

    def open_log(self, path: str) -> SimulatedLog:
        def effect() -> None:
            if self.exists(path):
                raise StoreError(f"{path} exists", code="log_exists")
            self._disk.logs[path] = bytearray()
            self._disk.synced[path] = 0

        self._bomb.point(f"open_log {path}", effect)
        return SimulatedLog(self._disk, self._bomb, path)


class SimulatedLog:
    """A log on the simulated disk. A crash within an append may leave half of it."""

    def __init__(self, disk: Disk, bomb: Bomb, path: str) -> None:
        self._disk, self._bomb, self._path = disk, bomb, path
        self.outlives_process = not disk.is_far

    def append(self, data: bytes) -> None:
        log = self._disk.logs[self._path]
        self._bomb.point("append", lambda: log.extend(data), torn=lambda: log.extend(data[: len(data) // 2]))

    def sync(self) -> None:
        size = len(self._disk.logs[self._path])
        self._bomb.point("sync", lambda: self._disk.synced.__setitem__(self._path, size))

    def close(self) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class Arrival:
    """One request as the API saw it."""

    method: str
    path: str
    key: str
    body: bytes


class SimulatedShop:
    """The demo shop as a `Transport`: it outlives processes, honours idempotency keys and keeps a ledger."""

    def __init__(self) -> None:
        self.ledger: list[Arrival] = []
        self.orders: dict[str, dict[str, Any]] = {}

    def connect(self, bomb: Bomb) -> SimulatedTransport:
        """The shop as one process reaches it."""
        return SimulatedTransport(self, bomb)

    def answer(self, request: TransportRequest) -> TransportResponse:
        headers = {name.lower(): value for name, value in request.headers}
        path = "/" + request.url.split("/", 3)[3]
        arrival = Arrival(request.method, path, headers.get("idempotency-key", ""), request.body or b"")
        self.ledger.append(arrival)
        return self._respond(request, arrival)

    def _respond(self, request: TransportRequest, arrival: Arrival) -> TransportResponse:
        if arrival.path == "/auth/token":
            return _json(200, {"access_token": f"tok_{len(self.ledger):08d}", "token_type": "Bearer"})
        if arrival.method == "POST":
            sent = json.loads(arrival.body or b"{}")
            order = self.orders.setdefault(
                arrival.key or str(len(self.ledger)),
                {"id": f"ord-{sent['customer_id']}", "status": "created", **sent},
            )
            return _json(201, {"order": order})
        wanted = arrival.path.rsplit("/", 1)[1]
        found = [order for order in self.orders.values() if order["id"] == wanted]
        return _json(200, {"order": found[0]}) if found else _json(404, {})


class SimulatedDemo(SimulatedShop):
    """Answers as the product's own demo API, for journeys that use more of it than the simulated shop plays."""

    def __init__(self) -> None:
        super().__init__()
        self._api = DemoApi(Shop(), Ledger(100_000))

    def _respond(self, request: TransportRequest, arrival: Arrival) -> TransportResponse:
        target = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers}
        answer = self._api(Request(request.method, target.path, target.query, headers, arrival.body))
        assert isinstance(answer, Answer), "no journey of the examples asks for an answer in pieces"
        fields = (line.split(": ", 1) for line in answer.headers.decode().split("\r\n") if line)
        return TransportResponse(
            status=answer.status,
            reason="",
            headers=(("content-type", "application/json"), *((name, value) for name, value in fields)),
            body=answer.body,
            wire_size=len(answer.body),
        )


class SimulatedTransport:
    """One process's connection to the shop."""

    def __init__(self, shop: SimulatedShop, bomb: Bomb) -> None:
        self._shop = shop
        self._bomb = bomb

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        # The request leaves, other rows get their turn, the response comes.
        response = self._bomb.point("send", lambda: self._shop.answer(request))
        await asyncio.sleep(0)
        self._bomb.point("receive", lambda: None)
        return Exchange(
            request_headers=request.headers, url=request.url, timings=Timings(total_ms=1.0), response=response
        )

    async def close(self) -> None:
        """Nothing to do."""


class SimulatedClock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self._seconds = 1_000_000.0

    def now_us(self) -> int:
        return int(self._seconds * 1e6)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        self._seconds += seconds
        await asyncio.sleep(0)


class JudgedHere:
    """Judges every answer where it is, with the whole budget: no processes."""

    async def judge(self, step: PreparedStep, exchange: Exchange, scope: Scope) -> Judgement:
        return judge(step, exchange, scope, Work())


class MaskedHere:
    """Masks what is heavy where it is: no processes."""

    async def aside(
        self, request: bytes | None, response: bytes | None, outputs: bytes | None, redactor: Redactor
    ) -> MaskedAside:
        request_body, response_body = (
            keep_heavy(body, redactor, 64 * 1024) if body is not None else None for body in (request, response)
        )
        return MaskedAside(
            request_body, response_body, redactor.text(outputs.decode()) if outputs is not None else None
        )


def _json(status: int, body: Any) -> TransportResponse:
    data = json.dumps(body).encode()
    return TransportResponse(
        status=status,
        reason="OK",
        headers=(("content-type", "application/json"),),
        body=data,
        wire_size=len(data),
    )
