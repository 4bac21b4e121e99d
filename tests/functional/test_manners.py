"""How the program behaves as a neighbour: what goes to which stream, colours, progress, documents, help, history."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import PROGRAM, RUN_ORDERS

from reqflo_ray._internal.cli.main import COMMANDS
from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions


def _environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "CI")}
    return {**kept, "TERM": "xterm-256color", **extra}


def _on_a_terminal(*arguments: str, **extra: str) -> tuple[int, str]:
    """Run the program on a pseudo-terminal; its exit code and all that it drew."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([PROGRAM, *arguments], stdout=theirs, stderr=theirs, env=_environment(**extra))
    os.close(theirs)
    drawn = b""
    try:
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            drawn += piece
        return process.wait(60), drawn.decode()
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def test_the_module_is_the_program() -> None:
    wrong = [
        subprocess.run([*program, "nonsense"], capture_output=True, timeout=60)
        for program in ([PROGRAM], [sys.executable, "-m", "reqflo_ray"])
    ]
    assert wrong[0].returncode == wrong[1].returncode == 2 and wrong[0].stderr == wrong[1].stderr


def test_standard_output_holds_data_only(orders: Path, command: Callable[..., Any]) -> None:
    ended = command(*RUN_ORDERS)
    assert ended.out == "" and "status: passed" in ended.err
    ended = command(*RUN_ORDERS, "--json", "--quiet")
    assert ended.json["counts"]["rows"] == 100
    assert ended.err.startswith("status: passed")


def test_the_document_of_a_run_holds_every_row(orders: Path, command: Callable[..., Any]) -> None:
    ended = command(*RUN_ORDERS, "--output", "result.json", "--run-id", "r1")
    assert ended.err.splitlines()[-1] == "written: result.json"
    document = json.loads((orders / "result.json").read_text())
    assert document["schema"] == "reqflo-ray/run-result/1"
    assert (document["run_id"], document["verdict"]["status"]) == ("r1", "passed")
    assert [row["row_index"] for row in document["rows"]] == list(range(100))
    assert document["rows"][0]["inputs"].keys() >= {"order_ref", "customer_id", "total"}


def test_an_artifact_runs_as_its_journey_does(orders: Path, command: Callable[..., Any]) -> None:
    compiled = command("compile", "place-order", "-o", "place-order.json")
    digest = compiled.out.strip()
    assert len(digest) == 64 and command("compile", "place-order").out.strip() == digest
    written = (orders / "place-order.json").read_bytes()
    from_journey = command(*RUN_ORDERS, "--json").json
    again = ("run", "--artifact", "place-order.json", *RUN_ORDERS[2:])
    from_artifact = command(*again, "--json").json
    assert from_journey["artifact"] == from_artifact["artifact"] == digest
    assert from_journey["counts"] == from_artifact["counts"]
    # What was compiled goes on meaning what it meant.
    journey = orders / "journeys" / "place-order.yaml"
    journey.write_text(journey.read_text().replace("expected: 201", "expected: 299"))
    assert command(*again).code == 0 and command(*RUN_ORDERS).code == 1
    assert (orders / "place-order.json").read_bytes() == written


