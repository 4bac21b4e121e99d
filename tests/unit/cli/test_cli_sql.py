"""`sql`: answers as tables, files and text of other formats, and what cannot be written."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from fake_api import FakeApi, table
from screens import CommandLine

from reqflo_ray import QueryResult
from reqflo_ray._internal.analysis.session import AskedRun

# An escape sequence, and what a spreadsheet takes for a formula.
ODD = QueryResult(pa.table({"a": ["\x1b[2J", "=1+1"]}), ("VARCHAR",))
WRITTEN = {
    "csv": "a\n\x1b[2J\n'=1+1\n",
    "json": '[\n{"a":"\\u001b[2J"},\n{"a":"=1+1"}\n]\n',
}


def test_sql_prints_a_table_and_does_not_cut_it_when_piped(command_line: CommandLine, api: FakeApi) -> None:
    api.store.answers = [("select", table("key value", ("a" * 300, 1), ("b", None)))]
    answer = command_line("sql", "select 1", "--run", "r1", "--run", "r2")
    assert answer.out.splitlines() == [
        "key" + " " * 299 + "value",
        "a" * 300 + "  " + "    1",
        "b" + " " * 299 + "  " + " NULL",
    ]
    assert api.store.asked == [("query", ("select 1", ("r1", "r2")), {})]


def test_sql_says_that_a_store_has_no_run(command_line: CommandLine, api: FakeApi) -> None:
    api.store.answers = [("select", replace(ODD, runs=()))]
    assert command_line("sql", "select 1", "--format", "csv").err == "the store has no runs: all views are empty\n"


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_sql_says_which_run_it_asked_when_none_is_named(command_line: CommandLine, api: FakeApi, kind: str) -> None:
    asked = AskedRun("nightly-7", "place-\x1border", datetime(2026, 11, 29, 2, 20, 10, tzinfo=UTC))
    api.store.answers = [("select", replace(ODD, runs=(asked,)))]
    told = (
        "from the latest run, nightly-7 of place-\\x1border, created 2026-11-29 02:20:10 UTC;"
        " for all runs, add `--run all`\n"
    )
    unnamed = command_line("sql", "select 1", "--format", kind)
    named = command_line("sql", "select 1", "--format", kind, "--run", "nightly-7")
    assert (unnamed.err, named.err, unnamed.out) == (told, "", named.out)


def test_sql_reads_a_long_question_from_standard_input(
    command_line: CommandLine, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1\nfrom results"))
    api.store.answers = [("from results", table("n", (1,)))]
    assert command_line("sql", "-").out == "n\n1\n"


def test_sql_cuts_cells_on_a_terminal_to_its_width(command_line: CommandLine, api: FakeApi) -> None:
    api.store.answers = [("select", table("key value", ("a" * 300, 1)))]
    answer = command_line("sql", "select 1", "--run", "r1", is_terminal=True, columns=40, environment={"NO_COLOR": "1"})
    assert all(len(line) <= 40 for line in answer.out.splitlines())
    assert "…" in answer.out
    assert answer.err == "(1 row)\n"


@pytest.mark.parametrize(("option", "shown"), [((), "a\n\\x3a:error::x\n"), (("--raw",), "a\n::error::x\n")])
def test_sql_breaks_orders_to_ci_in_csv_unless_cells_are_wanted_as_they_are(
    command_line: CommandLine, api: FakeApi, option: tuple[str, ...], shown: str
) -> None:
    api.store.answers = [("select", QueryResult(pa.table({"a": ["::error::x"]}), ("VARCHAR",)))]
    assert command_line("sql", "select 1", "--format", "csv", *option).out == shown


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (("--format", "csv"), WRITTEN["csv"]),
        (("--format", "csv", "--raw"), WRITTEN["csv"].replace("'", "")),
        (("--format", "json"), WRITTEN["json"]),
    ],
)
def test_sql_in_another_format_is_written_as_it_is(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...], written: str
) -> None:
    api.store.answers = [("select", ODD)]
    answer = command_line("sql", "select 1", "--run", "r1", *arguments)
    assert (answer.code, answer.out, answer.err) == (0, written, "")


@pytest.mark.parametrize("ending", WRITTEN)
@pytest.mark.parametrize("named", [True, False])
def test_sql_knows_the_format_by_the_ending_of_the_file(
    command_line: CommandLine, api: FakeApi, tmp_path: Path, ending: str, named: bool
) -> None:
    api.store.answers = [("select", ODD)]
    path = tmp_path / (f"x.{ending}" if not named else "x")
    answer = command_line("sql", "select 1", "--run", "r1", "-o", str(path), *(("--format", ending) if named else ()))
    assert (answer.code, answer.out, answer.err) == (0, "", f"written: {path}\n")
    assert path.read_text() == WRITTEN[ending]
    assert api.store.asked == [("query", ("select 1", ("r1",)), {"outputs": [path]})]


@pytest.mark.parametrize(
    ("arguments", "is_terminal", "code"),
    [
        (("--format", "parquet"), True, "binary_to_terminal"),
        (("-o", "answer.txt"), False, "missing_format"),
        (("--format", "table", "-o", "answer.csv"), False, "missing_format"),
        (("--raw",), False, "raw_without_csv"),
        (("--format", "xml"), False, "usage"),
    ],
)
def test_sql_refuses_what_cannot_be_written(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...], is_terminal: bool, code: str
) -> None:
    answer = command_line("sql", "select 1", *arguments, environment={"NO_COLOR": "1"}, is_terminal=is_terminal)
    assert answer.code == 2
    assert f"error[{code}]" in answer.err
    assert api.calls == []


def test_csv_is_escaped_where_a_person_reads_it(command_line: CommandLine, api: FakeApi) -> None:
    api.store.answers = [("select", ODD)]
    shown = command_line("sql", "select 1", "--format", "csv", is_terminal=True).out
    assert shown == WRITTEN["csv"].replace("\x1b", "\\x1b")
    assert command_line("sql", "select 1", "--format", "csv").out == WRITTEN["csv"]


def test_sql_writes_parquet_into_a_pipe(command_line: CommandLine, api: FakeApi) -> None:
    api.store.answers = [("select", ODD)]
    answer = command_line("sql", "select 1", "--format", "parquet")
    assert answer.code == 0 and answer.out.startswith("PAR1")
