"""All codes by which the product names what is wrong, with cause and remedy: errors, warnings, and the `error_code` of
rows and steps. What raises a code writes it as a literal; a test holds that both sides agree."""

from __future__ import annotations

from typing import Final, NamedTuple

from reqflo_ray._internal.error_codes import cluster, datasets, definitions, rows, secrets, stores, usage
from reqflo_ray._internal.error_codes.meaning import ErrorCode


class Section(NamedTuple):
    """Codes that people meet in the same place. One that is met in several stands in the first."""

    title: str
    codes: tuple[ErrorCode, ...]


SECTIONS: Final = (
    Section("The command line", usage.CODES),
    Section("Workspaces, journeys and what a run is given", definitions.CODES),
    Section("Datasets", datasets.CODES),
    Section("Secrets", secrets.CODES),
    Section("Rows and steps", rows.CODES),
    Section("Stores and runs", stores.CODES),
    Section("Clusters", cluster.CODES),
)
