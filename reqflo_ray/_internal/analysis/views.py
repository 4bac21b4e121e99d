"""The SQL views, as text: `runs`, `results`, `steps`, `assertions`, `logs`. Knows DuckDB's words, touches no file.

Instants are in UTC and durations are doubles, rounded to the thousandths that were measured, whatever the files hold.
Files of every version of the tables are shown alike; what one lacks is null.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import pyarrow as pa

from reqflo_ray._internal.model.results import Counts
from reqflo_ray._internal.runs.results import tables
from reqflo_ray._internal.runs.results.tables import Column

# The variables that hold the lists of files, and the journeys of runs by their ids; and the empty tables that stand in
# where a list is empty.
RESULTS_FILES: Final = "results_files"
STEPS_FILES: Final = "steps_files"
JOURNEYS: Final = "journeys"
NO_RESULTS: Final = "no_results"
NO_STEPS: Final = "no_steps"

_RUN_COLUMNS: Final[dict[str, pa.DataType]] = {
    "run_id": pa.string(),
    "state": pa.string(),
    "status": pa.string(),
    "exit_code": pa.int32(),
    "journey": pa.string(),
    "journey_version": pa.string(),
    "environment": pa.string(),
    "insecure": pa.bool_(),
    # `case` and `user` would have to be quoted.
    "case_name": pa.string(),
    "presets": pa.list_(pa.string()),
    "overlays": pa.list_(pa.string()),
    "artifact": pa.string(),
    "created_at": tables.INSTANT,
    "started_at": tables.INSTANT,
    "finished_at": tables.INSTANT,
    "duration_ms": pa.float64(),
    **{name: pa.int64() for name in Counts.__struct_fields__},
    "rows_unreadable": pa.int64(),
    "user_name": pa.string(),
    "host": pa.string(),
    "backend": pa.string(),
    "rerun_of": pa.string(),
}
RUNS: Final = pa.schema(_RUN_COLUMNS)


def _readable_json(text: str) -> str:
    """The expression that makes JSON `text` readable for DuckDB, which fails a whole query for half of a surrogate
    pair: its escape, which is exact in the files, becomes the text of that escape."""
    # What is not a lone half is set aside meanwhile, marked with characters that JSON text contains only escaped:
    # escaped backslashes, and both halves of a pair.
    aside = rf"replace({text}, '\\', chr(1))"
    pair = r"'\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})'"
    aside = rf"regexp_replace({aside}, {pair}, chr(2) || '\1' || chr(3) || '\2', 'g')"
    shown = rf"regexp_replace({aside}, '\\ud[89a-f][0-9a-f][0-9a-f]', '\\\0', 'g')"
    shown = rf"replace(replace(replace({shown}, chr(3), '\u'), chr(2), '\u'), chr(1), '\\')"
    return rf"CASE WHEN contains({text}, '\ud') THEN {shown} ELSE {text} END"


ASSERTIONS: Final = f"""
CREATE VIEW assertions AS
SELECT run_id, journey, row_index, row_key, step_id, step_index, attempt, last_attempt, position,
       a.type AS type, a.path AS path,
       a.operator AS operator, {_readable_json("a.expected")} AS expected,
       {_readable_json("a.actual")} AS actual, a.status AS status, a.soft AS soft,
       a.origin AS origin, a.id AS id, a.message AS message
FROM (SELECT run_id, journey, row_index, row_key, step_id, step_index, attempt, last_attempt,
             unnest(assertions) AS a, generate_subscripts(assertions, 1) AS position FROM steps)
"""

LOGS: Final = """
CREATE VIEW logs AS
SELECT run_id, journey, row_index, row_key, step_id, step_index, attempt, last_attempt, position,
       e.logged_at AS logged_at,
       e.kind AS kind, e.text AS text
FROM (SELECT run_id, journey, row_index, row_key, step_id, step_index, attempt, last_attempt,
             unnest(events) AS e, generate_subscripts(events, 1) AS position FROM steps)
"""


def results_view(versions: Collection[int]) -> str:
    """The statement that makes `results` of files of these `versions` of the tables, none if there is no file."""
    return _table_view("results", tables.RESULTS, _source(versions, RESULTS_FILES, NO_RESULTS), versions)


def steps_view(versions: Collection[int]) -> str:
    """The statement that makes `steps` of files of these `versions` of the tables, none if there is no file."""
    return _table_view("steps", tables.STEPS, _source(versions, STEPS_FILES, NO_STEPS), versions)


def empty_table(columns: tuple[Column, ...]) -> pa.Table:
    """What the files would give if there were one without a line."""
    return tables.schema(columns).append(pa.field("filename", pa.string())).empty_table()


def _source(versions: Collection[int], variable: str, nothing: str) -> str:
    if not versions:
        return nothing
    # By name only where it must be: this makes DuckDB read the end of every file before it plans the query.
    return f"read_parquet(getvariable('{variable}'), filename=true, union_by_name={len(versions) > 1})"


def _table_view(name: str, columns: tuple[Column, ...], source: str, versions: Collection[int]) -> str:
    chosen = [f"{_column(column, versions)} AS {column.name}" for column in columns]
    return f"CREATE VIEW {name} AS SELECT {', '.join(chosen)} FROM {source}"


# runs/<run_id>/steps/<file>; DuckDB opens only the files whose name can pass a condition on run_id.
_RUN_OF_FILE: Final = "split_part(filename, '/', -3)"


def _column(column: Column, versions: Collection[int]) -> str:
    name = column.name
    lacking = 1 in versions and name in tables.SINCE_2
    if name == "run_id":
        return _RUN_OF_FILE
    if name == "journey" and lacking:
        return f"getvariable('{JOURNEYS}')[{_RUN_OF_FILE}]"
    if lacking and len(versions) == 1:
        return f"NULL::{_DUCKDB_NAMES[column.type]}"
    if column.type == tables.MILLISECONDS:
        return f"round({name}::DOUBLE, 3)"
    if name in ("inputs", "outputs"):
        return _readable_json(name)
    return name


_DUCKDB_NAMES: Final = {pa.string(): "VARCHAR", pa.bool_(): "BOOLEAN", pa.int32(): "INTEGER"}
