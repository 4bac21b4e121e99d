"""The headings below which `--help` lists options, in the order in which they stand there."""

from __future__ import annotations

from typing import Final

WHAT: Final = "What to run"
VALUES: Final = "Values"
WHERE: Final = "Where it runs"
HOW: Final = "How it runs"
GATES: Final = "When to stop and fail"
STORE: Final = "Store"
OUTPUT: Final = "Output"

ORDER: Final = (WHAT, VALUES, WHERE, HOW, GATES, STORE, OUTPUT)
