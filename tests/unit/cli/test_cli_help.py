"""Help, examples, version and completion: each command explains itself, and quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from screens import CommandLine

from reqflo_ray._internal.cli.main import COMMANDS, Entry
from reqflo_ray._internal.cli.options.output import REPORT_FORMATS
from reqflo_ray._internal.reports.formats import FORMATS


def test_the_help_names_every_format(command_line: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    command_line("report", "--help")
    assert capsys.readouterr().out.startswith("Usage: reqflo-ray report [OPTIONS] RUN FORMAT=PATH...\n")
    assert ", ".join(FORMATS) == REPORT_FORMATS


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_each_command_explains_itself_in_one_sentence_with_examples(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert command_line(name, "--help").code == 0
    shown = capsys.readouterr().out
    usage, _, rest = shown.partition("\n\n")
    sentence = " ".join(rest.partition("\n\n")[0].split())
    assert usage.startswith(f"Usage: reqflo-ray {name}")
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
    assert "\nExamples:\n  reqflo-ray " in shown
    assert all(len(line) <= 100 for line in shown.splitlines())


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_example_is_a_command_line_that_exists(entry: Entry) -> None:
    import shlex
    from importlib import import_module

    from typer.main import get_command

    from reqflo_ray._internal.cli.main import build_application

    examples = import_module(entry.module).EXAMPLES.strip().splitlines()
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example.partition(" > ")[0])
        assert program == "reqflo-ray"
        group: Any = get_command(build_application(set(arguments)))
        with group.make_context("reqflo-ray", list(arguments)) as context:
            _, command, rest = group.resolve_command(context, arguments)
            command.make_context(arguments[0], rest, parent=context)


def test_help_lists_every_command_and_the_exit_codes(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line("--help").code == 0
    shown = capsys.readouterr().out
    for entry in COMMANDS:
        assert f"\n  {entry.name} " in shown
    assert "Exit codes:" in shown


def test_no_command_at_all_shows_the_help_and_is_a_usage_error(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line().code == 2
    assert capsys.readouterr().out.startswith("Usage: reqflo-ray")


def test_version_is_told(command_line: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert command_line("--version").code == 0
    assert capsys.readouterr().out == f"reqflo-ray {version('reqflo-ray')}\n"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from reqflo_ray._internal.cli.main import run_command_line\n"
        "from reqflo_ray._internal.cli.display.terminal import Terminal\n"
        "run_command_line(['run', '--help'], Terminal.of_process())\n"
        "heavy = {'ray', 'duckdb', 'pyarrow', 'google', 'aiohttp', 'httpx', 'jinja2', 'rich', 'ruamel'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_shown_and_completions_answered(shell: str) -> None:
    command = [sys.executable, "-c", "import sys; from reqflo_ray._internal.cli.main import main; sys.exit(main())"]
    words = {"COMP_WORDS": "reqflo-ray ru", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "reqflo-ray ru"}
    words |= {"_REQFLO_RAY_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    completed = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **words})
    assert completed.returncode == 0, completed.stderr
    assert "runs" in completed.stdout
    source = {"_REQFLO_RAY_COMPLETE": f"source_{shell}"}
    script = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **source})
    assert "_REQFLO_RAY_COMPLETE" in script.stdout
