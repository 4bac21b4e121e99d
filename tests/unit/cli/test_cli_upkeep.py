"""`verify` and `prune`: findings, what is deleted, and what is kept nevertheless."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_api import FakeApi
from screens import CommandLine

from reqflo_ray._internal.runs.upkeep.pruning import Kept, Pruned
from reqflo_ray._internal.runs.upkeep.verify import FileFinding, FindingKind, VerifyReport


def test_verify_says_ok_or_exits_3_with_all_findings(command_line: CommandLine, api: FakeApi) -> None:
    intact = VerifyReport(run_id="r1", complete=True, files=4, bytes=999, rows=10, rows_lost=0, findings=())
    api.store.report = intact
    assert command_line("verify", "r1").out == "ok: r1: 4 files and 10 rows\n"
    findings = tuple(FileFinding(path=f"results/{name}", kind=FindingKind.DAMAGED, message="flipped") for name in "ab")
    api.store.report = replace(intact, rows=6, rows_lost=4, findings=findings)
    answer = command_line("verify", "r1")
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.splitlines() == [
        "error[damaged]: `results/a`: flipped",
        "",
        "error[damaged]: `results/b`: flipped",
        "",
        "2 errors",
        "lost: 4 rows of 10",
    ]
    assert command_line("verify", "r1", "--json").json["ok"] is False


def test_verify_of_an_unfinished_run_says_that_it_saw_a_part_and_proves_nothing(
    command_line: CommandLine, api: FakeApi
) -> None:
    api.store.report = VerifyReport(run_id="r1", complete=False, files=1, bytes=9, rows=1, rows_lost=0, findings=())
    answer = command_line("verify", "r1")
    assert (answer.code, answer.out) == (3, "ok so far: r1: 1 file and 1 row\n")
    assert "not finished" in answer.err
    assert command_line("verify", "r1", "--json").json["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        (("--keep", "3"), {"keep": 3, "older_than_s": None, "unfinished": False}),
        (("--keep", "0"), {"keep": 0, "older_than_s": None, "unfinished": False}),
        (("--older-than", "30d"), {"keep": None, "older_than_s": 2_592_000.0, "unfinished": False}),
        (("--older-than", "1.5h"), {"keep": None, "older_than_s": 5400.0, "unfinished": False}),
        (("--keep", "3", "--older-than", "1w"), {"keep": 3, "older_than_s": 604_800.0, "unfinished": False}),
        (("--keep", "3", "--unfinished"), {"keep": 3, "older_than_s": None, "unfinished": True}),
    ],
)
def test_prune_deletes_and_names_what_it_deleted(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...], limits: dict[str, object]
) -> None:
    api.store.deleted = Pruned(runs=("r1", "r2"), artifacts=("d",))
    answer = command_line("prune", *arguments)
    assert (answer.code, answer.out, answer.err) == (0, "r1\nr2\n", "deleted: 2 runs, 1 artifact\n")
    assert api.store.asked == [("prune", (), limits)]


def test_prune_says_which_runs_it_kept_and_how_they_would_go(command_line: CommandLine, api: FakeApi) -> None:
    kept = (
        Kept(run_id="r2", reason="it is unfinished and can be resumed", spared=True),
        Kept(run_id="r3", reason="it may be running"),
    )
    api.store.deleted = Pruned(runs=("r1",), kept=kept)
    answer = command_line("prune", "--keep", "0")
    assert (answer.code, answer.out) == (0, "r1\n")
    assert answer.err.splitlines() == [
        "kept: r2: it is unfinished and can be resumed",
        "kept: r3: it may be running",
        "deleted: 1 run, 0 artifacts; kept nevertheless: 2 runs",
        "hint: add `--unfinished` to delete damaged runs and runs that can be resumed as well",
    ]
    api.store.deleted = Pruned(runs=("r1",), kept=kept[1:])
    assert "hint" not in command_line("prune", "--keep", "0").err


def test_prune_ends_with_3_if_a_run_could_not_be_deleted(command_line: CommandLine, api: FakeApi) -> None:
    api.store.deleted = Pruned(kept=(Kept(run_id="r2", reason="cannot remove it (Permission denied)", failed=True),))
    answer = command_line("prune", "--keep", "0")
    assert answer.code == 3
    assert "kept: r2: cannot remove it (Permission denied)" in answer.err
    assert "hint" not in answer.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("--keep", "-1"), ("--older-than", "soon"), ("--older-than", "3"), ("--older-than", "-1d")],
)
def test_prune_deletes_nothing_unless_it_is_told_what(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...]
) -> None:
    assert command_line("prune", *arguments).code == 2
    assert api.calls == []
