"""Says which versions of Ray this package works with, and which two may communicate.

Standard library only, so that what cannot work is refused before Ray is loaded.
"""

from __future__ import annotations

import re
from typing import Final

# As in `dependencies` of pyproject.toml; a test compares the two.
OLDEST: Final = (2, 58)
NEWEST: Final = (2, 60)
SUPPORTED: Final = "2.58 to 2.60"

# A release, of Ray itself or of someone who builds it ("+local"); prereleases do not match.
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)(?:\.\d+)*(?:\.post\d+)?(?:\+.*)?", re.ASCII)


def is_supported(version: str) -> bool:
    """Return whether the package is tested with this version of Ray."""
    release = _RELEASE.fullmatch(version)
    return release is not None and OLDEST <= (int(release[1]), int(release[2])) <= NEWEST


def can_submit(ours: str, theirs: str) -> bool:
    """Return whether a client with one version of Ray can send jobs to a cluster with the other. They share only the
    Job API, which is the same in all supported versions. The run itself uses only the cluster's Ray."""
    return ours == theirs or (is_supported(ours) and is_supported(theirs))
