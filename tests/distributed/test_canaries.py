"""No value of a secret, and no sensitive value, is in anything that Ray keeps or that a run leaves behind, in any form.

One cluster of its own, with a dashboard and a private folder for all that Ray writes. A driver and its workers are
killed while requests are under way; what is there then is searched, and again when the run has ended.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from canaries import CANARIES, CLOUD_KEY, files_with_canaries, found_in, write_workspace
from disturbed_run import COMMAND
from leaky_api import LeakyApi
from output_formats import answer_formats, report_formats
from secret_manager import Manager, serving

from reqflo_ray._internal.cli.commands.results.sql import Format
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.main import COMMANDS, run_command_line

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

_APPS = Path(__file__).parent.parent / "apps"
_SET = f"pin={CANARIES['set']}"
# Commands whose output is searched below, and those that read neither a run nor a secret. A new command belongs into
# one of the two.
_SEARCHED = {"run", "check", "compile", "resume", "rerun", "runs", "show", "sql", "verify", "doctor", "report"}
_NOT_ABOUT_VALUES = {"init", "schema", "demo-api", "prune"}
_WITH_TESTS_OF_THEIR_OWN = {"submit", "status", "logs", "stop", "run-submitted"}


@dataclass
class Place:
    """A cluster, the folder that holds all of Ray's files, and the environment of its processes and of drivers."""

    folder: Path
    address: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [COMMAND, *arguments]

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
        """All that a command writes; it ends with one of `codes`."""
        ended = subprocess.run(
            self.command(*arguments), capture_output=True, env=self.environment, timeout=300, check=False
        )
        assert ended.returncode in codes, ended.stderr.decode()
        return ended.stdout + ended.stderr

    def state(self) -> str:
        """All that the cluster tells."""
        script = [sys.executable, str(_APPS / "ray_state.py"), self.address]
        ended = subprocess.run(script, capture_output=True, text=True, env=self.environment, timeout=300, check=False)
        assert "tables=" in ended.stdout, ended.stderr
        return ended.stdout


