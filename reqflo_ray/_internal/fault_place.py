"""Names the place of an unexpected error without quoting its text. It must not know what was being done."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

_OWN_ROOT: Final = Path(__file__).parents[1]


def place_of(fault: BaseException) -> str:
    """Return the type of an error and its place in the code of this package: `KeyError in take (captures.py:77)`."""
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_OWN_ROOT)]
    # The deepest frame of this package says most; below it there are only libraries.
    for frame in (own or frames)[-1:]:
        return f"{type(fault).__name__} in {frame.name} ({Path(frame.filename).name}:{frame.lineno})"
    return type(fault).__name__
