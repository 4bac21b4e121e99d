"""What benchmarks share: a temporary folder, the demo API in a process of its own, datasets, and runs of the command.

Every run is the real command in a new process. Its times are those that its commits say.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.storage.open import open_storage

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("reqflo-ray")
JOURNEY = "place-order"
SECRET = "made-up-for-the-benchmark"
_EXAMPLE_URL = "http://127.0.0.1:8480"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNumbers:
    """What a finished run cost. Seconds of `first_answer` and `working` are wall time, from the start of the process
    to the first answer, and from the first answer to the last shard's files. `cpu` and `peak_bytes` are of the
    process of the command alone: of the workers too if the backend is `local`, and without them if it is `ray`."""

    run_id: str
    rows: int
    first_answer: float
    working: float
    cpu: float
    peak_bytes: int
    evidence_bytes: int
    server_cpu: float

    @property
    def rows_per_second(self) -> float:
        """Without the start-up."""
        return self.rows / self.working


class Workbench:
    """Everything a benchmark needs, gone when the `with` block ends.

    Args:
        report: is told what is going on, line by line.
        latency_ms: how long the demo API takes for an answer.
    """

    def __init__(self, report: Callable[[str], None], latency_ms: float = 0.0) -> None:
        self.report = report
        self._latency_ms = latency_ms
        self._runs = 0

    def __enter__(self) -> Self:
        os.environ["SHOP_CLIENT_SECRET"] = SECRET
        self.folder = Path(tempfile.mkdtemp(prefix="reqflo-bench-"))
        self.store = self.folder / "store"
        self.server = DemoServer(ServerOptions(port=0, latency_ms=self._latency_ms)).__enter__()
        self.workspace = self.folder / "orders"
        shutil.copytree(ROOT / "examples" / "orders", self.workspace)
        for path in self.workspace.rglob("*.yaml"):
            path.write_text(path.read_text().replace(_EXAMPLE_URL, self.server.url))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.server.stop()
        shutil.rmtree(self.folder)

    def orders(self, rows: int) -> Path:
        """A CSV of so many orders, made once."""
        path = self.folder / f"orders-{rows}.csv"
        if not path.exists():
            with path.open("wb") as file:
                script = ROOT / "datasets" / "generate.py"
                subprocess.run([sys.executable, script, "orders", f"--rows={rows}"], stdout=file, check=True)
        return path

    def arguments(self, rows: int, *, backend: str, options: Sequence[str] = ()) -> tuple[str, list[str]]:
        """The id of a new run of the reference journey, and the arguments of `reqflo-ray` that run it."""
        self._runs += 1
        run_id = f"bench-{self._runs}"
        return run_id, [
            *("run", JOURNEY, "--workspace", str(self.workspace), "--store", str(self.store), "--run-id", run_id),
            *("--data", str(self.orders(rows)), "--key", "order_ref", "--backend", backend, "--quiet", *options),
        ]

    def run(
        self,
        rows: int,
        *,
        backend: str,
        options: Sequence[str] = (),
        command: Sequence[str | Path] = (COMMAND,),
        watch: Callable[[int], None] | None = None,
    ) -> RunNumbers:
        """Run the reference journey over `rows` rows.

        Args:
            command: what takes the arguments of `reqflo-ray`.
            watch: called ten times a second with the process id while it runs.
        """
        run_id, arguments = self.arguments(rows, backend=backend, options=options)
        self.server.reset()
        server_cpu = cpu_seconds(self.server.pid)
        started_us = time.time_ns() // 1000
        usage = self.execute(arguments, command=command, watch=watch)
        summaries = [commit.summary for commit in self.run_folder(run_id).commits()]
        first = min(summary.first_response_at_us for summary in summaries)
        last = max(summary.finished_at_us for summary in summaries)
        manifest = self.run_folder(run_id).read_manifest()
        assert manifest is not None
        numbers = RunNumbers(
            run_id=run_id,
            rows=rows,
            first_answer=(first - started_us) / 1e6,
            working=(last - first) / 1e6,
            cpu=usage.ru_utime + usage.ru_stime,
            peak_bytes=usage.ru_maxrss * 1024,
            evidence_bytes=sum(file.size for file in manifest.files if file.path.startswith(("results/", "steps/"))),
            server_cpu=cpu_seconds(self.server.pid) - server_cpu,
        )
        self.report(f"{' '.join(('run', f'{rows} rows', backend, *options))}: {numbers.rows_per_second:.0f} rows/s")
        return numbers

    def execute(
        self,
        arguments: Sequence[str],
        *,
        command: Sequence[str | Path] = (COMMAND,),
        watch: Callable[[int], None] | None = None,
        codes: Sequence[int] = (0,),
    ) -> resource.struct_rusage:
        """Run `reqflo-ray` to its end, with one of the exit codes: what its process used. See `run` for the others."""
        log = self.folder / "command.log"
        with log.open("wb") as output:
            process = subprocess.Popen([*command, *arguments], stdout=output, stderr=output)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG if watch else 0)
            if pid:
                break
            if watch:
                watch(process.pid)
                time.sleep(0.1)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            raise RuntimeError(
                f"`reqflo-ray {' '.join(arguments)}` exited with {process.returncode}:\n{log.read_text()}"
            )
        return usage

    def run_folder(self, run_id: str) -> RunFolder:
        """The stored run."""
        return RunFolder(open_storage(str(self.store)), run_id)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median(values: Iterable[float]) -> float:
    """The median: one run that something disturbed does not move it."""
    return statistics.median(values)
