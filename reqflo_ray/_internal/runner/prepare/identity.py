"""Who runs: the values that a journey reads as `me.*`."""

from __future__ import annotations

import getpass
import os
import socket


def identity() -> dict[str, str]:
    """Who runs, the values of `me.*`: `user`, `host`, and every `REQFLO_ME_X` of the environment as `x`."""
    prefix = "REQFLO_ME_"
    own = {name[len(prefix) :].lower(): value for name, value in os.environ.items() if name.startswith(prefix)}
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's process may have no name
        user = str(os.getuid())
    return {"user": user, "host": socket.gethostname(), **own}
