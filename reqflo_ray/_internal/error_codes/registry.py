"""All error codes with cause and remedy: those of errors, of warnings, and of rows and steps (`error_code`).

Code that reports an error writes its code as a literal; a test compares those literals with this registry.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reqflo_ray._internal.error_codes import cluster, datasets, definitions, rows, secrets, stores, usage
from reqflo_ray._internal.error_codes.meaning import ErrorCode


class Section(NamedTuple):
    """Codes that people meet in the same place; a code that belongs to several sections is in the first of them."""

    title: str
    codes: tuple[ErrorCode, ...]


SECTIONS: Final = (
    Section("The command line", usage.CODES),
    Section("Workspaces, journeys, and the values of a run", definitions.CODES),
    Section("Datasets", datasets.CODES),
    Section("Secrets", secrets.CODES),
    Section("Rows and steps", rows.CODES),
    Section("Stores and runs", stores.CODES),
    Section("Clusters", cluster.CODES),
)
