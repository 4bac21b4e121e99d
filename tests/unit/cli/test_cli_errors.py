"""How commands are refused and fail: wrong command lines, errors and their exit codes, readers that leave."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from fake_api import FakeApi, summary
from screens import ClosedStream, CommandLine

from reqflo_ray._internal.errors import (
    ClusterError,
    DatasetError,
    DefinitionError,
    InterruptedRunError,
    NothingSelectedError,
    QueryError,
    ReqfloError,
    RunConflictError,
    SecretError,
    StoreError,
)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "missing_journey"),
        (("a", "--artifact", "b.json"), "journey_and_artifact"),
        (("a", "--key", "k"), "key_without_data"),
        (("a", "--fail-fast", "--max-failures", "2"), "two_limits"),
        (("a", "--set", "total"), "invalid_set"),
        (("a", "--set", "=3"), "invalid_set"),
        (("a", "--set", "t=1", "--set", "t=2"), "repeated_set"),
        (("a", "--rate", "0"), "invalid_rate"),
        (("a", "--rate", "-3"), "invalid_rate"),
        (("a", "--rate", "nan"), "invalid_rate"),
        (("a", "--rate", "inf"), "invalid_rate"),
        (("a", "--rate", "fast"), "usage"),
        (("a", "--workers", "0"), "invalid_workers"),
        (("a", "--workers", "-2"), "invalid_workers"),
        (("a", "--workers", "many"), "invalid_workers"),
        (("a", "--workers", "8:2"), "invalid_workers"),
        (("a", "--workers", ""), "invalid_workers"),
        (("a", "--concurrency", "many"), "usage"),
        (("a", "--backend", "spark"), "usage"),
        (("a", "--evidence", "some"), "usage"),
        (("a", "--no-such-option"), "usage"),
        (("a", "b"), "usage"),
        (("a", "--data"), "usage"),
    ],
)
def test_a_wrong_command_line_is_refused_with_a_hint(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...], code: str
) -> None:
    answer = command_line("run", *arguments)
    assert answer.code == 2
    assert answer.err.startswith(f"error[{code}]: ")
    assert "\nhint: " in answer.err
    assert answer.out == ""
    assert api.calls == []


def test_the_value_of_a_broken_set_is_not_repeated(command_line: CommandLine, api: FakeApi) -> None:
    assert "hunter22" not in command_line("run", "a", "--set", "=hunter22").err
    assert "hunter22" not in command_line("run", "a", "--set", "p=hunter22", "--set", "p=hunter22").err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DefinitionError, 2),
        (DatasetError, 2),
        (RunConflictError, 2),
        (QueryError, 2),
        (NothingSelectedError, 5),
        (StoreError, 3),
        (SecretError, 3),
        (ClusterError, 3),
        (InterruptedRunError, 130),
    ],
)
def test_an_error_of_the_api_becomes_words_and_its_exit_code(
    command_line: CommandLine, api: FakeApi, error: type[ReqfloError], code: int
) -> None:
    api.answer = error("what went wrong", hint="what to do")
    answer = command_line("run", "place-order")
    assert answer.code == code
    assert answer.err == f"error[{error.default_code}]: what went wrong\nhint: what to do\n"


@pytest.mark.parametrize("command", ["run", "resume", "rerun", "submit", "check", "status", "show", "verify"])
def test_a_refusal_is_a_document_too_where_json_is_asked_for(
    command_line: CommandLine, api: FakeApi, command: str
) -> None:
    api.answer = DefinitionError("what went wrong", code="invalid_step", hint="what to do")
    answer = command_line(command, "r1", "--json", "--no-such-option")
    shown = json.loads(answer.out)
    assert (answer.code, shown["ok"], shown["exit_code"]) == (2, False, 2)
    assert [problem["code"] for problem in shown["problems"]] == ["usage"]


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (DefinitionError("what went wrong", code="invalid_step"), "invalid_step", 2),
        (NothingSelectedError("no row"), "nothing_selected", 5),
        (StoreError("no disk"), "store_error", 3),
        (ValueError("token=hunter22"), "internal_error", 3),
        (InterruptedRunError("stopped"), "interrupted", 130),
    ],
)
def test_whatever_ends_a_command_is_in_its_document(
    command_line: CommandLine, api: FakeApi, error: BaseException, code: str, exit_code: int
) -> None:
    api.answer = error
    answer = command_line("run", "place-order", "--json")
    shown = json.loads(answer.out)
    assert (answer.code, shown["exit_code"], shown["problems"][0]["code"]) == (exit_code, exit_code, code)
    assert "hunter22" not in answer.out
    assert command_line("run", "place-order").out == ""


def test_nobody_has_to_read_the_document_of_a_refusal(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = DefinitionError("what went wrong")
    answer = command_line("run", "place-order", "--json", out=ClosedStream())
    assert answer.code == 2
    assert "what went wrong" in answer.err


def test_a_stop_by_sigterm_exits_143(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = InterruptedRunError("stopped", exit_code=143)
    assert command_line("run", "place-order").code == 143


def test_an_unforeseen_error_is_named_without_its_text(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = ValueError("token=hunter22")
    answer = command_line("run", "place-order")
    assert answer.code == 3
    assert answer.err.startswith("error[internal_error]: internal error: ValueError in ")
    assert "hunter22" not in answer.err
    assert "Traceback" not in answer.err


def test_the_traceback_of_an_unforeseen_error_is_shown_when_asked_for(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = ValueError("\x1b[2J")
    answer = command_line("run", "place-order", environment={"REQFLO_DEBUG": "1"})
    assert answer.code == 3
    assert "Traceback (most recent call last)" in answer.err
    assert "\x1b" not in answer.err


def test_ctrl_c_exits_130_without_a_traceback(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = KeyboardInterrupt()
    answer = command_line("run", "place-order")
    assert answer.code == 130
    assert "Traceback" not in answer.err


def test_a_reader_that_leaves_is_no_error(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1")]
    answer = command_line("runs", out=ClosedStream())
    assert (answer.code, answer.err) == (0, "")


def test_a_pipe_that_closes_early_leaves_no_trace_of_an_error() -> None:
    program = (
        "import sys, reqflo_ray; from reqflo_ray._internal.cli.main import main\n"
        "reqflo_ray.schema = lambda: ['x' * 100] * 50_000\n"
        "sys.argv = ['reqflo-ray', 'schema']; sys.exit(main())"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stderr is not None
    with writer, writer.stdout, writer.stderr:
        writer.stdout.read(10)
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 0


def test_an_unknown_command_is_answered_with_a_similar_one(command_line: CommandLine) -> None:
    answer = command_line("chek")
    assert answer.code == 2
    assert "Did you mean 'check'" in answer.err
