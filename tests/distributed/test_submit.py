"""Runs on a cluster as people have it (`ray start --head`, dashboard, token), submitted from outside: what starts, what
is refused, and which exit code comes back."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import junit_rules
import pytest
from bucket_fixtures import S3_SECRET, Bucket, s3_environment
from cluster_head import ClusterHead
from disturbed_run import COMMAND, DATASET, eventually
from example_workspace import CLIENT_SECRET, copy_example

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.storage.open import open_storage

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Outside:
    """A machine that is not of the cluster: a workspace, some data, the cluster's address and token."""

    head: ClusterHead
    shop: DemoServer
    folder: Path
    store: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def data(self, rows: int) -> str:
        """A dataset of the first orders; its name, relative to the folder."""
        (self.folder / "orders.csv").write_text("\n".join(DATASET.read_text().splitlines()[: rows + 1]) + "\n")
        return "orders.csv"

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        variables = {**self.head.environment, "RAY_API_SERVER_ADDRESS": self.head.url, **environment}
        process = subprocess.Popen(
            words, cwd=self.folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.started.append(process)
        return process

    def call(self, *words: str, **environment: str) -> Ended:
        return ended(self.start(COMMAND, *words, **environment))

    def submission(self, run_id: str, rows: int, *options: str) -> list[str]:
        """The command line that submits so many orders."""
        return [
            *("submit", "place-order", "--workspace", "workspace", "--data", self.data(rows), "--key", "order_ref"),
            *("--run-id", run_id, "--store", str(self.store), "--workers", "1", *options),
        ]

    def run_folder(self, run_id: str) -> RunFolder:
        return RunFolder(open_storage(str(self.store)), run_id)

    def owners(self, run_id: str) -> set[Owner]:
        """The workers that have a shard of a run which is under way."""
        folder = self.run_folder(run_id)
        shards = [int(name) for name in folder.storage.list(folder.path(layout.ATTEMPTS))]
        return {claim.owner for shard in shards for _, claim in folder.attempts(shard)}

    def wait_for_orders(self, process: subprocess.Popen[str], number: int) -> None:
        """Wait until so many orders are placed; a submission that ends before fails the test with its output."""

        def placed() -> bool:
            assert process.poll() is None, ended(process)
            return bool(self.shop.ledger()["orders_created"] >= number)

        try:
            eventually(placed, f"{number} orders", timeout=240)
        except AssertionError:
            process.terminate()
            pytest.fail(f"no {number} orders: {ended(process)}")

    def close(self) -> None:
        """End what still runs here."""
        for process in self.started:
            process.kill()
            process.communicate()


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=250)
    return Ended(process.returncode, out, err)


