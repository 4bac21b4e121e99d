"""Reads secret values from the process environment, a folder of files, or Google Secret Manager.

A source turns a reference into a value or a `SecretError`; caching and masking are up to the store.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from reqflo_ray._internal.descriptors import MORE_DESCRIPTORS, NONE_FREE, TOO_MANY_OPEN_FILES, when_one_is_free
from reqflo_ray._internal.errors import ReqfloError, SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.secrets.gcp import GoogleSecretManager
from reqflo_ray._internal.secrets.value import SecretValue

_MAXIMUM_BYTES: Final = 64 * 2**10  # the limit of Secret Manager


class Source(Protocol):
    """A kind of place from which secret values are read."""

    def read(self, reference: SecretReference) -> SecretValue:
        """Return the value of `reference`. May block, and is called from a thread.

        Raises:
            SecretError: the value cannot be read or used (`secret_empty`, `secret_not_text`); the message never
                contains any part of it.
        """
        ...


class EnvironmentSource:
    """Secrets in environment variables; `key` of a reference is the variable's name."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def read(self, reference: SecretReference) -> SecretValue:
        """Return the value of the variable. Raises SecretError `secret_not_found` if it is not set."""
        value = self._environment.get(reference.key)
        if value is None:
            raise SecretError(
                f"secret `{reference.name}` is not set: there is no environment variable `{reference.key}`",
                code="secret_not_found",
                hint=f"set `{reference.key}` in the environment of the process that sends the requests",
            )
        return SecretValue.of(reference.name, os.fsencode(value))


class FileSource:
    """Secrets in a folder, one file per name, readable by the owner only; `key` of a reference is the file's path."""

    def read(self, reference: SecretReference) -> SecretValue:
        """Return the content of the file without one newline at its end.

        Raises:
            SecretError: `secret_not_found`, `secret_path_refused` (the path leads out of its folder, or is not a
                regular file), `secret_file_permissions` (users other than the owner have access), `secret_too_large`.
        """
        path = Path(reference.key)
        if ".." in path.parts or "\0" in reference.key or not _inside_its_folder(path):
            raise _path_refused(reference, "it leads out of its folder")
        try:
            # Opened before the checks, so that it cannot be replaced in between; not blocking, because it may be a
            # pipe.
            descriptor = when_one_is_free(lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as problem:
            if problem.errno in NONE_FREE:
                raise _not_now(reference) from None
            raise _unreadable(reference, problem) from None
        try:
            _check_file(reference, os.fstat(descriptor))
            content = os.read(descriptor, _MAXIMUM_BYTES)
        finally:
            os.close(descriptor)
        ending = b"\r\n" if content.endswith(b"\r\n") else b"\n"
        return SecretValue.of(reference.name, content.removesuffix(ending))


def _check_file(reference: SecretReference, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise _path_refused(reference, "it is not a regular file")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretError(
            f"the file of secret `{reference.name}` is accessible to users other than its owner",
            code="secret_file_permissions",
            cause=f"`{reference.key}` has mode {mode:04o}",
            hint=f"run `chmod 600 {reference.key}`",
        )
    if status.st_size > _MAXIMUM_BYTES:
        raise SecretError(
            f"the file of secret `{reference.name}` is larger than {_MAXIMUM_BYTES:,} bytes", code="secret_too_large"
        )


def _inside_its_folder(path: Path) -> bool:
    # A link within the folder is usual, because mounted secrets are links; one that leads out of it is not.
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(path.parent))


def _path_refused(reference: SecretReference, cause: str) -> SecretError:
    return SecretError(
        f"the path `{reference.key}` of secret `{reference.name}` is refused",
        code="secret_path_refused",
        cause=cause,
        hint="name a file in the folder of secrets",
    )


def _not_now(reference: SecretReference) -> ReqfloError:
    # Not a `SecretError`, which would end its row.
    return ReqfloError(
        f"the file of secret `{reference.name}` cannot be opened: too many files are open",
        code=TOO_MANY_OPEN_FILES,
        hint=MORE_DESCRIPTORS,
    )


def _unreadable(reference: SecretReference, problem: OSError) -> SecretError:
    if isinstance(problem, FileNotFoundError | NotADirectoryError):
        return SecretError(
            f"the file `{reference.key}` of secret `{reference.name}` does not exist",
            code="secret_not_found",
            hint="put each secret in its own file, named like the secret",
        )
    return SecretError(
        f"the file `{reference.key}` of secret `{reference.name}` cannot be read",
        code="secret_unreadable",
        cause=problem.strerror or type(problem).__name__,
    )


def default_sources(environment: Mapping[str, str] | None = None) -> dict[SecretSource, Source]:
    """Return one source of each kind, without connecting; `environment` None means that of this process."""
    variables = os.environ if environment is None else environment
    return {
        SecretSource.ENV: EnvironmentSource(variables),
        SecretSource.FILE: FileSource(),
        SecretSource.GCP: GoogleSecretManager(),
    }


class SecretLook(NamedTuple):
    """What an examination of a secret finds: why its value cannot be used, in one sentence (None if it can), and what
    else it looks like, as `forms.likeness`."""

    reason: str | None = None
    likeness: str = ""


def look_at_secret(reference: SecretReference, environment: Mapping[str, str] | None = None) -> SecretLook:
    """Examine the secret of `reference` as this process would read it.

    It examines `env` and `file` only; a secret of Google Secret Manager is presumed to exist, because reading it needs
    the network and the rights of the worker.
    """
    if reference.source is SecretSource.GCP:
        return SecretLook()
    try:
        value = default_sources(environment)[reference.source].read(reference)
        value.need_maskable()
    except SecretError as problem:
        return SecretLook(problem.in_one_line)
    return SecretLook(likeness=value.likeness())
