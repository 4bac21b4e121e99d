"""Codes of the data files of a run."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode(
        "invalid_dataset",
        "Rows of the dataset cannot be read or used.",
        "Correct each finding; `reqflo-ray check JOURNEY --data FILE` lists them with file and line.",
    ),
    ErrorCode("damaged_gzip", "A compressed file is incomplete or damaged.", "Compress or copy the file again."),
    ErrorCode("damaged_parquet", "A file cannot be read as Parquet.", "Write or copy the file again."),
    ErrorCode(
        "data_from_terminal",
        "Rows are expected on standard input, but standard input is a terminal.",
        "Pipe the rows in, such as `cat rows.csv | reqflo-ray run JOURNEY --data -`, or name a file.",
    ),
    ErrorCode(
        "dataset_changed",
        "A file of the dataset has changed since the run started.",
        "Restore the file to resume the run, or start a new run.",
    ),
    ErrorCode(
        "delimiter_found",
        "The header of a CSV file shows another delimiter than a comma, and the file is read with that one.",
        "Set `--delimiter` to confirm the character and silence the warning.",
    ),
    ErrorCode(
        "different_columns",
        "The files of the dataset do not have the same columns.",
        "Write the same columns in every file, in any order.",
    ),
    ErrorCode("duplicate_column", "Two columns of a file have the same name.", "Rename one of them."),
    ErrorCode(
        "empty_rows",
        "Rows in which every cell is empty were skipped.",
        'Delete the rows, or write `""` in a cell that holds the empty text.',
    ),
    ErrorCode("file_given_twice", "The same file is named twice, so its rows would run twice.", "Name each file once."),
    ErrorCode(
        "invalid_encoding",
        "The file contains bytes that are not valid in the text encoding.",
        "Name the encoding of the file with `--encoding`.",
    ),
    ErrorCode("invalid_json", "A row is not valid JSON.", "Correct the JSON at the line and column shown."),
    ErrorCode(
        "invalid_key", "The key of a row is neither text nor a number.", "Choose another key column with `--key`."
    ),
    ErrorCode(
        "invalid_rows",
        "The rows passed to the Python API are not of a supported kind.",
        "Pass mappings, an Arrow table, or a pandas or polars frame.",
    ),
    ErrorCode(
        "invalid_status",
        "A row supplies an expected status that is not an HTTP status.",
        "Write a number such as `201`, a class such as `2xx`, or a range such as `200-299`.",
    ),
    ErrorCode(
        "missing_column",
        "The dataset lacks a column that the run needs.",
        "Add the column, or correct its name in the header.",
    ),
    ErrorCode(
        "more_problems",
        "The dataset has more problems than are shown.",
        "Correct the problems shown, then check again.",
    ),
    ErrorCode("no_header", "A file has no column names.", "Write the column names in the first row."),
    ErrorCode(
        "no_json_value",
        "A Parquet value, such as bytes or a duration, cannot be converted to JSON.",
        "Convert the column to text or a number before the run.",
    ),
    ErrorCode(
        "no_such_file",
        "A file does not exist, or no file matches the pattern.",
        "Correct the path, and quote a pattern so that the shell does not expand it.",
    ),
    ErrorCode(
        "not_a_file",
        "The path names something other than a regular file, such as a folder.",
        "Name the files in the folder, for example `'data/*.csv'`.",
    ),
    ErrorCode(
        "not_an_array",
        "A JSON file does not hold one array of objects.",
        "Write `[{…}, {…}]`, or name the file `.jsonl` if each line is an object.",
    ),
    ErrorCode(
        "not_an_object", "A row is not a JSON object.", 'Write each row as an object, such as `{"region": "eu"}`.'
    ),
    ErrorCode("not_text", "A file is not text in the encoding.", "Name the encoding of the file with `--encoding`."),
    ErrorCode(
        "nothing_selected",
        "There is no row to run: the dataset is empty, or no row matches the selection.",
        "Choose a dataset with rows, or select other rows.",
    ),
    ErrorCode(
        "nul_character",
        "A text file contains a NUL character, which often means another encoding.",
        "Name the encoding of the file, such as `--encoding utf-16`.",
    ),
    ErrorCode("padded_column", "A column name begins or ends with a blank.", "Remove the blank from the header."),
    ErrorCode(
        "repeated_member", "An object in a JSON row has the same member twice.", "Remove or rename one of the two."
    ),
    ErrorCode(
        "row_too_long",
        "A row is longer than the limit, often because a quote is not closed.",
        "Look for a missing closing quote or line end near the line shown.",
    ),
    ErrorCode(
        "sensitive_key",
        "The key column is sensitive, and row keys appear in results and reports.",
        "Choose another key column with `--key`.",
    ),
    ErrorCode(
        "stray_carriage_return",
        "A carriage return is inside a row instead of at the end of a line.",
        "End lines with LF or CRLF, or put the cell in quotes.",
    ),
    ErrorCode(
        "stray_quote",
        "A cell that does not begin with a quote contains one.",
        "Put the whole cell in quotes and double each quote inside it.",
    ),
    ErrorCode(
        "text_after_quote",
        "Text follows the closing quote of a cell.",
        'Double each quote inside the cell: `"a ""b"" c"`.',
    ),
    ErrorCode(
        "unknown_encoding",
        "The text encoding does not exist.",
        "Name a known encoding, such as `utf-8`, `utf-16`, or `cp1252`.",
    ),
    ErrorCode("unnamed_column", "A column has no name.", "Write a name for it in the header, or remove the column."),
    ErrorCode("unreadable_file", "A file cannot be read.", "Correct the permissions or the path of the file."),
    ErrorCode(
        "unsupported_column",
        "A Parquet column has a type that cannot be used.",
        "Convert the column to a supported type, or remove it.",
    ),
    ErrorCode(
        "unsupported_format",
        "The format of the file is not supported.",
        "Save the data as CSV, JSON, JSON Lines, or Parquet.",
    ),
    ErrorCode(
        "unterminated_quote",
        "A quote is opened and never closed.",
        "Close the quote, or double it if it is part of the text.",
    ),
    ErrorCode(
        "wrong_cell_count",
        "A row has more or fewer cells than the header.",
        "Put cells that contain the delimiter in quotes, and keep the delimiters of empty cells.",
    ),
    ErrorCode(
        "wrong_delimiter",
        "It is not clear from the file which character separates the cells.",
        "Name the character with `--delimiter`, such as `--delimiter ';'`.",
    ),
    ErrorCode(
        "wrong_encoding",
        "The file is UTF-16 or UTF-32, but is read in another encoding.",
        "Pass the `--encoding` that the hint names.",
    ),
)
