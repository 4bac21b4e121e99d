"""How this program connects to Ray: quietly, and without telling the cluster more about itself than its name."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_ENTRYPOINT: Final = "reqflo-ray"


def connect(**options: Any) -> Any:
    """`ray.init` with these options; nothing that workers print comes back."""
    import ray

    with _command_line_withheld():
        return ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)


@contextmanager
def _command_line_withheld() -> Iterator[None]:
    """Ray keeps the driver's command line in its table of jobs, for everyone on the cluster: `--set` may be in it."""
    from ray._private import utils

    real = utils.get_entrypoint_name
    utils.get_entrypoint_name = lambda: _ENTRYPOINT
    try:
        yield
    finally:
        utils.get_entrypoint_name = real
