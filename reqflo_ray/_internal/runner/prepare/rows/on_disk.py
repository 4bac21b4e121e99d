"""Makes every dataset one of files that can be read as often as needed: rows from memory, and rows that pass by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from reqflo_ray._internal.runner.prepare.request import Dataset
from reqflo_ray._internal.runner.prepare.rows.in_memory import encoded
from reqflo_ray._internal.runner.prepare.rows.piped import ending_of, is_piped, need_different, pieces_of
from reqflo_ray._internal.runner.prepare.rows.temporary import kept


def is_on_disk(dataset: Dataset) -> bool:
    """Whether there is nothing but files."""
    return not dataset.is_in_memory and not any(map(is_piped, dataset.files))


@contextmanager
def on_disk(dataset: Dataset) -> Iterator[Dataset]:
    """The dataset with its rows in files while the block runs; one that has files is given back as it is.

    Raises:
        UsageError: `invalid_rows`: what was given is neither a file nor rows; `no_temporary_folder`;
            `data_from_terminal`.
        DatasetError, NothingSelectedError: what is piped cannot be read, or nothing comes.
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
