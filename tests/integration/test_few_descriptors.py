"""A process that has used up its file descriptors waits for one, and takes that for no verdict on anybody else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions

# What the children begin with: `hold()` opens whatever may be opened and gives it back `later` seconds from then.
_PRELUDE = """
import asyncio, json, os, resource, sys, threading, time
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))

def hold(later):
    held = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    if later:
        threading.Timer(later, lambda: [os.close(one) for one in held]).start()
"""

_SENDS = """
from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.model.http.exchange import TransportRequest
from reqflo_ray._internal.model.plan import HttpSettings
engine, url, later = sys.argv[1], sys.argv[2], float(sys.argv[3])

async def main():
    heard = []
    transport = create_transport(HttpSettings(engine=engine), limit=8, short=heard.append)
    request = TransportRequest(method="GET", url=url, total_ms=10_000 if later else 500)
    warmed = await transport.send(request)
    assert warmed.response is not None
    hold(later)
    # The connection that is kept carries one of them.
    exchanges = await asyncio.gather(*(transport.send(request) for _ in range(6)))
    await transport.close()
    answers = [e.response.status if e.response else [e.failure.kind.value, e.failure.sent] for e in exchanges]
    print(json.dumps({"answers": answers, "heard": heard}))

asyncio.run(main())
"""

_WRITES = """
from pathlib import Path
from reqflo_ray._internal.storage.local import LocalStorage
storage = LocalStorage(Path(sys.argv[1]))
storage.write("a", b"before")
hold(0.3)
assert storage.create("folder/b", b"created")
log = storage.open_log("journal/c")
log.append(b"appended")
log.sync()
log.close()
print(storage.read("a"), storage.list("folder"), storage.read("journal/c"))
"""

_NEVER = """
from pathlib import Path
from reqflo_ray._internal import descriptors
from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.storage.local import LocalStorage
descriptors._PATIENCE_SECONDS = 0.2
storage = LocalStorage(Path(sys.argv[1]))
storage.write("a", b"before")
hold(0)
for action in (lambda: storage.read("a"), lambda: storage.write("b", b""), lambda: storage.open_log("c")):
    try:
        action()
    except StoreError as problem:
        print(problem.code)
"""


def _child(code: str, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", _PRELUDE + code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def shop() -> Iterator[DemoServer]:
    with DemoServer(ServerOptions(port=0, latency_ms=20)) as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_requests_wait_until_a_descriptor_is_free(shop: DemoServer, engine: str, host: str) -> None:
    said = json.loads(_child(_SENDS, engine, shop.url.replace("127.0.0.1", host) + "/health", "0.4"))
    assert said["answers"] == [200] * 6
    assert said["heard"] and min(said["heard"]) < 6, "nobody was told to take fewer rows at once"


@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_requests_that_wait_in_vain_are_no_verdict_on_the_api(shop: DemoServer, engine: str) -> None:
    said = json.loads(_child(_SENDS, engine, shop.url + "/health", "0"))
    # One descriptor is there, that of the connection which was kept; more than one request can have it in turn.
    refused = [answer for answer in said["answers"] if answer != 200]
    assert all(answer == ["too_many_open_files", False] for answer in refused), said
    assert said["heard"] and min(said["heard"]) == 1


def test_files_of_the_store_wait_until_a_descriptor_is_free(tmp_path: Path) -> None:
    assert _child(_WRITES, str(tmp_path)).strip() == "b'before' ['b'] b'appended'"


def test_a_store_that_waits_in_vain_says_why(tmp_path: Path) -> None:
    assert _child(_NEVER, str(tmp_path)).split() == ["too_many_open_files"] * 3


def test_a_low_soft_limit_is_raised_no_further_than_the_hard_one() -> None:
    code = """
from reqflo_ray._internal.descriptors import free_descriptors, raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300))
raise_descriptor_limit(200)
print(free_descriptors() >= 200, resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 300)
raise_descriptor_limit(10_000)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert _child(code) == "True True\n(300, 300)\n"
