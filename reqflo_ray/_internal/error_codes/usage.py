"""Codes of the command line and of the arguments of a call."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode("usage", "A command, an option or an argument is not known.", "See `reqflo-ray COMMAND --help`."),
    ErrorCode("address_in_use", "The demo API cannot listen on that address.", "Choose another `--port`, or 0."),
    ErrorCode(
        "address_without_cluster",
        "`--backend local` and `--address` contradict each other.",
        "Leave one of the two out.",
    ),
    ErrorCode("binary_to_terminal", "Parquet is no text for a terminal.", "Add `--output FILE.parquet`."),
    ErrorCode("demo_started_twice", "The block of a demo API is entered again.", "Make another `demo_api`."),
    ErrorCode("demo_not_started", "The demo API ended before it listened.", "Start `reqflo-ray demo-api` by itself."),
    ErrorCode(
        "inconclusive_without_failed",
        "`--include-inconclusive` adds to `--failed`, which is not given.",
        "Add `--failed`; without it every row is run again.",
    ),
    ErrorCode(
        "interrupted",
        "A signal stopped the command.",
        "A run that was stopped goes on with `reqflo-ray resume RUN`.",
    ),
    ErrorCode("invalid_answer", "A fake API cannot answer so.", "Correct status, body or headers of the answer."),
    ErrorCode("invalid_duration", "An age is not a number with a unit.", "Write s, m, h, d or w behind it: `30d`."),
    ErrorCode("invalid_option", "The value of an option is out of its range.", "Give a value as the hint says."),
    ErrorCode("invalid_prune", "`--keep` or `--older-than` is negative.", "Give 0 or more."),
    ErrorCode("invalid_rate", "`--rate` is no number above 0.", "Give requests per second; leave it out for no limit."),
    ErrorCode("invalid_report", "`--report` is not FORMAT=PATH.", "Write it as in `--report junit=junit.xml`."),
    ErrorCode("invalid_run_id", "The text cannot be the id of a run.", "Use up to 64 letters, digits, `.`, `_`, `-`."),
    ErrorCode("invalid_script", "A scripted answer could never be given.", "Correct its method, path or `times`."),
    ErrorCode("invalid_set", "`--set` is not NAME=VALUE.", "Write it as in `--set region=eu`."),
    ErrorCode("invalid_workers", "`--workers` is no number, range or `auto`.", "Write `4`, `2:8` or `auto`."),
    ErrorCode(
        "journey_and_artifact",
        "A journey and `--artifact`, which is a compiled journey, are both given.",
        "Leave one of the two out.",
    ),
    ErrorCode("key_without_data", "`--key` names a column, and there is no dataset.", "Add `--data`."),
    ErrorCode("missing_format", "The name of a file does not say in which format to write.", "Add `--format`."),
    ErrorCode("missing_journey", "Neither journey nor artifact is given.", "Name a journey, or give `--artifact`."),
    ErrorCode("missing_package", "A package of Python is not installed.", "Install it, or take Arrow tables."),
    ErrorCode(
        "no_temporary_folder", "Rows from memory have no room in the temporary folder.", "Set TMPDIR to another."
    ),
    ErrorCode("nothing_to_prune_by", "Nothing says which runs to delete.", "Give `--keep N` or `--older-than AGE`."),
    ErrorCode("one_statement", "A question is one SQL statement.", "Ask one after another."),
    ErrorCode(
        "output_is_input",
        "A file to be written is one that is read.",
        "Name another file: what is read is not written over.",
    ),
    ErrorCode(
        "output_not_writable",
        "A file, or standard output, cannot be written.",
        "Choose a place that you may write to, and whose folder exists.",
    ),
    ErrorCode(
        "output_not_written",
        "A file could not be written in the end.",
        "Make room for it; `reqflo-ray report` writes a report again.",
    ),
    ErrorCode("overlay_on_artifact", "Overlays change a journey before it is compiled.", "Compile with `--overlay`."),
    ErrorCode("query_error", "DuckDB cannot answer the question.", "Correct the SQL at the place that is shown."),
    ErrorCode("raw_without_csv", "`--raw` is about cells of CSV.", "Add `--format csv`, or leave it out."),
    ErrorCode("repeated_path", "Two reports are to be written to one file.", "Give each a file of its own."),
    ErrorCode("repeated_set", "`--set` gives one name twice.", "Give each name once."),
    ErrorCode("result_without_wait", "`--no-wait` leaves before there is a result.", "Fetch it later, without it."),
    ErrorCode("select_only", "A store is asked, and never changed by a question.", "Ask with SELECT, WITH or FROM."),
    ErrorCode("step_without_row", "A step belongs to a row, and none is named.", "Add `--row KEY`."),
    ErrorCode(
        "two_limits",
        "`--fail-fast` and `--max-failures` are both given.",
        "Leave one out: `--fail-fast` is `--max-failures 1`.",
    ),
    ErrorCode(
        "transport_is_local",
        "A fake API cannot answer workers of Ray.",
        "Run in this process, or call a `demo_api` instead.",
    ),
    ErrorCode("unknown_backend", "There is no such backend.", "Choose `auto`, `local` or `ray`."),
    ErrorCode("unknown_format", "There is no report of that format.", "Choose one that the hint names."),
    ErrorCode("unreadable_artifact", "The file of `--artifact` cannot be read.", "Write one: `reqflo-ray compile`."),
    ErrorCode("workspace_exists", "`init` would write over a file.", "Choose another folder."),
)
