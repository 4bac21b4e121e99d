"""Holds secret values in the memory of one worker: read once, and registered with the redactor before any use.

It never shows a value by accident: objects with values show only names in `repr`, and cannot be pickled or copied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

from reqflo_ray._internal.errors import Problem, SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.secrets.redactor import Redactor
from reqflo_ray._internal.secrets.sources import Source, default_sources
from reqflo_ray._internal.secrets.value import SecretValue


class SecretValues(Mapping[str, SecretValue]):
    """Loaded values by name."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, SecretValue]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> SecretValue:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<SecretValues {', '.join(sorted(self._values))}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("secret values cannot be pickled or copied")


class SecretStore:
    """The secrets of one run in one worker.

    `values` is a live view: a name appears once its value is loaded and masked. All methods belong to one event loop.
    """

    __slots__ = ("_errors", "_loading", "_redactor", "_references", "_sources", "_values", "values")

    def __init__(
        self,
        references: Mapping[str, SecretReference],
        redactor: Redactor,
        sources: Mapping[SecretSource, Source] | None = None,
    ) -> None:
        self._references = references
        self._redactor = redactor
        self._sources = default_sources() if sources is None else sources
        self._values: dict[str, SecretValue] = {}
        self._errors: dict[str, SecretError] = {}
        self._loading = asyncio.Lock()
        self.values: Mapping[str, SecretValue] = SecretValues(self._values)

    async def load(self, names: Iterable[str]) -> None:
        """Make the values of `names` available; each is read once, however many callers ask for it.

        Raises:
            SecretError: at least one cannot be read; `problems` has one entry for each. The others are available.
                Permanent errors (all but `secret_unavailable`) are remembered, and the value is not read again.
        """
        wanted = sorted(set(names) - self._values.keys())
        if not wanted:
            return
        async with self._loading:
            missing = [name for name in wanted if name not in self._values and name not in self._errors]
            outcomes = await asyncio.gather(*(self._load_one(name) for name in missing))
        failed = {name: error for name, error in zip(missing, outcomes, strict=True) if error is not None}
        self._errors.update({name: error for name, error in failed.items() if error.code != "secret_unavailable"})
        problems = tuple(
            Problem(code=error.code, message=error.message, cause=error.cause, hint=error.hint)
            for name in wanted
            if (error := failed.get(name) or self._errors.get(name)) is not None
        )
        if problems:
            raise SecretError.of(problems)

    async def _load_one(self, name: str) -> SecretError | None:
        reference = self._references.get(name)
        if reference is None:
            return SecretError(
                f"secret `{name}` is not declared in this run",
                code="secret_not_found",
                hint="add it to `workspace.secrets`",
            )
        try:
            value = await asyncio.to_thread(self._sources[reference.source].read, reference)
            self._redactor.register(f"secret:{name}", value.reveal())
        except SecretError as error:
            return error
        self._values[name] = value
        return None

    def __repr__(self) -> str:
        return f"<SecretStore {', '.join(sorted(self._references))}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret store cannot be pickled or copied")
