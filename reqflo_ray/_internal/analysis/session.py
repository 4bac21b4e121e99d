"""Queries a store with SQL, in a DuckDB that can only read the runs of the store.

Statements come from people and from text that they pasted, so there are four locks, each of which is sufficient: file
access only to the tables that the catalog has checked, a configuration that cannot be changed, SELECT statements only,
and read-only transactions.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from reqflo_ray._internal.analysis.catalog import Catalog, read_catalog
from reqflo_ray._internal.analysis.explanation import explain
from reqflo_ray._internal.errors import Problem, QueryError, UsageError
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.outputs.file import whole_file
from reqflo_ray._internal.storage.bucket import ObjectStorage
from reqflo_ray._internal.storage.protocol import Storage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STREAMED_ROWS: Final = 20_000
_ROWS_AT_ONCE: Final = 1000


class AskedRun(NamedTuple):
    """A run that was queried. `created_at` is an instant in UTC, or None if the run record has none."""

    run_id: str
    journey: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query: an Arrow `table`, and in `types` DuckDB's name of the type of each column. `problems` are
    warnings about runs or files that are left out, and `runs` are the runs that were queried.

        result = reqflo_ray.open_store().query("select status, count(*) from results group by status")
        print(result.columns, list(result.rows()))
    """

    table: pa.Table
    types: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    runs: tuple[AskedRun, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns. They may repeat."""
        return tuple(self.table.column_names)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def left_out(self) -> str:
        """What is left out, on one line; "" if nothing is."""
        return "; ".join(problem.message for problem in self.problems)

    def to_arrow(self) -> pa.Table:
        """Return the result as an Arrow table."""
        return self.table

    def to_pandas(self) -> Any:
        """Return the result as a pandas data frame. Raises `UsageError` (`missing_package`) without pandas."""
        from reqflo_ray._internal.analysis.arrow_types import for_frames

        _need_package("pandas")
        return for_frames(self.table).to_pandas()

    def to_polars(self) -> Any:
        """Return the result as a polars data frame. Raises `UsageError` (`missing_package`) without polars."""
        from reqflo_ray._internal.analysis.arrow_types import for_frames

        return _need_package("polars").from_arrow(for_frames(self.table))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the lines as Python values: an instant is a `datetime` in UTC, an interval a `timedelta`, a map a list
        of pairs. A value that Python cannot represent (an infinite date, the year 12026) is text."""
        from reqflo_ray._internal.analysis.python_values import values_of

        for start in range(0, len(self), _ROWS_AT_ONCE):
            part = self.table.slice(start, _ROWS_AT_ONCE)
            yield from zip(*(values_of(column) for column in part.columns), strict=True)

    def encode(self, format: str, *, raw: bool = False) -> bytes:
        """Return the result as `csv`, `json`, or `parquet`; text is UTF-8.

        Args:
            format: `csv`, `json`, or `parquet`.
            raw: write CSV cells unchanged, even those that a spreadsheet would run as a formula.

        Raises:
            UsageError: `unknown_format`.
        """
        from reqflo_ray._internal.analysis import export

        match format:
            case "csv":
                return export.to_csv(self, raw=raw)
            case "json":
                return export.to_json(self)
            case "parquet":
                return export.to_parquet(self)
        raise UsageError(
            f"`{format}` is not a known format of a result",
            code="unknown_format",
            hint="use one of: csv, json, parquet",
        )

    def write(self, path: str | os.PathLike[str], format: str = "", *, raw: bool = False) -> None:
        """Write the result to a file, completely or not at all. The default `format` is the extension of the file.

        Raises:
            UsageError: `unknown_format`, `output_not_writable`.
            ReqfloError: `output_not_written`.
        """
        written = self.encode(format or Path(path).suffix.removeprefix(".").lower(), raw=raw)
        with whole_file(Path(path)) as file:
            file.write(written)

    def objects(self) -> list[Mapping[str, Any]]:
        """Return the lines as mappings by column."""
        return [dict(zip(self.columns, values, strict=True)) for values in self.rows()]


def _need_package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise UsageError(
            f"{name} is not installed",
            code="missing_package",
            hint=f"install it with `pip install {name}`, or use `to_arrow()`",
        ) from None


class Session:
    """A sandboxed database over the files of a store as of when it was opened. Close it, or use `with`.

    `problems` are warnings about runs or files that are left out.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, storage: Storage, catalog: Catalog) -> None:
        self._connection = connection
        self._storage = storage
        self._catalog = catalog
        self.runs: tuple[AskedRun, ...] = tuple(
            AskedRun(line["run_id"], line["journey"], line["created_at"]) for line in catalog.runs
        )
        self.problems: tuple[Problem, ...] = catalog.problems

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The IDs of the runs."""
        return tuple(run.run_id for run in self.runs)

    def query(self, sql: str) -> QueryResult:
        """Answer one SELECT statement.

        Raises:
            QueryError: it is not one SELECT statement, or DuckDB cannot answer it.
            StoreError: a file that it reads was removed or changed meanwhile.
        """
        from reqflo_ray._internal.analysis.arrow_types import presentable, settled

        with self._answering(sql) as relation:
            table = settled(presentable(relation).to_arrow_table(), relation)
            return QueryResult(table, tuple(str(kind) for kind in relation.types), self.problems, self.runs)

    def stream(self, sql: str) -> Iterator[QueryResult]:
        """Answer one SELECT statement in pieces, so that a result larger than memory can be read.

        A query of one view without ORDER BY returns lines in the order of rows. The session answers no other query in
        the meantime.

        Raises:
            QueryError: it is not one SELECT statement, or DuckDB cannot answer it.
            StoreError: a file that it reads was removed or changed meanwhile.
        """
        import pyarrow as pa

        from reqflo_ray._internal.analysis.arrow_types import presentable, settled

        with self._answering(sql) as relation:
            types = tuple(str(kind) for kind in relation.types)
            for batch in presentable(relation).to_arrow_reader(STREAMED_ROWS):
                yield QueryResult(settled(pa.Table.from_batches([batch]), relation), types, self.problems, self.runs)

    @contextlib.contextmanager
    def _answering(self, sql: str) -> Iterator[duckdb.DuckDBPyRelation]:
        import duckdb
        import pyarrow as pa

        from reqflo_ray._internal.analysis import comments

        try:
            self._check(self._connection.extract_statements(sql))
            sql = comments.answerable(sql)
            if comments.are_needed(sql):
                self._connection.execute(";".join(comments.statements()))
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
            try:
                yield self._connection.sql(sql)
            finally:
                self._connection.execute("ROLLBACK")
        # While a result is streamed, Arrow raises the errors of DuckDB.
        except (duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError) as problem:
            raise explain(problem, self._storage, self._catalog) from None

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _check(statements: Sequence[Any]) -> None:
        if len(statements) != 1:
            raise QueryError(f"a query is one statement, not {len(statements)}", code="one_statement")
        kind = statements[0].type.name
        if kind == "MULTI":
            raise QueryError(
                "PIVOT needs a list of values here", code="select_only", hint="write PIVOT … ON column IN (…)"
            )
        if kind != "SELECT":
            raise QueryError(
                f"{kind} is not allowed: a query cannot change the store",
                code="select_only",
                hint="use SELECT, WITH, FROM, DESCRIBE, or SUMMARIZE; `--output` writes the result to a file",
            )


def open_session(
    storage: Storage,
    runs: Sequence[str] | None = None,
    *,
    damaged: Damaged = Damaged.REFUSE,
    now: datetime | None = None,
) -> Session:
    """Open the finished runs of a store and the committed part of the others, or only those that `runs` name.

    Args:
        damaged: what to do if files of results are damaged.
        now: the current instant, which decides whether a silent run counts as interrupted; None: that of the clock.

    Raises:
        UsageError: `unknown_run` or `ambiguous_run`.
        IntegrityError: `damaged_file`; see `read_catalog`.
        StoreError: the store does not answer, or a file was removed or changed in the meantime.
        QueryError: DuckDB cannot be started.
    """
    import duckdb

    catalog = read_catalog(storage, runs, now or datetime.now(UTC), damaged)
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            # Without this a query could read the variables of the Python functions around it.
            "python_enable_replacements": "false",
            "temp_directory": "",
        },
    )
    try:
        _build(connection, storage, catalog)
        _lock(connection, _files(storage, catalog))
    except (duckdb.Error, OSError, UnicodeDecodeError) as problem:
        connection.close()
        raise explain(problem, storage, catalog) from None
    return Session(connection, storage, catalog)


