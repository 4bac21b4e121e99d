"""The exceptions by which the engine says that a step ends here. It knows nothing of steps or requests."""

from __future__ import annotations


class Fault(Exception):
    """Why a step ends in an error that is not the tool's own.

    `code` is snake_case and becomes the step's `error_code`; `message` is one sentence. Neither ever holds the value
    of a secret or of something sensitive.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class RowFault(Fault):
    """An error of the row: the step at hand cannot be carried out."""
