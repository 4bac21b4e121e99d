"""The headings below which `--help` lists options, and their order."""

from __future__ import annotations

from typing import Final

WHAT: Final = "What to run"
VALUES: Final = "Values"
WHERE: Final = "Where it runs"
HOW: Final = "How it runs"
GATES: Final = "When to stop or fail"
STORE: Final = "Store"
OUTPUT: Final = "Output"

ORDER: Final = (WHAT, VALUES, WHERE, HOW, GATES, STORE, OUTPUT)
