"""Asks a store questions in SQL, in a DuckDB that can do nothing else: it reads the store's runs and writes nothing.

Statements come from people and from whatever they pasted, so each of four locks would do alone: no file access but
the store's runs, a configuration that cannot be changed, SELECT statements only, and read-only transactions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from reqflo_ray.analysis.catalog import Catalog, read_catalog
from reqflo_ray.errors import Problem, QueryError, StoreError
from reqflo_ray.store import layout
from reqflo_ray.store.object_storage import ObjectStorage
from reqflo_ray.store.run_folder import RunFolder
from reqflo_ray.store.storage import Storage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_VIEWS = "runs, results, steps, assertions, logs"
_STREAMED_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer to a question, as an Arrow table; `types` are DuckDB's names of the columns' types. `problems` are
    warnings about runs or files that are left out of it."""

    table: pa.Table
    types: tuple[str, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, which need not be unique."""
        return tuple(self.table.column_names)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The lines as Python values. A map is a list of pairs."""
        for batch in self.table.to_batches(max_chunksize=1000):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


class Session:
    """A sandboxed database over the files of a store as they were when it was opened. Close it, or use `with`.

    `problems` are warnings about runs or files that are left out.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, storage: Storage, catalog: Catalog) -> None:
        self._connection = connection
        self._storage = storage
        self.run_ids: tuple[str, ...] = tuple(line["run_id"] for line in catalog.runs)
        self.problems: tuple[Problem, ...] = catalog.problems

    def query(self, sql: str) -> QueryResult:
        """Answer one SELECT statement.

        Raises:
            QueryError: it is not one SELECT statement, or DuckDB cannot answer it.
        """
        with self._answering(sql) as relation:
            return QueryResult(relation.to_arrow_table(), tuple(str(kind) for kind in relation.types), self.problems)

    def stream(self, sql: str) -> Iterator[QueryResult]:
        """Answer one SELECT statement piece by piece, so that an answer larger than memory can be read.

        What is selected from one view, without ORDER BY, comes in the order of rows. The session answers nothing else
        meanwhile.

        Raises:
            QueryError: it is not one SELECT statement, or DuckDB cannot answer it.
        """
        import pyarrow as pa

        with self._answering(sql) as relation:
            types = tuple(str(kind) for kind in relation.types)
            for batch in relation.to_arrow_reader(_STREAMED_ROWS):
                yield QueryResult(pa.Table.from_batches([batch]), types, self.problems)

    @contextlib.contextmanager
    def _answering(self, sql: str) -> Iterator[duckdb.DuckDBPyRelation]:
        import duckdb

        try:
            self._check(self._connection.extract_statements(sql))
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
            try:
                yield self._connection.sql(sql)
            finally:
                self._connection.execute("ROLLBACK")
        except duckdb.Error as problem:
            raise _deleted(self._storage, self.run_ids) or _explain(problem) from None

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
            raise QueryError(f"give one statement, not {len(statements)}", code="one_statement")
        kind = statements[0].type.name
        if kind == "MULTI":
            raise QueryError(
                "PIVOT needs to be told its values here", code="select_only", hint="write PIVOT … ON column IN (…)"
            )
        if kind != "SELECT":
            raise QueryError(
                f"{kind} is not possible: the store is asked, never changed",
                code="select_only",
                hint="ask with SELECT, WITH, FROM, DESCRIBE or SUMMARIZE; --output writes the answer to a file",
            )


def open_session(storage: Storage, runs: Sequence[str] | None = None, *, now: datetime | None = None) -> Session:
    """Open the finished runs of a store and the committed part of the others, or only those that `runs` name.

    Args:
        now: the present instant, by which a silent run counts as interrupted; the clock's, unless given.

    Raises:
        UsageError: `unknown_run` or `ambiguous_run`.
        QueryError: DuckDB cannot be started.
    """
    import duckdb

    catalog = read_catalog(storage, runs, now or datetime.now(UTC))
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
        _lock(connection, storage)
    except duckdb.Error as problem:
        connection.close()
        raise _deleted(storage, [line["run_id"] for line in catalog.runs]) or _explain(problem) from None
    return Session(connection, storage, catalog)


def _build(connection: duckdb.DuckDBPyConnection, storage: Storage, catalog: Catalog) -> None:
    import pyarrow as pa

    from reqflo_ray.analysis import views
    from reqflo_ray.store import tables

    connection.execute("SET TimeZone = 'UTC'")
    if isinstance(storage, ObjectStorage):
        from reqflo_ray.analysis.object_files import StoreFiles

        connection.register_filesystem(StoreFiles(storage, catalog.sizes))
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
    connection.execute(views.results_view(empty=not catalog.results))
    connection.execute(views.steps_view(empty=not catalog.steps))
    connection.execute(views.ASSERTIONS)
    connection.execute(views.LOGS)


def _lock(connection: duckdb.DuckDBPyConnection, storage: Storage) -> None:
    folder = f"{storage.uri}/{layout.RUNS}/".replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _deleted(storage: Storage, run_ids: Sequence[str]) -> StoreError | None:
    """Why files are not there any more that the catalog has seen; None if all their runs are there."""
    for run_id in run_ids:
        if not RunFolder(storage, run_id).exists():
            hint = "ask again: what was deleted takes part no more"
            return StoreError(f"run `{run_id}` was deleted while it was being asked", code="run_deleted", hint=hint)
    return None


def _explain(problem: duckdb.Error) -> QueryError:
    import duckdb

    text = str(problem).strip()
    hint = ""
    if isinstance(problem, duckdb.CatalogException | duckdb.BinderException | duckdb.ParserException):
        hint = f"there are {_VIEWS}; `DESCRIBE steps` lists the columns of one"
    elif isinstance(problem, duckdb.PermissionException):
        hint = "a query reads the store and nothing else"
    elif isinstance(problem, duckdb.OutOfMemoryException):
        hint = "ask for fewer columns or rows: bodies are large"
    elif isinstance(problem, duckdb.IOException | duckdb.InvalidInputException):
        hint = "if it names a file of the store, `reqflo-ray verify RUN` says whether it is damaged"
    with contextlib.suppress(ValueError):
        text = text[: text.index("\n\nLINE")] + text[text.index("\nLINE") :]
    return QueryError(text, hint=hint)
