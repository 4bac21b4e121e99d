"""Puts rows from memory and from pipes into files, so that every dataset can be read as often as needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from reqflo_ray._internal.runner.prepare.request import Dataset
from reqflo_ray._internal.runner.prepare.rows.in_memory import encoded
from reqflo_ray._internal.runner.prepare.rows.piped import ending_of, is_piped, need_different, pieces_of
from reqflo_ray._internal.runner.prepare.rows.temporary import kept


def is_on_disk(dataset: Dataset) -> bool:
    """Whether the dataset consists of nothing but files."""
    return not dataset.is_in_memory and not any(map(is_piped, dataset.files))


@contextmanager
def on_disk(dataset: Dataset) -> Iterator[Dataset]:
    """Yield the dataset with its rows in files while the block runs; one that has only files is yielded unchanged.

    Raises:
        UsageError: `invalid_rows` if the source is neither files nor rows; `no_temporary_folder`;
            `data_from_terminal`.
        DatasetError, NothingSelectedError: the pipe cannot be read, or is empty.
    """
    if is_on_disk(dataset):
        yield dataset
        return
    with ExitStack() as held:
        if dataset.is_in_memory:
            ending, data = encoded(dataset.source)
            yield replace(dataset, source=str(held.enter_context(kept([data], ending=f".{ending}"))))
            return
        need_different(tuple(name for name in dataset.files if is_piped(name)))
        files = [
            str(held.enter_context(kept(pieces_of(name), prefix="piped-", ending=ending_of(name))))
            if is_piped(name)
            else name
            for name in dataset.files
        ]
        yield replace(dataset, source=files)
