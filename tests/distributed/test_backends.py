"""One contract for both backends: whatever a run is, it ends the same in this process and on a cluster."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended
from command_process import CommandProcess
from disturbed_run import COMMAND, eventually
from echo_api import EchoApi

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ROWS = 240
BACKENDS = ("local", "ray")

WORKSPACE = """
workspace:
  name: backends
  defaults: {environment: local}
  http: {engine: ENGINE}
---
environment: {name: local, services: {api: {base_url: "ECHO"}}}
---
journey:
  name: mixed
  inputs:
    - {name: ref, required: true}
    - {name: code, type: integer, required: true}
  variables: [{name: padding, default: "x"}]
  steps:
    - id: first
      request: {service: api, url: "/status?ref={{ inputs.ref }}", query: {code: "{{ inputs.code }}"}}
      assertions: [{type: status_code, expected: 200}]
      outputs: {ref: "$.body.query.ref"}
    - id: second
      request: {method: POST, service: api, url: /echo, body: {json: {ref: "{{ steps.first.outputs.ref }}"}}}
      idempotency: true
      assertions: [{type: json_path, path: "$.body", operator: contains, expected: "{{ inputs.ref }}"}]
    - id: third
      request: {service: api, url: "/echo?ref={{ inputs.ref }}"}
---
journey:
  name: single
  inputs: [{name: code, default: 200}]
  steps:
    - id: call
      request: {service: api, url: /status, query: {code: "{{ inputs.code }}"}}
      assertions: [{type: status_code, expected: 200}]
---
journey:
  name: held
  steps:
    - {id: call, request: {service: api, url: /hold}}
