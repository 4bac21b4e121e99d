"""What it means that DuckDB could not answer: the question is wrong, or a file is not any more what it was when it was
checked. Knows no SQL.
"""

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
    """The error of ours for one that DuckDB raised, or that came up in its place."""
    import duckdb

    hint = ""
    # DuckDB gives no number. The text of a question may say the same.
    if isinstance(problem, OSError | duckdb.IOException) and any(os.strerror(one) in str(problem) for one in NONE_FREE):
        return StoreError(
            "too many files are open to answer this", code=TOO_MANY_OPEN_FILES, hint="raise the limit (`ulimit -n`)"
        )
    if isinstance(problem, duckdb.CatalogException | duckdb.BinderException | duckdb.ParserException):
        hint = f"there are {_VIEWS}; `DESCRIBE steps` lists the columns of one"
    elif isinstance(problem, duckdb.OutOfMemoryException):
        hint = "ask for fewer columns or rows: bodies are large"
    else:
        # Where none is named any file may be meant; what is wrong with a question alone is not worth reading them all.
        of_a_file = isinstance(problem, UnicodeDecodeError | OSError | duckdb.IOException | duckdb.InternalException)
        named = _named(str(problem), catalog) or (list(catalog.files) if of_a_file else [])
        if changed := _changed(named, storage, catalog):
            return changed
    # DuckDB says this of a file that has vanished, too.
    if isinstance(problem, duckdb.PermissionException):
        hint = "a query reads the tables of the store's runs and nothing else"
    if isinstance(problem, UnicodeDecodeError):
        return QueryError("DuckDB cannot answer this, and what it says of it is no text")
    # What it says below its first line is aligned: the line of the question, and a caret.
    message, _, cause = _shortened(str(problem).strip()).partition("\n")
    return QueryError(message, cause=cause.strip("\n"), hint=hint)


def _named(text: str, catalog: Catalog) -> list[str]:
    """The files that `text` names."""
    return [path for path in catalog.files if path in text]


def _changed(paths: list[str], storage: Storage, catalog: Catalog) -> StoreError | None:
    """The error for the first file that is not what it was."""
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
                f"run `{folder.run_id}` was deleted while it was being asked",
                code="run_deleted",
                hint="ask again: what was deleted takes part no more",
            )
        return IntegrityError(
            f"`{promised.path}` of run `{folder.run_id}` was changed while it was being asked",
            code="damaged_file",
            cause=fault,
            hint=f"`reqflo-ray verify {folder.run_id}` lists all damage; ask again if the run is being deleted",
        )
    return None


def _shortened(text: str) -> str:
    """Without the advice that DuckDB puts between what is wrong and the line where."""
    with contextlib.suppress(ValueError):
        text = text[: text.index("\n\nLINE")] + text[text.index("\nLINE") :]
    return text