@pytest.mark.parametrize("extra", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_colours_can_be_turned_off(orders: Path, extra: dict[str, str]) -> None:
    code, drawn = _on_a_terminal("run", "place-oder", **extra)
    assert code == 2 and "unknown_journey" in drawn and "\x1b[" not in drawn


def test_a_terminal_has_colours_and_a_bar_and_a_pipe_has_neither(orders: Path) -> None:
    code, drawn = _on_a_terminal(*RUN_ORDERS)
    assert code == 0 and "\x1b[" in drawn and "status:" in drawn
    piped = subprocess.run([PROGRAM, *RUN_ORDERS], capture_output=True, env=_environment(), check=True)
    assert b"\x1b" not in piped.stdout + piped.stderr and b"\r" not in piped.stderr


def test_a_bar_leaves_a_silent_terminal_in_ci(orders: Path) -> None:
    _, drawn = _on_a_terminal(*RUN_ORDERS, CI="true")
    assert "\x1b[?25l" not in drawn  # the cursor is hidden by what redraws itself


def test_a_log_gets_a_line_of_progress_now_and_then(
    orders: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reqflo_ray._internal.cli.display.progress.SECONDS_BETWEEN_LINES", 0.0)
    with DemoServer(ServerOptions(port=0, latency_ms=300)) as slow:
        environments = orders / "environments" / "environments.yaml"
        lines = environments.read_text().splitlines()
        places = [index for index, line in enumerate(lines) if "base_url" in line]
        lines[places[0]] = f'    shop-api: {{base_url: "{slow.url}"}}'
        environments.write_text("\n".join(lines) + "\n")
        ended = command(*RUN_ORDERS)
        quiet = command(*RUN_ORDERS, "--quiet")
    assert ended.code == 0, ended.err
    told = [line for line in ended.err.splitlines() if " steps/s" in line]
    assert told and "rows " in told[0] and "/100" in told[0]
    assert "steps/s" not in quiet.err


def test_runs_are_listed_shown_and_pruned(orders: Path, command: Callable[..., Any]) -> None:
    assert "no runs in" in command("runs").err
    for number in range(4):
        assert command("run", "place-order", "--case", "Gift order", "--run-id", f"r{number}").code == 0
    assert {run["run_id"] for run in command("runs", "--json").json} == {"r0", "r1", "r2", "r3"}
    assert command("show", "latest").out == command("show", "r3").out
    assert command("show", "r3", "--json").json["counts"]["passed"] == 1
    assert "unknown_row" in command("show", "latest", "--row", "99").err
    pruned = command("prune", "--keep", "2")
    assert sorted(pruned.out.split()) == ["r0", "r1"]
    assert "deleted: 2 runs, 0 artifacts" in pruned.err
    assert {run["run_id"] for run in command("runs", "--json").json} == {"r2", "r3"}
    assert command("prune", "--older-than", "1h").out == ""
    assert command("prune", "--keep", "0").err.strip().endswith("deleted: 2 runs, 1 artifact")
    assert command("prune", "--older-than", "soon").code == 2


def test_a_prefix_names_a_run_if_only_one_begins_so(orders: Path, command: Callable[..., Any]) -> None:
    for name in ("nightly-1", "nightly-2", "other"):
        command("run", "place-order", "--case", "Gift order", "--run-id", name)
    assert command("show", "oth").code == 0
    assert "2 runs begin with" in command("show", "nightly").err
    assert command("sql", "select count(*) from results", "--run", "other", "--run", "nightly-1").code == 0


def test_a_store_in_a_project_keeps_itself_out_of_version_control(orders: Path, command: Callable[..., Any]) -> None:
    command("run", "place-order", "--case", "Gift order")
    assert (orders / ".reqflo" / ".gitignore").read_text().strip().splitlines()[-1] == "*"


def test_the_store_is_where_the_option_or_else_the_environment_says(
    orders: Path, command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQFLO_STORE", str(tmp_path / "from-environment"))
    run = ("run", "place-order", "--case", "Gift order")
    assert "--store" not in command(*run, "--run-id", "a").err
    told = command(*run, "--run-id", "b", "--store", str(tmp_path / "from option")).err
    assert f"--store '{tmp_path / 'from option'}'" in told
    assert [run["run_id"] for run in command("runs", "--json").json] == ["a"]
    assert not (orders / ".reqflo").exists()


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_every_command_explains_itself_with_examples(
    name: str, command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(name, "--help").code == 0
    shown = capsys.readouterr().out
    assert "Usage: reqflo-ray" in shown and "Examples:" in shown
    assert f"reqflo-ray {name}" in shown.partition("Examples:")[2]


def test_help_lists_every_command_and_the_exit_codes(
    command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--help").code == 0
    shown = capsys.readouterr().out
    assert all(entry.name in shown and entry.summary.split()[0] in shown for entry in COMMANDS)
    assert "Exit codes:" in shown
    assert command().code == 2


def test_a_workspace_that_init_makes_runs(
    shop: DemoServer, command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_CLIENT_SECRET", "made-up-client-secret")
    assert command("init", "mine").code == 0
    for path in (tmp_path / "mine").rglob("*.yaml"):
        path.write_text(path.read_text().replace("http://127.0.0.1:8480", shop.url))
    journeys = [line for path in (tmp_path / "mine").rglob("*.yaml") for line in path.read_text().splitlines()]
    assert any(line.startswith("journey:") for line in journeys)
    assert command("init", "mine").code == 2  # nothing of a person is overwritten


def test_a_reader_that_goes_away_is_no_crash(orders: Path, command: Callable[..., Any]) -> None:
    command(*RUN_ORDERS)
    text = f"{PROGRAM} sql 'select * from steps' --run latest --format csv | head -1"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", text], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("run_id,") and ended.stderr == ""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("check place-order --json | true", 2),  # its inputs are missing
        ("check place-order --json > /dev/full", 2),
        ("schema > /dev/full", 3),
        ("schema >&-", 0),
        ("check place-oder 2>&-", 2),
    ],
)
def test_an_exit_code_does_not_depend_on_who_listens(orders: Path, line: str, code: int) -> None:
    if "/dev/full" in line and not os.path.exists("/dev/full"):
        pytest.skip("this system has no full device")
    command, _, reader = line.partition(" | ")
    text = f"{PROGRAM} {command}{' | ' + reader if reader else ''}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr and "bug" not in ended.stderr
    assert ("cannot write to standard output" in ended.stderr) == (code == 3)


def test_queries_come_from_standard_input_too(orders: Path, command: Callable[..., Any]) -> None:
    command("run", "place-order", "--case", "Gift order")
    ended = subprocess.run(
        [PROGRAM, "sql", "-", "--format", "csv"], input="select 1 as one", capture_output=True, text=True, check=True
    )
    assert ended.stdout == "one\n1\n"
