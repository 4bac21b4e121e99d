"""The one exception by which the engine says that a row cannot go on. It knows nothing of steps or requests."""

from __future__ import annotations


class RowFault(Exception):
    """An error of the row, not of the tool: the step at hand cannot be carried out.

    `code` is snake_case and becomes the step's `error_code`; `message` is one sentence. Neither ever holds the value
    of a secret or of something sensitive.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
