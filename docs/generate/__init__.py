"""Generates the pages of `docs/reference/` from the product itself. It is not part of the wheel."""
