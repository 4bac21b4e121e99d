"""A secret value shows itself to nobody who does not ask for it."""

from __future__ import annotations

import ast
import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import reqflo_ray
from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.secrets.value import SecretValue

CANARY = "canary-7f3a9b2c"


@dataclasses.dataclass
class Holder:
    value: SecretValue


@pytest.mark.parametrize(
    "show",
    [
        *(str, "{}".format, "{:>9}".format, "%s".__mod__, lambda value: f"{value}", lambda value: "x" + value),
        *(bytes, list, iter, vars, len, lambda value: value[0], lambda value: value.__dict__),
        *(pickle.dumps, copy.copy, copy.deepcopy, lambda value: value.__getstate__()),
        *(lambda value: value.__reduce__(), lambda value: value.__reduce_ex__(4)),
        *(json.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins),
        *(lambda value: dataclasses.asdict(Holder(value)), lambda value: pickle.dumps([Holder(value)])),
        lambda value: "".join([value]),
    ],
)
def test_whatever_would_show_or_copy_a_value_is_refused_without_it(show: Callable[[Any], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        show(SecretValue("TOKEN", CANARY))
    assert CANARY not in str(caught.value)


def test_what_debuggers_show_is_the_name() -> None:
    value = SecretValue("TOKEN", CANARY)
    assert repr(value) == f"{value!r}" == "<SecretValue TOKEN>"
    assert CANARY not in repr(Holder(value)) + repr([value])


def test_a_value_is_had_by_asking_for_it() -> None:
    assert SecretValue("TOKEN", CANARY).reveal() == CANARY
    assert SecretValue.of("TOKEN", "schlüssel".encode()).reveal() == "schlüssel"


@pytest.mark.parametrize(("data", "code"), [(b"", "secret_empty"), (b"canary\xff", "secret_not_text")])
def test_what_is_no_value_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(SecretError) as caught:
        SecretValue.of("TOKEN", data)
    assert caught.value.code == code
    assert "canary" not in repr(caught.value.__dict__)


def test_three_places_only_ask_for_a_value() -> None:
    package = Path(reqflo_ray.__file__).parent
    asking = [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    ]
    # Where it becomes a part of a request, what a proxy is shown, and where the redactor is told of it before.
    assert asking == [
        "_internal/engine/scope.py",
        "_internal/runner/execute/worker/proxy_login.py",
        "_internal/secrets/store.py",
    ]
