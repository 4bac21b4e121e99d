"""Codes of secrets whose value is not available or cannot be used."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode(
        "secret_unavailable",
        "The value of a secret is not available to the worker.",
        "Provide the secret where `reqflo.yaml` says, then resume the run.",
    ),
    ErrorCode(
        "secret_corrupted",
        "The value does not match the checksum that Secret Manager sent with it.",
        "Run the command again.",
    ),
    ErrorCode(
        "secret_disabled",
        "The version of the secret is disabled or destroyed in Secret Manager.",
        "Enable the version, or set another `version` in `reqflo.yaml`.",
    ),
    ErrorCode(
        "secret_empty",
        "The value of the secret is empty.",
        "Store a value in the variable, file, or Secret Manager entry.",
    ),
    ErrorCode(
        "secret_failed",
        "Secret Manager could not be reached, or answered with an unexpected error.",
        "Correct what the cause names, then run the command again.",
    ),
    ErrorCode(
        "secret_file_permissions",
        "Users other than its owner may read or write the file of the secret.",
        "Restrict the file to its owner with `chmod 600 FILE`.",
    ),
    ErrorCode(
        "secret_invalid_reference",
        "The reference is not a valid name of a secret.",
        "Write it as `projects/PROJECT/secrets/SECRET`, with `version` a number or `latest`.",
    ),
    ErrorCode(
        "secret_not_found",
        "The environment variable, file, or Secret Manager entry of the secret does not exist.",
        "Create it, or correct its name in `reqflo.yaml`.",
    ),
    ErrorCode(
        "secret_not_text",
        "The value of the secret is not UTF-8 text.",
        "Store the value as text, for example in base64.",
    ),
    ErrorCode(
        "secret_path_refused",
        "The path of the secret leads out of the folder of secrets.",
        "Name a file that is in that folder.",
    ),
    ErrorCode(
        "secret_permission_denied",
        "The account may not read the secret.",
        "Grant the account the role Secret Manager Secret Accessor on the secret.",
    ),
    ErrorCode(
        "secret_too_large",
        "The file of the secret is larger than the limit.",
        "Store only the value of the secret in the file.",
    ),
    ErrorCode(
        "secret_too_short",
        "The value is too short to be masked: the same text would occur by chance in many places.",
        "Use a longer secret, or an input if the value is not secret.",
    ),
    ErrorCode(
        "secret_unauthenticated",
        "The worker has no valid credentials for Secret Manager.",
        "Run `gcloud auth application-default login`, or attach a service account to the worker.",
    ),
    ErrorCode(
        "secret_unreadable",
        "The file of the secret cannot be read.",
        "Correct the permissions or the path of the file.",
    ),
)
