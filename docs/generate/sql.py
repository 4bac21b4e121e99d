"""The pages of the SQL views and of the Parquet tables below them: names and types as DuckDB and Arrow have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import duckdb
import pyarrow as pa

from docs.generate.markdown import block, code, page, table, text
from reqflo_ray._internal.analysis import comments, views
from reqflo_ray._internal.model.results import TABLE_VERSION
from reqflo_ray._internal.runs.results import tables
from reqflo_ray._internal.runs.results.tables import Column

_TABLES: Final[Mapping[str, tuple[Column, ...]]] = {"results": tables.RESULTS, "steps": tables.STEPS}
# Arrow's words for what the name of a type does not say in a line.
_LONG_TYPES: Final = {
    tables.HEADERS: "map<string, string>",
    pa.list_(tables.ASSERTION): "list<struct>",
    pa.list_(tables.EVENT): "list<struct>",
}


def pages() -> Mapping[str, str]:
    """Return a page for the views and one for the files."""
    return {"sql.md": _views(), "parquet.md": _files()}


def _views() -> str:
    types = _duckdb_types()
    parts = [
        "[`reqflo-ray sql`](cli/sql.md) and `Store.query` answer one `SELECT`, in the SQL of DuckDB, over five views. "
        "Instants are in UTC, durations are milliseconds as `DOUBLE`, and what does not exist is null.",
        table(
            ("View", "Contents"),
            [(f"[`{name}`](#{name})", text(f"{view.line}.")) for name, view in comments.VIEWS.items()],
        ),
        "A question goes to the latest run; `--run RUN` names another, and `--run all` asks every run. "
        "`describe VIEW` shows this page on the terminal:",
        block('reqflo-ray sql "describe results"', "sh"),
    ]
    for name, view in comments.VIEWS.items():
        rows = [
            (code(column), code(_short(types[name][column])), text(words)) for column, words in view.columns.items()
        ]
        parts += [f"## {name}", text(f"{view.line}."), table(("Column", "Type", "Meaning"), rows)]
    return page("SQL views", *parts)


def _duckdb_types() -> Mapping[str, Mapping[str, str]]:
    """Return the type of each column by view, from views of empty tables."""
    with duckdb.connect(":memory:") as connection:
        for name, empty in (
            ("runs", views.RUNS.empty_table()),
            (views.NO_RESULTS, views.empty_table(tables.RESULTS)),
            (views.NO_STEPS, views.empty_table(tables.STEPS)),
        ):
            connection.register("source", empty)
            connection.execute(f"CREATE TABLE {name} AS FROM source")
        for statement in (views.results_view(()), views.steps_view(()), views.ASSERTIONS, views.LOGS):
            connection.execute(statement)
        found = connection.execute("SELECT table_name, column_name, data_type FROM duckdb_columns()").fetchall()
    return {view: {column: kind for table_, column, kind in found if table_ == view} for view in comments.VIEWS}


def _short(kind: str) -> str:
    return "STRUCT(…)[]" if kind.startswith("STRUCT") else kind


def _files() -> str:
    parts = [
        "A run keeps its results in Parquet files that any tool reads: `runs/RUN/results/*.parquet` with one line per "
        "row, and `runs/RUN/steps/*.parquet` with one line per attempt of a step. A finished run has no other files "
        "in these folders. The [SQL views](sql.md) show the same columns with their meaning.",
        f"The schema has version {TABLE_VERSION}; each file names it in its metadata as `reqflo_schema_version`. "
        "A later version only adds columns. Version 1, of reqflo-ray 0.1.0, has durations as decimals and lacks the "
        f"columns that are marked with {TABLE_VERSION} here.",
    ]
    for name, columns in _TABLES.items():
        meanings = comments.VIEWS[name].columns
        rows = [(code(each.name), code(_arrow(each.type)), _since(each), text(meanings[each.name])) for each in columns]
        parts += [f"## {name}", table(("Column", "Arrow type", "Since version", "Meaning"), rows)]
    nested = {"assertions": (tables.ASSERTION, "assertions"), "events": (tables.EVENT, "logs")}
    for column, (struct, view) in nested.items():
        meanings = comments.VIEWS[view].columns
        fields = [(code(each.name), code(each.type), text(meanings[each.name])) for each in struct]
        parts += [f"## Elements of `{column}`", table(("Field", "Arrow type", "Meaning"), fields)]
    return page("Parquet files", *parts)


def _arrow(kind: pa.DataType) -> str:
    return _LONG_TYPES.get(kind, str(kind))


def _since(column: Column) -> str:
    return str(TABLE_VERSION) if column.name in tables.SINCE_2 else "1"
