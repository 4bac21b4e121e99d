"""Sources that are made up, for tests of the store and of Secret Manager."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.secrets.value import SecretValue


class ListedSource:
    """Has the values that it was given, and counts how often each was read."""

    def __init__(self, values: dict[str, bytes | SecretError]) -> None:
        self.values = values
        self.reads: list[str] = []

    def read(self, reference: SecretReference) -> SecretValue:
        self.reads.append(reference.name)
        value = self.values[reference.name]
        if isinstance(value, SecretError):
            raise value
        return SecretValue.of(reference.name, value)


@pytest.fixture
def listed_source() -> Callable[[dict[str, bytes | SecretError]], ListedSource]:
    return ListedSource


@pytest.fixture
def reference() -> Callable[..., SecretReference]:
    def make(
        name: str = "TOKEN", key: str | None = None, source: SecretSource = SecretSource.ENV, version: str = ""
    ) -> SecretReference:
        return SecretReference(name=name, source=source, key=name if key is None else key, version=version)

    return make