@pytest.fixture(scope="module")
def leaky() -> Iterator[LeakyApi]:
    with LeakyApi(CANARIES["output"]) as api:
        yield api


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    manager = Manager()
    manager.versions = {CLOUD_KEY: {1: b"an-old-value", 3: CANARIES["cloud"].encode()}}
    folder = Path(tempfile.mkdtemp(prefix="cnry"))  # short: Ray makes sockets in it
    with serving(manager) as emulator:
        environment = {
            **os.environ,
            "NO_COLOR": "1",
            "REQFLO_DEBUG": "1",
            "TOKEN": CANARIES["secret"],
            "REQFLO_SECRET_MANAGER_EMULATOR": emulator,
            "RAY_TMPDIR": str(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        script = [sys.executable, str(_APPS / "ray_cluster.py"), "2", "dashboard"]
        process = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdin and process.stdout
        try:
            address = process.stdout.readline().strip()
            assert address, "the cluster did not start"
            yield Place(folder, address, environment)
        finally:
            process.stdin.close()
            process.wait(timeout=120)
            process.stdout.close()
            eventually(lambda: removed(folder))


def eventually(question: Callable[[], object], timeout: float = 180.0) -> None:
    deadline = time.monotonic() + timeout
    while not question():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def removed(folder: Path) -> bool:
    """Remove a folder into which processes that are about to end may still write; whether it is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def of_run(workspace: Path, store: Path, place: Place) -> list[str]:
    return [
        *("run", "leak", "--workspace", str(workspace), "--data", str(workspace / "rows.jsonl"), "--key", "ref"),
        *("--set", _SET, "--store", str(store), "--address", place.address, "--workers", "2", "--run-id", "leak"),
    ]


def look(*arguments: str) -> bytes:
    """All that a command writes which only reads the store; in this process, which saves its start."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    terminal = Terminal(out=streams[0], err=streams[1], environment={"REQFLO_DEBUG": "1"})
    assert run_command_line(arguments, terminal) == 0
    written = b""
    for stream in streams:
        assert isinstance(stream.buffer, io.BytesIO)
        written += stream.buffer.getvalue()
    assert written
    return written


def shown(store: Path, folder: Path) -> dict[str, bytes]:
    """What every way of looking at a run shows, by command."""
    at, answers = ("--store", str(store)), {}
    for name, arguments in {
        "runs": ("runs", "--json"),
        "show": ("show", "leak"),
        "show row": ("show", "leak", "--row", "ref-1"),
        "show row as json": ("show", "leak", "--row", "ref-1", "--json"),
        "show step": ("show", "leak", "--row", "ref-1", "--step", "tell"),
        "verify": ("verify", "leak", "--json"),
    }.items():
        answers[name] = look(*arguments, *at)
    views = ("runs", "results", "assertions", "logs")
    for view, format_ in [*((view, Format.JSON) for view in views), *(("steps", format_) for format_ in Format)]:
        output = () if format_ is Format.TABLE else ("--output", str(folder / f"{view}.{format_}"))
        query = ("sql", f"select * from {view}", "--format", format_.value, *output, *at)
        answers[f"{view} as {format_}"] = look(*query)
    for name, read in report_formats():
        path = folder / f"report.{name}"
        answers[f"report as {name}"] = look("report", "leak", f"{name}={path}", *at)
        answers[f"{path.name}, read"] = b"\n".join(read(path.read_bytes()))
    return answers


def test_every_command_and_every_format_is_thought_of() -> None:
    known = _SEARCHED | _NOT_ABOUT_VALUES | _WITH_TESTS_OF_THEIR_OWN
    assert {entry.name for entry in COMMANDS} - known == set(), "look for canaries in what a new command shows"
    assert len(answer_formats()) == len(Format)


def test_a_killed_run_leaves_no_value_and_neither_does_its_end(place: Place, leaky: LeakyApi, tmp_path: Path) -> None:
    workspace, store = write_workspace(tmp_path / "workspace", leaky.url, cloud=False), tmp_path / "store"
    leaky.hold()
    out, err = tmp_path / "driver.out", tmp_path / "driver.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        driver = subprocess.Popen(
            place.command(*of_run(workspace, store, place)), stdout=stdout, stderr=stderr, env=place.environment
        )
    try:
        eventually(lambda: leaky.arrived >= 6)  # both steps of all rows
        state = place.state()
        assert "reqflo-ray" in state  # the job is in it, without its command line
        assert found_in(state) == []
        kill_workers(place)
        eventually(lambda: any(store.rglob("0002.log")))  # another worker has begun
        driver.send_signal(signal.SIGKILL)
    finally:
        driver.kill()
        driver.wait()
    assert list((store / "runs" / "leak" / "journal").rglob("*.log"))
    assert files_with_canaries(store) == []
    assert files_with_canaries(place.folder) == []

    leaky.release()
    output = tmp_path / "result.json"
    resume = ("resume", "leak", "--store", str(store), "--address", place.address, "--take-over")
    told = place.run(*resume, "--output", str(output), "--json")
    assert found_in(told) == []
    assert found_in(out.read_bytes() + err.read_bytes() + output.read_bytes()) == []
    assert {name: found for name, text in shown(store, tmp_path).items() if (found := found_in(text))} == {}
    shutil.rmtree(workspace)
    assert files_with_canaries(tmp_path) == []
    assert files_with_canaries(place.folder) == []
    assert found_in(place.state()) == []


def kill_workers(place: Place) -> None:
    """Kill the actors of the run, as a node that fails would."""
    for status in Path("/proc").glob("[0-9]*/environ"):
        try:
            belongs = str(place.folder).encode() in status.read_bytes()
            title = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if belongs and title.startswith(b"ray::") and b"ShardWorker" in title:
            os.kill(int(status.parent.name), signal.SIGKILL)


def test_a_value_of_secret_manager_stays_on_the_workers(place: Place, leaky: LeakyApi, tmp_path: Path) -> None:
    workspace, store = write_workspace(tmp_path / "workspace", leaky.url, cloud=True), tmp_path / "store"
    leaky.release()
    target = ("--workspace", str(workspace), "--data", str(workspace / "rows.jsonl"), "--key", "ref")
    told = place.run("check", "leak", *target, "--set", _SET)
    told += place.run("compile", "leak", "--workspace", str(workspace), "--output", str(tmp_path / "leak.json"))
    told += place.run(*of_run(workspace, store, place), "--json")
    told += place.run("rerun", "leak", "--store", str(store), codes=(2,))
    doctor = ("doctor", "--address", place.address, "--workspace", str(workspace), "--store", str(store), "--json")
    told += place.run(*doctor)
    assert json.loads((store / "runs" / "leak" / "run.json").read_text())["secrets"]["TOKEN"]["version"] == "3"
    assert found_in(told) == []
    assert {name: found for name, text in shown(store, tmp_path).items() if (found := found_in(text))} == {}
    shutil.rmtree(workspace)
    assert files_with_canaries(tmp_path) == []
    assert files_with_canaries(place.folder) == []
    assert found_in(place.state()) == []
