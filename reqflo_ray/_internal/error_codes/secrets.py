"""Codes of secrets whose value cannot be had or used."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode("secret_unavailable", "The value of a secret could not be had.", "Provide it, then resume the run."),
    ErrorCode("secret_corrupted", "The value was damaged on its way.", "Run again."),
    ErrorCode("secret_disabled", "The version of the secret is disabled or destroyed.", "Enable or name another."),
    ErrorCode("secret_empty", "The value is empty.", "Give it a value."),
    ErrorCode("secret_failed", "Secret Manager could not be asked.", "Look at the cause, then try again."),
    ErrorCode("secret_file_permissions", "Others than its owner may read the file.", "`chmod 600` the file."),
    ErrorCode("secret_invalid_reference", "The reference names no secret.", "Write it as the hint says."),
    ErrorCode("secret_not_found", "There is no such variable, file or secret.", "Create it where it is looked for."),
    ErrorCode("secret_not_text", "The value is not UTF-8 text.", "Store it as text, for example in base64."),
    ErrorCode("secret_path_refused", "The file lies outside the folder of secrets.", "Name a file in that folder."),
    ErrorCode("secret_permission_denied", "The account may not read the secret.", "Grant it the right to."),
    ErrorCode("secret_too_large", "The file of the secret is too large.", "Store only the value in it."),
    ErrorCode("secret_too_short", "So short a value cannot be masked.", "Use a longer one, or an input."),
    ErrorCode("secret_unauthenticated", "There are no valid credentials for the secrets.", "Log in as the hint says."),
    ErrorCode("secret_unreadable", "The file of the secret cannot be read.", "Correct its rights or its place."),
)