def _build(connection: duckdb.DuckDBPyConnection, storage: Storage, catalog: Catalog) -> None:
    import pyarrow as pa

    from reqflo_ray._internal.analysis import views
    from reqflo_ray._internal.runs.results import tables

    connection.execute("SET TimeZone = 'UTC'")
    if isinstance(storage, ObjectStorage):
        from reqflo_ray._internal.analysis.object_files import StoreFiles

        connection.register_filesystem(
            StoreFiles(storage, {path: promised.size for path, promised in catalog.files.items()})
        )
    for name, table in (
        ("runs", pa.Table.from_pylist(list(catalog.runs), schema=views.RUNS)),
        (views.NO_RESULTS, views.empty_table(tables.RESULTS)),
        (views.NO_STEPS, views.empty_table(tables.STEPS)),
    ):
        connection.register("source", table)
        connection.execute(f"CREATE TABLE {name} AS FROM source")
        connection.unregister("source")
    for variable, files in ((views.RESULTS_FILES, catalog.results), (views.STEPS_FILES, catalog.steps)):
        connection.execute(f"SET VARIABLE {variable} = ?", [[f"{storage.uri}/{path}" for path in files]])
    journeys = {line["run_id"]: line["journey"] for line in catalog.runs}
    connection.execute(f"SET VARIABLE {views.JOURNEYS} = map(?, ?)", [[*journeys], [*journeys.values()]])
    connection.execute(views.results_view(catalog.table_versions(catalog.results)))
    connection.execute(views.steps_view(catalog.table_versions(catalog.steps)))
    connection.execute(views.ASSERTIONS)
    connection.execute(views.LOGS)


def _files(storage: Storage, catalog: Catalog) -> list[str]:
    return [f"{storage.uri}/{path}" for path in catalog.files]


def _lock(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    # Files, not folders: these also have the key of an unfinished run, its journals, and files that are not checked.
    connection.execute("SET allowed_paths = ?", [files])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
