"""Finds out who starts the run: the values that a journey reads as `me.*`."""

from __future__ import annotations

import getpass
import os
import socket


def identity() -> dict[str, str]:
    """Return the values of `me`: `user`, `host`, and every environment variable `REQFLO_ME_X` as `x`."""
    prefix = "REQFLO_ME_"
    own = {name[len(prefix) :].lower(): value for name, value in os.environ.items() if name.startswith(prefix)}
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, the user may have no name
        user = str(os.getuid())
    return {"user": user, "host": socket.gethostname(), **own}
