"""Runs API journeys over large datasets on Ray.

`compile`, `check`, `run`, `resume`, `rerun`, `submit`, `open_store`, `write_reports` are loaded when first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqflo_ray._internal.api import *  # noqa: F403 - what an editor or type checker shows is what there is


def __getattr__(name: str) -> object:
    # Importing a worker's module must not load the compiler, so nothing is imported before it is asked for.
    from importlib import import_module

    api = import_module("reqflo_ray._internal.api")
    if name in api.__all__:
        return getattr(api, name)
    raise AttributeError(f"module `reqflo_ray` has no attribute {name!r}")


def __dir__() -> list[str]:
    from importlib import import_module

    return [*globals(), *import_module("reqflo_ray._internal.api").__all__]
