"""Codes of the command line and of the arguments of a call."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode(
        "usage",
        "The command, an option, or an argument is not known or not valid.",
        "Run `reqflo-ray COMMAND --help` to list its arguments and options.",
    ),
    ErrorCode(
        "address_in_use",
        "The demo API cannot listen on that address, often because another program does.",
        "Choose another port with `--port`; `--port 0` selects a free one.",
    ),
    ErrorCode(
        "address_without_cluster",
        "The backend `local` and the address of a cluster are both set, but cannot be used together.",
        "Remove `--backend local` to run on the cluster, or `--address` to run in this process.",
    ),
    ErrorCode(
        "binary_to_terminal",
        "The answer is in Parquet, a binary format, and would be written to a terminal.",
        "Write it to a file with `--output FILE.parquet`.",
    ),
    ErrorCode(
        "demo_started_twice",
        "The same `demo_api` is entered again while it is still running.",
        "Create another `demo_api` for the second server.",
    ),
    ErrorCode(
        "demo_not_started",
        "The demo API ended before it accepted connections.",
        "Run `reqflo-ray demo-api` in a terminal to see its error.",
    ),
    ErrorCode(
        "inconclusive_without_failed",
        "`--include-inconclusive` extends `--failed`, and `--failed` is not set.",
        "Add `--failed`; without it, `rerun` runs every row, inconclusive ones included.",
    ),
    ErrorCode("interrupted", "A signal stopped the command.", "Resume a stopped run with `reqflo-ray resume RUN`."),
    ErrorCode(
        "invalid_answer",
        "The status, headers, or body of a fake API's answer cannot be sent over HTTP.",
        "Correct the part of the scripted answer that the message names.",
    ),
    ErrorCode(
        "invalid_duration",
        "The age is not a number followed by a unit.",
        "Write a number and one of `s`, `m`, `h`, `d`, `w`, such as `30d`.",
    ),
    ErrorCode(
        "invalid_option",
        "The value of an option is outside the range that the option accepts.",
        "Set a value in the range that the hint shows.",
    ),
    ErrorCode(
        "invalid_prune",
        "`--keep` or `--older-than` is negative.",
        "Set `--keep` to 0 or more and `--older-than` to an age such as `30d`.",
    ),
    ErrorCode(
        "invalid_rate",
        "`--rate` is not a number above 0.",
        "Set requests per second, such as `--rate 50`; leave the option out for no limit.",
    ),
    ErrorCode(
        "invalid_report",
        "The value of `--report` is not of the form FORMAT=PATH.",
        "Write the format and the file, such as `--report junit=junit.xml`.",
    ),
    ErrorCode(
        "invalid_run_id",
        "The text is not a valid run ID, or is a reserved word (`latest`, `all`).",
        "Use up to 64 letters, digits, `.`, `_`, and `-`, and begin with a letter or digit.",
    ),
    ErrorCode(
        "invalid_script",
        "A scripted answer of a fake API can never be used.",
        "Correct the method, the path, or `times` of the answer.",
    ),
    ErrorCode(
        "invalid_set",
        "The value of `--set` is not of the form NAME=VALUE.",
        "Write the name and the value, such as `--set region=eu`; `--set region=` sets the empty text.",
    ),
    ErrorCode(
        "invalid_workers",
        "The value of `--workers` is not a number, a range, or `auto`.",
        "Write a number (`4`), a range (`2:8`), or `auto` for one worker per core.",
    ),
    ErrorCode(
        "journey_and_artifact",
        "Both a journey and `--artifact` are set, and an artifact already is a compiled journey.",
        "Remove the journey's name or `--artifact`.",
    ),
    ErrorCode(
        "key_without_data",
        "`--key` names a column of a dataset, and no dataset is set.",
        "Add `--data FILE`, or remove `--key`.",
    ),
    ErrorCode(
        "missing_format",
        "The name of the output file has no extension that says which format to write.",
        "Name the file `.csv`, `.json`, or `.parquet`, or add `--format`.",
    ),
    ErrorCode(
        "missing_journey",
        "Neither a journey nor an artifact is named.",
        "Name a journey, such as `reqflo-ray run place-order`, or set `--artifact FILE`.",
    ),
    ErrorCode(
        "missing_package",
        "A Python package that the requested form of the answer needs is not installed.",
        "Install the package that the hint names, or call `to_arrow()`.",
    ),
    ErrorCode(
        "no_temporary_folder",
        "Rows that are passed in memory cannot be written to the folder for temporary files.",
        "Free space in that folder, or set `TMPDIR` to another folder.",
    ),
    ErrorCode(
        "nothing_to_prune_by",
        "Neither `--keep` nor `--older-than` says which runs to delete.",
        "Set `--keep N`, `--older-than AGE`, or both to delete only runs that match both.",
    ),
    ErrorCode("one_statement", "The text holds several SQL statements, or none.", "Run one statement per query."),
    ErrorCode(
        "output_is_input",
        "A file to be written is also read by the run, such as its dataset or journey.",
        "Name another output file; files that are read are never overwritten.",
    ),
    ErrorCode(
        "output_not_writable",
        "A file, or standard output, cannot be written.",
        "Name a file in a folder that exists and that you may write to.",
    ),
    ErrorCode(
        "output_not_written",
        "A file could not be written after the run or report had ended.",
        "Free space at that place, then run `reqflo-ray report` to write the report again.",
    ),
    ErrorCode(
        "overlay_on_artifact",
        "An overlay changes a journey before it is compiled, and an artifact is already compiled.",
        "Compile the change in: `reqflo-ray compile JOURNEY --overlay NAME`.",
    ),
    ErrorCode(
        "query_error",
        "DuckDB cannot answer the query.",
        "Correct the SQL at the position shown; `reqflo-ray sql 'describe results'` lists columns.",
    ),
    ErrorCode(
        "raw_without_csv",
        "`--raw` changes how CSV cells are written, and the format is not CSV.",
        "Add `--format csv`, or remove `--raw`.",
    ),
    ErrorCode("repeated_path", "Two outputs of the command name the same file.", "Name a different file for each."),
    ErrorCode("repeated_set", "`--set` sets the same name twice.", "Remove one of the two."),
    ErrorCode(
        "result_without_wait",
        "A report or result is requested, but `--no-wait` returns before there is one.",
        "Run the same command later without `--no-wait` to fetch the result; no row runs twice.",
    ),
    ErrorCode(
        "select_only",
        "A query only reads the store, and the statement would change something.",
        "Write a `SELECT`, `WITH`, `FROM`, `DESCRIBE`, or `SUMMARIZE` statement.",
    ),
    ErrorCode("step_without_row", "The option concerns one row, and no row is named.", "Add `--row KEY`."),
    ErrorCode(
        "two_limits",
        "`--fail-fast` and `--max-failures` are both set.",
        "Remove one: `--fail-fast` means `--max-failures 1`.",
    ),
    ErrorCode(
        "transport_is_local",
        "A fake API answers in this process only, and Ray workers run in other processes.",
        "Run with the backend `local`, or call a `demo_api`, which listens on a port.",
    ),
    ErrorCode("unknown_backend", "The backend does not exist.", "Choose `auto`, `local`, or `ray`."),
    ErrorCode(
        "unknown_format",
        "The report or output format does not exist.",
        "Choose one of the formats that the hint lists.",
    ),
    ErrorCode(
        "unreadable_artifact",
        "The file that `--artifact` names does not exist or cannot be read.",
        "Correct the path, or write the file with `reqflo-ray compile JOURNEY -o FILE`.",
    ),
    ErrorCode(
        "workspace_exists",
        "The folder already holds files that `init` would overwrite.",
        "Choose another folder, such as `reqflo-ray init shop`.",
    ),
)
