"""The data that tests read: the repository's own sets in `tests/data`, and larger third-party sets beside the checkout.

The repository's sets cover every rule, so a clone alone tests all of them. The third-party sets are independent of this
code; if they are missing, their tests are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
OWN_SETS = _ROOT / "tests" / "data"
SETS_OF_OTHERS = _ROOT.parent / "shared" / "data"


def set_of_others(name: str) -> Path:
    """The file or folder `name` of a set of others; skips the test where it is missing."""
    path = SETS_OF_OTHERS / name
    if not path.exists():
        pytest.skip(f"no {name} in ../shared/data: a data set of others, see tests/data/README.md")
    return path


def naughty_strings(whose: str) -> list[str]:
    """Strings that break programs, without NUL, lone surrogates and repetitions, none of them empty.

    Args:
        whose: `own`, or `others`; the latter skips the test where their list is missing.
    """
    if whose == "own":
        groups: dict[str, list[str]] = json.loads((OWN_SETS / "strings" / "naughty.json").read_text(encoding="utf-8"))
        return [text for group in groups.values() for text in group]
    strings = json.loads(set_of_others("strings/blns.json").read_text(encoding="utf-8"))
    return [text for text in dict.fromkeys(strings) if text]