"""


@pytest.fixture(scope="module")
def echo() -> Iterator[EchoApi]:
    with EchoApi() as api:
        yield api


@pytest.fixture(scope="module")
def commands(cluster_environment: dict[str, str]) -> Iterator[CommandProcess]:
    with CommandProcess({**os.environ, **cluster_environment}) as process:
        yield process


@pytest.fixture(scope="module")
def where(request: pytest.FixtureRequest) -> Callable[[str], tuple[str, ...]]:
    """The options that choose a backend; the cluster starts when the first run needs it."""

    def options(backend: str) -> tuple[str, ...]:
        return ("--address", request.getfixturevalue("cluster")) if backend == "ray" else ("--backend", "local")

    return options


@pytest.fixture(scope="module")
def finished(
    commands: CommandProcess,
    where: Callable[[str], tuple[str, ...]],
    echo: EchoApi,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Finished]:
    """A run of this backend with these arguments; asked for again it is the same one."""

    @cache
    def run(backend: str, engine: str, *arguments: str) -> Finished:
        folder = tmp_path_factory.mktemp("workspace")
        (folder / "reqflo.yaml").write_text(WORKSPACE.replace("ECHO", echo.url).replace("ENGINE", engine))
        rows = "".join(f"row-{index:03d},{_code(index)}\n" for index in range(ROWS))
        (folder / "mixed.csv").write_text("ref,code\n" + rows)
        (folder / "empty.csv").write_text("ref,code\n")
        (folder / "codes.csv").write_text("code\n" + "200\n" * 30)
        (folder / "failing.csv").write_text("code\n" + "404\n" * ROWS)
        before = len(echo.seen)
        options = (*where(backend), "--workers", "2", "--run-id", "r1", "--json")
        ended = commands.run("run", *arguments, *options, folder=folder)
        return Finished(commands, folder, ended, len(echo.seen) - before)

    return run


class Finished:
    """A finished run, for asking."""

    def __init__(self, commands: CommandProcess, folder: Path, ended: Ended, requests: int) -> None:
        self._commands = commands
        self._folder = folder
        self.ended = ended
        self.requests = requests

    @property
    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.ended.json["counts"]
        return counts

    def ask(self, query: str) -> list[dict[str, Any]]:
        ended = self._commands.run("sql", query, "--run", "r1", "--format", "json", folder=self._folder)
        assert ended.code == 0, ended.err
        lines: list[dict[str, Any]] = ended.json
        return lines

    def command(self, *arguments: str) -> Ended:
        return self._commands.run(*arguments, folder=self._folder)


def _code(index: int) -> int:
    return 404 if index % 5 == 0 else 503 if index % 7 == 0 else 200


FAILING = sum(_code(index) != 200 for index in range(ROWS))
MIXED = ("mixed", "--data", "mixed.csv", "--key", "ref")


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_row_has_its_one_verdict(finished: Callable[..., Finished], backend: str) -> None:
    run = finished(backend, "httptools", *MIXED)
    assert run.ended.code == 1, run.ended.err
    assert (run.counts["rows"], run.counts["failed"], run.counts["passed"]) == (ROWS, FAILING, ROWS - FAILING)
    lines = run.ask("select row_index, row_key, status, failed_step, error_code from results order by row_index")
    assert [line["row_index"] for line in lines] == list(range(ROWS))
    for index, line in enumerate(lines):
        assert line["row_key"] == f"row-{index:03d}"
        assert line["status"] == ("passed" if _code(index) == 200 else "failed")
        assert (line["failed_step"] or "") == ("" if _code(index) == 200 else "first")
    assert f"backend {backend}" in run.ended.err
    assert run.command("verify", "r1").code == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_sent_for_a_step_that_is_skipped(finished: Callable[..., Finished], backend: str) -> None:
    run = finished(backend, "httptools", *MIXED)
    found = run.ask("select step_id, status, count(*) as number from steps group by all")
    assert {(line["step_id"], line["status"]): line["number"] for line in found} == {
        ("first", "passed"): ROWS - FAILING,
        ("first", "failed"): FAILING,
        ("second", "passed"): ROWS - FAILING,
        ("second", "skipped"): FAILING,
        ("third", "passed"): ROWS,
    }
    assert run.requests == run.counts["requests"] == 2 * ROWS + (ROWS - FAILING)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_are_spread_over_many_shards(finished: Callable[..., Finished], backend: str) -> None:
    found = finished(backend, "httptools", *MIXED).ask("select shard, count(*) as number from results group by 1")
    assert len(found) >= 4 and sum(line["number"] for line in found) == ROWS


@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_both_backends_end_alike(finished: Callable[..., Finished], engine: str) -> None:
    evidence = "failures" if engine == "httpx" else "full"
    local, ray = (finished(backend, engine, *MIXED, *_evidence(evidence)) for backend in BACKENDS)
    assert local.ended.code == ray.ended.code == 1
    assert local.counts == ray.counts
    assert {**local.ended.json, **_VARYING} == {**ray.ended.json, **_VARYING}
    for query in (
        "select * exclude (started_at, duration_ms, run_id, shard) from results order by row_index",
        "select row_index, row_key, step_id, attempt, status, error_code, error_message, http_request_method, url_full,"
        " http_request_body, http_response_status_code, outputs from steps order by row_index, step_index, attempt",
        "select row_index, step_id, type, path, operator, expected, status, message from assertions"
        " order by row_index, step_index, attempt, position",
    ):
        assert local.ask(query) == ray.ask(query)


# Of all rows that did not pass the verdict tells those that ended first.
_VARYING = {"started_at": "", "finished_at": "", "duration_ms": 0, "failures": []}


def _evidence(mode: str) -> tuple[str, ...]:
    return () if mode == "full" else ("--evidence", mode)


@pytest.mark.parametrize("backend", BACKENDS)
def test_evidence_is_kept_of_what_was_asked_for(finished: Callable[..., Finished], backend: str) -> None:
    query = (
        "select r.status, count(*) filter (len(map_keys(s.http_response_headers)) > 0) as kept, count(*) as steps"
        " from steps s join results r using (row_index) where s.status <> 'skipped' group by 1"
    )
    full = {line["status"]: line for line in finished(backend, "httptools", *MIXED).ask(query)}
    assert all(line["kept"] == line["steps"] for line in full.values())
    some = finished(backend, "httpx", *MIXED, *_evidence("failures"))
    failures = {line["status"]: line for line in some.ask(query)}
    assert failures["passed"]["kept"] == 0
    assert failures["failed"]["kept"] == failures["failed"]["steps"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_row_without_data_and_without_evidence(finished: Callable[..., Finished], backend: str) -> None:
    run = finished(backend, "httptools", "single", *_evidence("none"))
    assert run.ended.code == 0, run.ended.err
    assert run.counts["rows"] == run.counts["passed"] == run.requests == 1
    [step] = run.ask("select * from steps")
    assert step["http_response_body"] is None and step["status"] == "passed"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rate_is_held_over_all_workers(finished: Callable[..., Finished], backend: str) -> None:
    run = finished(backend, "httptools", "single", "--data", "codes.csv", "--rate", "10")
    assert run.ended.code == 0, run.ended.err
    [line] = run.ask("select min(started_at) as first, max(started_at) as last, count(*) as number from steps")
    assert line["number"] == 30
    first, last = (datetime.fromisoformat(str(line[name]).replace("Z", "")) for name in ("first", "last"))
    # 30 requests at 10 a second; each of two workers may send its first ones at once.
    assert (last - first).total_seconds() > 1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_new_row_starts_after_too_many_failures(finished: Callable[..., Finished], backend: str) -> None:
    # Slowed down, so that the stop finds rows that have not started, however busy the machine is.
    slowly = ("--concurrency", "1", "--rate", "20")
    run = finished(backend, "httptools", "single", "--data", "failing.csv", "--max-failures", "3", *slowly)
    assert run.ended.code == 1, run.ended.err
    # Within two seconds, and in the middle of the first shards, of 30 rows each or more.
    assert 3 <= run.counts["failed"] < ROWS / 3
    # Each row is one request, and every row that ended is counted, committed or not.
    assert run.counts["rows"] == run.requests
    assert "journaled: " in run.ended.err and "resume: reqflo-ray resume r1" in run.ended.err


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rows_are_nothing_to_run(finished: Callable[..., Finished], backend: str) -> None:
    run = finished(backend, "httptools", "mixed", "--data", "empty.csv")
    assert run.ended.code == 5 and "nothing_selected" in run.ended.err and run.requests == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_whose_rows_were_damaged_cannot_be_finished_and_says_so(
    commands: CommandProcess, where: Callable[[str], tuple[str, ...]], echo: EchoApi, tmp_path: Path, backend: str
) -> None:
    echo.reset()
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("ECHO", echo.url).replace("ENGINE", "httptools"))
    arguments = [COMMAND, "run", "held", "--run-id", "r1", "--backend", "local"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: any(seen.path == "/hold" for seen in list(echo.seen)), "the request that is held")
    finally:
        process.kill()
        process.wait()
    echo.release()
    [rows] = (tmp_path / ".reqflo" / "runs" / "r1" / "rows").iterdir()
    rows.write_bytes(rows.read_bytes()[:-9] + b"otherwise")
    ended = commands.run("resume", "r1", *where(backend), "--json", folder=tmp_path)
    assert ended.code == 3, ended.err
    assert "shard 0" in ended.err or "rows/shard-00000" in ended.err
    assert ended.json["status"] == "cancelled"
    assert "resume: reqflo-ray resume r1" in ended.err


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_finished_run_is_not_run_again(finished: Callable[..., Finished], backend: str, echo: EchoApi) -> None:
    run = finished(backend, "httptools", *MIXED)
    seen = len(echo.seen)
    again = run.command("resume", "r1", "--json")
    assert again.code == 1 and again.json == run.ended.json
    assert len(echo.seen) == seen


def test_the_codes_of_the_rows_are_what_this_suite_thinks() -> None:
    assert Counter(map(_code, range(ROWS))).keys() == {200, 404, 503}
