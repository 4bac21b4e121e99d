"""Codes of the data files of a run."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode("invalid_dataset", "Rows cannot be read or used.", "Correct what the findings name."),
    ErrorCode("damaged_gzip", "A compressed file is cut or damaged.", "Compress it again."),
    ErrorCode("damaged_parquet", "A file cannot be read as Parquet.", "Write it again."),
    ErrorCode("data_from_terminal", "Rows are to come from a terminal.", "Pipe them in, or name a file."),
    ErrorCode("dataset_changed", "A file is not what it was when the run began.", "Restore it, or start a new run."),
    ErrorCode(
        "delimiter_found", "A CSV file is read with other delimiters than commas.", "Name it with `--delimiter`."
    ),
    ErrorCode("different_columns", "Files of one dataset have different columns.", "Give all the same columns."),
    ErrorCode("duplicate_column", "Two columns have one name.", "Rename one of them."),
    ErrorCode("empty_rows", "Rows of empty cells were passed over.", 'Delete them, or write `""` for an empty text.'),
    ErrorCode("file_given_twice", "A file is named twice, so its rows would run twice.", "Name it once."),
    ErrorCode("invalid_encoding", "Bytes are not valid in the encoding.", "Name the true one with `--encoding`."),
    ErrorCode("invalid_json", "A row is no valid JSON.", "Correct it at its place."),
    ErrorCode("invalid_key", "The key of a row is no text or number.", "Choose another column with `--key`."),
    ErrorCode("invalid_rows", "What is given as rows are none.", "Give mappings, an Arrow table or a frame."),
    ErrorCode("invalid_status", "A row expects a status that is none.", "Write a number, `2xx` or `200-299`."),
    ErrorCode("missing_column", "A column is missing.", "Add it, or correct its name in the header."),
    ErrorCode("more_problems", "There are more problems than are shown.", "Correct those, then check again."),
    ErrorCode("no_header", "A file has no columns.", "Name the columns in its first row."),
    ErrorCode("no_json_value", "A Parquet value has no form in JSON.", "Convert the column."),
    ErrorCode("no_such_file", "There is no such file, or none matches.", "Correct the path; quote a pattern."),
    ErrorCode("not_a_file", "The name is that of no regular file.", "Name the files in the folder."),
    ErrorCode("not_an_array", "A JSON file holds no array of objects.", "Write `[{…}, {…}]`, or name it `.jsonl`."),
    ErrorCode("not_an_object", "A row is no JSON object.", "Write each row as an object."),
    ErrorCode("not_text", "A file is no text in the encoding.", "Name the true one with `--encoding`."),
    ErrorCode("nothing_selected", "There is no row to run.", "Choose a dataset with rows, or other rows."),
    ErrorCode("nul_character", "A text file holds a NUL character.", "Name the true encoding with `--encoding`."),
    ErrorCode("padded_column", "The name of a column begins or ends with a blank.", "Remove the blank."),
    ErrorCode("repeated_member", "An object of a JSON row has a member twice.", "Keep one of the two."),
    ErrorCode("row_too_long", "A row is longer than is read.", "Look for a quote that is not closed."),
    ErrorCode("sensitive_key", "The key is shown in results, so it cannot be sensitive.", "Choose another column."),
    ErrorCode("stray_carriage_return", "A carriage return does not end a line.", "End lines with LF or CRLF."),
    ErrorCode("stray_quote", "A quote stands inside a cell without quotes.", "Put the cell in quotes, and double it."),
    ErrorCode("text_after_quote", "Text follows the closing quote of a cell.", "Write quotes inside quotes twice."),
    ErrorCode("unknown_encoding", "There is no encoding of that name.", "Write one such as utf-8 or cp1252."),
    ErrorCode("unnamed_column", "A column has no name.", "Name it in the header."),
    ErrorCode("unreadable_file", "A file cannot be read.", "Correct its rights or its place."),
    ErrorCode("unsupported_column", "A Parquet column is of a type that cannot be used.", "Convert or remove it."),
    ErrorCode("unsupported_format", "The format of a file is not known.", "Save it as CSV, JSON or Parquet."),
    ErrorCode("unterminated_quote", "A quote is never closed.", "Close it."),
    ErrorCode("wrong_cell_count", "A row has more or fewer cells than the header.", "Put delimiters in quotes."),
    ErrorCode("wrong_delimiter", "It cannot be told what separates cells.", "Name it with `--delimiter`."),
    ErrorCode("wrong_encoding", "A file is UTF-16 or UTF-32.", "Name it with `--encoding`."),
)
