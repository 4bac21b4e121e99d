"""A run of `examples/orders` from the command line, in processes that a test can kill, stop and start again."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger_oracle import Contents, Judgement, LedgerOracle, Moment

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.runs.folder.owner import Liveness, Owner, liveness
from reqflo_ray._internal.runs.staging.rows import read_plan

COMMAND = str(Path(sys.executable).with_name("reqflo-ray"))
DATASET = Path(__file__).parent.parent.parent / "datasets" / "orders.csv"
RUN_ID = "disturbed"


def eventually(condition: Callable[[], object], what: str, timeout: float = 200.0) -> None:
    """Wait until `condition` is true; a test that waits in vain fails and says for `what`."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.01)


def everybody(owner: Owner) -> bool:
    """The processes that are struck when a whole run is."""
    return True


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str


@dataclass
class DisturbedRun:
    """One run with `rows` rows. `where` are options that say where it runs; `in_flight` is how many requests can be
    under way at once, over all workers. `bucket` is the address of a store that is no folder."""

    shop: DemoServer
    workspace: Path
    folder: Path
    environment: dict[str, str]
    rows: int = 100
    in_flight: int = 8
    workers: int = 1
    where: tuple[str, ...] = ("--backend", "local")
    bucket: str = ""
    faults: int = 0
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = self.folder / "store"
        self.data = self.folder / "orders.csv"
        self.data.write_text("\n".join(DATASET.read_text().splitlines()[: self.rows + 1]) + "\n")
        self.oracle = LedgerOracle(self.shop, self.place, RUN_ID)

    def send_to(self, url: str) -> None:
        """Let the run call something else than the API that keeps the ledger."""
        for path in self.workspace.rglob("*.yaml"):
            path.write_text(path.read_text().replace(self.shop.url, url))

    def use(self, shop: DemoServer) -> None:
        """Let the run call another API, and look at the ledger of that one."""
        self.send_to(shop.url)
        self.shop = self.oracle.shop = shop

    @property
    def place(self) -> str:
        """The store, as `--store` takes it."""
        return self.bucket or str(self.store)

    @property
    def root(self) -> Path:
        """The folder of the run."""
        return self.store / "runs" / RUN_ID

    def command(self, *options: str) -> list[str]:
        """The same command every time: it begins the run, or goes on with it."""
        return [
            *(COMMAND, "run", "place-order", "--workspace", str(self.workspace)),
            *("--data", str(self.data), "--key", "order_ref", "--run-id", RUN_ID, "--store", self.place),
            *("--concurrency", str(self.in_flight // self.workers), "--quiet", *self.where, *options),
        ]

    def resume_command(self, *options: str) -> list[str]:
        return [COMMAND, "resume", RUN_ID, "--store", self.place, "--quiet", *self.where, *options]

    def start(self, command: list[str], limits: Mapping[int, int] | None = None) -> subprocess.Popen[str]:
        """Start a command; `limits` are resource limits by `resource.RLIMIT_*`."""

        def prepare() -> None:
            for what, limit in (limits or {}).items():
                resource.setrlimit(what, (limit, limit))

        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.folder,
            preexec_fn=prepare if limits else None,
        )
        self.started.append(process)
        return process

    def complete(self, command: list[str], timeout: float = 250) -> Ended:
        return self.wait(self.start(command), timeout)

    def wait(self, process: subprocess.Popen[str], timeout: float = 250) -> Ended:
        stdout, stderr = process.communicate(timeout=timeout)
        return Ended(process.returncode, stdout, stderr)

    def wait_for_arrivals(self, process: subprocess.Popen[str], count: int) -> bool:
        """Wait until the API has received `count` requests; False if the command ended before."""
        eventually(lambda: process.poll() is not None or self.oracle.arrived() >= count, f"{count} requests")
        return process.poll() is None

    def kill(self, process: subprocess.Popen[str]) -> Moment:
        """SIGKILL the command, and remember what was acknowledged by then."""
        assert process.poll() is None, "it has ended before it could be killed"
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        self.faults += 1
        return self.oracle.note(struck=everybody)

    def interrupt(self, share: float = 0.4, command: list[str] | None = None) -> Moment:
        """Begin the run and kill it when about that share of its requests has arrived."""
        process = self.start(command or self.command())
        assert self.wait_for_arrivals(process, int(3 * self.rows * share)), self.wait(process)
        return self.kill(process)

    def kill_again_and_again(self, times: int, chance: random.Random, commands: list[list[str]]) -> None:
        """Kill up to `times` processes that go on with the run, each after a random number of further requests."""
        for turn in range(times):
            process = self.start(commands[turn % len(commands)])
            ahead = chance.randint(1, max(2, 3 * self.rows // times))
            if not self.wait_for_arrivals(process, self.oracle.arrived() + ahead):
                assert self.wait(process).code == 0
                return
            self.kill(process)

    def kill_worker(self, pid: int) -> None:
        """SIGKILL a worker, if it still lives, and take the time until the rows go on that it had in flight."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.faults += 1
            eventually(lambda: pid not in self.owners(), "the end of a worker")
            self.oracle.note(struck=lambda owner: liveness(owner) is Liveness.GONE)

    def judge(self, undisturbed: Contents, *, drained: bool = False) -> Judgement:
        """Assert every promise of durability; see `LedgerOracle.judge`."""
        return self.oracle.judge(
            rows=self.rows, faults=self.faults, in_flight=self.in_flight, undisturbed=undisturbed, drained=drained
        )

    def owners(self) -> set[int]:
        """The living processes that have claimed shards which are not committed."""
        folder = self.oracle.folder
        plan, committed = read_plan(folder.storage, RUN_ID) or (), folder.committed()
        claims = [folder.attempts(entry.shard) for entry in plan if entry.shard not in committed]
        latest = [attempts[-1][1].owner for attempts in claims if attempts]
        return {owner.pid for owner in latest if liveness(owner) is Liveness.ALIVE}

    def close(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
