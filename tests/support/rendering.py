"""What tests of rendered requests share: requests that cannot be rendered, and secrets that are bound to hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reqflo_ray._internal.engine.render import RenderedRequest
from reqflo_ray._internal.engine.scope import RowFault, Scope
from reqflo_ray._internal.model.artifact import HttpStep
from reqflo_ray._internal.model.plan import SecretReference, SecretSource

MakeScope = Callable[..., Scope]
Render = Callable[..., RenderedRequest]


def fault_of(render: Render, *args: Any, **fields: Any) -> RowFault:
    """Why a request cannot be rendered."""
    with pytest.raises(RowFault) as caught:
        render(*args, **fields)
    return caught.value


def make_scope_with_bound(
    make_scope: MakeScope, bound: dict[str, tuple[str, ...] | None], step: HttpStep, row: Any, fields: dict[str, Any]
) -> Scope:
    """A run whose secrets may be sent to some hosts only."""
    loaded = fields.pop("secrets")
    scope = make_scope(step, row=row, secrets=loaded, **fields)
    for name, hosts in bound.items():
        scope.program.run.secrets[name] = SecretReference(name=name, source=SecretSource.ENV, key=name, hosts=hosts)
    return scope
