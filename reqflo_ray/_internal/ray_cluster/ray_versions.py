"""Which versions of Ray this package works with, and which two may talk to each other.

Standard library only: what cannot work is refused before Ray is loaded.
"""

from __future__ import annotations

import re
from typing import Final

# As `dependencies` of pyproject.toml has it; a test compares the two.
OLDEST: Final = (2, 58)
NEWEST: Final = (2, 60)
SUPPORTED: Final = "2.58 to 2.60"

# A release, of Ray itself or of somebody who builds it ("+local"); what comes before one is another matter.
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)(?:\.\d+)*(?:\.post\d+)?(?:\+.*)?", re.ASCII)


def is_supported(version: str) -> bool:
    """Whether a Ray of this version is one that the package is tested with."""
    release = _RELEASE.fullmatch(version)
    return release is not None and OLDEST <= (int(release[1]), int(release[2])) <= NEWEST


def can_submit(ours: str, theirs: str) -> bool:
    """Whether a client with one Ray can send jobs to a cluster with the other: the Job API is all that they share, and
    it is the same in all supported versions. The run itself has only the cluster's Ray."""
    return ours == theirs or (is_supported(ours) and is_supported(theirs))
