"""The exceptions with which the engine ends a step. It must not know steps or requests."""

from __future__ import annotations


class Fault(Exception):
    """The reason why a step ends in an error that is not a defect of reqflo-ray.

    `code` is snake_case and becomes the step's `error_code`; `message` is one sentence. Neither ever contains a
    secret or sensitive value.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class RowFault(Fault):
    """An error of the row: the current step cannot be carried out."""
