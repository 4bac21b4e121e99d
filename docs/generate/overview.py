"""The page that opens the reference. It must not know what the pages that it lists say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from docs.generate.markdown import page, table

_PAGES: Final = {
    "[Journey language](language/index.md)": "Every key of journeys and their steps.",
    "[Configuration](configuration.md)": "Every key of `reqflo.yaml` and of environments.",
    "[Command line](cli/index.md)": "Every command and option.",
    "[Exit codes](exit-codes.md)": "What the exit code of a command means.",
    "[Error codes](error-codes.md)": "Every error and warning: its cause, what to do, and the exit code.",
    "[SQL views](sql.md)": "The columns that `sql` and `Store.query` answer from.",
    "[Parquet files](parquet.md)": "The files of a store, for other tools.",
    "[Report formats](reports.md)": "What JUnit, HTML, Markdown, JSON, and CTRF reports contain.",
    "[Environment variables](environment.md)": "Every variable that reqflo-ray reads.",
    "[Python API](python/reqflo_ray.md)": "Every public name of `reqflo_ray`.",
    "[Python API for tests](python/testing.md)": "Every public name of `reqflo_ray.testing`.",
}


def pages() -> Mapping[str, str]:
    """Return the opening page."""
    return {
        "index.md": page(
            "Reference",
            "Every command, column, code, and name. These pages are generated from the product.",
            table(("Page", "What it lists"), list(_PAGES.items())),
        )
    }
