"""Explains an error of DuckDB: the query is wrong, or a file has changed since it was checked. It must not know SQL."""

from __future__ import annotations

import contextlib
import os
from typing import Final

from reqflo_ray._internal.analysis.catalog import Catalog
from reqflo_ray._internal.descriptors import NONE_FREE, TOO_MANY_OPEN_FILES
from reqflo_ray._internal.errors import IntegrityError, QueryError, ReqfloError, StoreError
from reqflo_ray._internal.runs.folder.layout import run_of
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.results.checked_files import fault_of
from reqflo_ray._internal.storage.protocol import Storage

_VIEWS: Final = "runs, results, steps, assertions, logs"


def explain(problem: Exception, storage: Storage, catalog: Catalog) -> ReqfloError:
    """Return the error to raise for one that DuckDB, or a library below it, has raised."""
    import duckdb

    hint = ""
    # DuckDB has no error number, and the text of a query may contain the same words.
    if isinstance(problem, OSError | duckdb.IOException) and any(os.strerror(one) in str(problem) for one in NONE_FREE):
        return StoreError(
            "too many files are open to answer the query",
            code=TOO_MANY_OPEN_FILES,
            hint="raise the limit (`ulimit -n`)",
        )
    if isinstance(problem, duckdb.CatalogException | duckdb.BinderException | duckdb.ParserException):
        hint = f"the views are {_VIEWS}; run `DESCRIBE steps` to list the columns of one"
    elif isinstance(problem, duckdb.OutOfMemoryException):
        hint = "select fewer columns or rows: bodies are large"
    else:
        # If the error names no file, it may concern any of them. An error in the query itself is no reason to read them
        # all.
        of_a_file = isinstance(problem, UnicodeDecodeError | OSError | duckdb.IOException | duckdb.InternalException)
        named = _named(str(problem), catalog) or (list(catalog.files) if of_a_file else [])
        if changed := _changed(named, storage, catalog):
            return changed
    # DuckDB also raises this for a file that no longer exists.
    if isinstance(problem, duckdb.PermissionException):
        hint = f"query only the views: {_VIEWS}"
    if isinstance(problem, UnicodeDecodeError):
        return QueryError("DuckDB cannot answer this query, and its error message is not valid text")
    # The lines after the first are aligned: the line of the query, and a caret.
    message, _, cause = _shortened(str(problem).strip()).partition("\n")
    return QueryError(message, cause=cause.strip("\n"), hint=hint)


def _named(text: str, catalog: Catalog) -> list[str]:
    """Return the files that `text` names."""
    return [path for path in catalog.files if path in text]


def _changed(paths: list[str], storage: Storage, catalog: Catalog) -> StoreError | None:
    """Return the error for the first file that has changed."""
    for path in paths:
        promised, folder = catalog.files[path], RunFolder(storage, run_of(path))
        try:
            fault = fault_of(folder, promised)
        except StoreError as error:
            return error
        if not fault:
            continue
        if not folder.exists():
            return StoreError(
                f"run `{folder.run_id}` was deleted during the query",
                code="run_deleted",
                hint="repeat the query without that run",
            )
        return IntegrityError(
            f"`{promised.path}` of run `{folder.run_id}` was changed during the query",
            code="damaged_file",
            cause=fault,
            hint=f"run `reqflo-ray verify {folder.run_id}` to list all damage;"
            " repeat the query if the run is being deleted",
        )
    return None


def _shortened(text: str) -> str:
    """Remove the advice that DuckDB puts between the error and the line of the query."""
    with contextlib.suppress(ValueError):
        text = text[: text.index("\n\nLINE")] + text[text.index("\nLINE") :]
    return text