def parent_of(pid: int) -> int:
    """The process that started `pid`: for a worker, the raylet of its node."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture(scope="session")
def head(s3_url: str) -> Iterator[ClusterHead]:
    """A cluster that reaches a bucket, with credentials that nobody outside has."""
    with ClusterHead(variables=s3_environment(s3_url)) as cluster:
        yield cluster


@pytest.fixture
def outside(head: ClusterHead, shop: DemoServer, tmp_path: Path) -> Iterator[Outside]:
    copy_example("orders", tmp_path / "workspace", shop.url)
    machine = Outside(head, shop, tmp_path, tmp_path / "runs")
    yield machine
    machine.close()


def test_ray_job_submit_runs_on_two_nodes_from_a_folder_that_the_job_does_not_share(outside: Outside) -> None:
    def submit(folder: str, *options: str) -> subprocess.Popen[str]:
        job = ("ray", "job", "submit", "--address", outside.head.url, "--working-dir", folder, "--")
        return outside.start(*job, "reqflo-ray", "run", "place-order", "--address", "auto", *options)

    # Not the same folder twice: the nodes of one machine share a place for what they unpack.
    to_vanish = submit("workspace", "--case", "Gift order")
    rows = ("--workspace", "workspace", "--data", outside.data(80), "--key", "order_ref")
    place = ("--run-id", "plain", "--store", str(outside.store))
    # Slow enough for the second worker to find something to do.
    to_last = submit(".", *rows, *place, "--workers", "2", "--rate", "20")
    workers_of_nodes: dict[int, set[int]] = {}

    def both_nodes_work() -> bool:
        for owner in outside.owners("plain"):
            with suppress(FileNotFoundError):  # it has just ended
                workers_of_nodes.setdefault(parent_of(owner.pid), set()).add(owner.pid)
        return len(workers_of_nodes) == 2

    eventually(both_nodes_work, "a worker on each node", timeout=240)
    relative, absolute = ended(to_vanish), ended(to_last)
    assert relative.code == 1, relative
    assert "error[relative_store]" in relative.out
    assert absolute.code == 0, absolute
    assert "rows 80  passed 80" in absolute.out
    assert outside.run_folder("plain").is_complete()
    assert outside.shop.ledger()["orders_created"] == 80
    assert [len(workers) for workers in workers_of_nodes.values()] == [1, 1]


def test_a_submitted_run_comes_back_with_its_results_and_is_not_run_twice(outside: Outside) -> None:
    reports = ("--report", "junit=junit.xml", "--report", "html=page.html")
    line = outside.submission("fine", 20, "--json", "--output", "result.json", *reports)
    first = outside.call(*line)
    assert first.code == 0, first
    assert json.loads(first.out)["counts"]["passed"] == 20
    document = json.loads((outside.folder / "result.json").read_text())
    assert [row["row_key"] for row in document["rows"]] == [f"ref-{number:06}" for number in range(20)]
    junit = junit_rules.read((outside.folder / "junit.xml").read_bytes())
    assert (junit_rules.problems(junit), junit[0].get("tests")) == ([], "20")
    assert "Content-Security-Policy" in (outside.folder / "page.html").read_text()
    assert "rows 20  passed 20" in first.err
    assert "reqflo-ray:" not in first.err
    sent = outside.shop.ledger()["total"]

    (outside.folder / "junit.xml").unlink()
    second = outside.call(*line)
    assert second.code == 0, second
    assert (outside.folder / "junit.xml").exists()
    assert "run fine is finished, so nothing is sent" in second.err
    assert json.loads(second.out) == json.loads(first.out)
    assert json.loads((outside.folder / "result.json").read_text()) == document
    assert outside.shop.ledger()["total"] == sent

    told = outside.call("status", "fine", "--json")
    facts = json.loads(told.out)
    assert (facts["run_id"], facts["job"], facts["state"]) == ("fine", "fine-1", "succeeded")
    assert (facts["exit_code"], facts["verdict"], facts["rows"]) == (0, "passed", 20)
    printed = outside.call("logs", "fine")
    assert printed.out.splitlines()[0].startswith("run fine: 20 rows, backend ray")
    assert "reqflo-ray:" not in printed.out
    assert "had already ended: succeeded" in outside.call("stop", "fine").err

    other = outside.call(*outside.submission("fine", 19))
    assert other.code == 2
    assert "error[run_differs]" in other.err


def test_rows_that_fail_a_store_in_a_bucket_and_a_secret_that_stays_on_the_cluster(
    outside: Outside, s3_bucket: Bucket
) -> None:
    for path in outside.workspace.rglob("*.yaml"):
        path.write_text(
            path.read_text().replace("type: status_code, expected: 201", "type: status_code, expected: 418")
        )
    failed = outside.call(*outside.submission("red", 6, "--store", s3_bucket.uri), AWS_SECRET_ACCESS_KEY="")
    assert failed.code == 1, failed
    assert "status: failed" in failed.err
    assert json.loads(outside.call("status", "red", "--json").out)["exit_code"] == 1
    assert "status: failed" in outside.call("logs", "red").out
    # The results are nowhere but in the bucket, and are asked there.
    asked = outside.call(
        "sql", "select count(*) from steps where status = 'failed'", "--store", s3_bucket.uri, "--format", "csv"
    )
    assert asked.out.split() == ["count_star()", "6"], asked
    assert not outside.store.exists()
    told = outside.head.jobs()
    assert '"red-1"' in told
    for secret in (CLIENT_SECRET, S3_SECRET, outside.head.token):
        assert secret not in told + failed.out + failed.err


def test_a_driver_that_was_killed_is_exit_3_and_the_same_command_goes_on(outside: Outside) -> None:
    line = outside.submission("killed", 30, "--rate", "30")
    process = outside.start(COMMAND, *line)
    outside.wait_for_orders(process, 5)
    claim = outside.run_folder("killed").latest_epoch()
    assert claim is not None
    os.kill(claim.owner.pid, signal.SIGKILL)
    killed = ended(process)
    assert killed.code == 3, killed
    assert "ended without a result" in killed.err
    assert "--run-id killed" in killed.err
    again = outside.call(*line)
    assert again.code == 0, again
    assert "job killed-2" in again.err
    assert "rows 30  passed 30" in again.err
    assert outside.shop.ledger()["orders_created"] == 30


def test_a_run_that_is_stopped_says_so_to_everybody_who_follows_it(outside: Outside) -> None:
    line = outside.submission("stopped", 1000, "--rate", "30")
    process = outside.start(COMMAND, *line)
    outside.wait_for_orders(process, 1)
    second = outside.start(COMMAND, *line)
    assert second.stderr is not None
    log = second.stderr
    read: list[str] = []

    def shows(pattern: str) -> bool:
        read.append(log.readline())
        return re.search(pattern, read[-1]) is not None

    # It shows the log, so it follows: from then on a signal is a wish to stop.
    eventually(partial(shows, "run stopped: "), "the second follows", 60)
    assert "is running: following it" in read[0]
    # The job's log, which is no terminal, says every ten seconds how far the run is.
    eventually(partial(shows, r"^\d+ s  rows \d+/1000  failed 0  \d+ steps/s"), "how far it is", 60)
    second.send_signal(signal.SIGINT)
    stopped = outside.call("stop", "stopped")
    assert stopped.code == 0, stopped
    assert "stopped" in stopped.err
    assert ended(process).code == 143
    interrupted = ended(second)
    assert interrupted.code == 130, interrupted
    assert "stopping the run on the cluster" in interrupted.err
    assert json.loads(outside.call("status", "stopped", "--json").out)["exit_code"] == 143
    assert not outside.run_folder("stopped").is_complete()


def test_what_cannot_work_is_refused_before_anything_is_submitted(outside: Outside) -> None:
    before = outside.head.jobs()
    for words, code in (
        (("no-such-journey", "--store", "/tmp/x"), "unknown_journey"),
        (("place-order", "--store", "runs"), "relative_store"),
        (("place-order", "--store", "/tmp/x", "--set", "total=many"), ""),
        (("place-order", "--store", "/tmp/x", "--no-wait", "--json"), "result_without_wait"),
        (("place-order", "--store", "/tmp/x", "--data", "missing.csv"), "no_such_file"),
        (("place-order", "--store", "/tmp/x", "--address", "http://192.0.2.7:8265"), "unauthenticated_cluster"),
    ):
        tokens = {"RAY_AUTH_TOKEN": "", "HOME": "/nonexistent"} if code == "unauthenticated_cluster" else {}
        refused = outside.call("submit", *words, "--workspace", "workspace", **tokens)
        assert refused.code == 2, refused
        assert f"error[{code}" in refused.err
    assert outside.head.jobs() == before


def test_a_wrong_token_and_none_are_told_apart(outside: Outside) -> None:
    home = tempfile.mkdtemp(dir=outside.folder)
    wrong = outside.call("status", "latest", RAY_AUTH_TOKEN="f" * 64)
    assert wrong.code == 3
    assert "does not accept the token" in wrong.err
    assert "f" * 64 not in wrong.err
    none = outside.call(*outside.submission("nobody", 1), RAY_AUTH_TOKEN="", HOME=home)
    assert none.code == 3
    assert "requires a token, and none is set" in none.err
    shutil.rmtree(home)
