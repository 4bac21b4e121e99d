"""Builds the user name and password for the proxy of a run from the values of secrets."""

from __future__ import annotations

from collections.abc import Mapping

from reqflo_ray._internal.model.plan import HttpSettings
from reqflo_ray._internal.model.values import Literal, Node, Reference, Text
from reqflo_ray._internal.secrets.value import SecretValue


def proxy_login(http: HttpSettings, secrets: Mapping[str, SecretValue]) -> tuple[str, str]:
    """Return the user name and password, each "" if it is not set. All `secrets` that they refer to must be loaded, as
    they are for every step that sends a request."""
    return _text(http.proxy_username, secrets), _text(http.proxy_password, secrets)


def _text(node: Node, secrets: Mapping[str, SecretValue]) -> str:
    match node:
        case Literal(value=str(value)):
            return value
        case Reference(name=name):
            return secrets[name].reveal()
        case Text(parts=parts):
            return "".join([part if isinstance(part, str) else _text(part, secrets) for part in parts])
    raise TypeError(type(node))
