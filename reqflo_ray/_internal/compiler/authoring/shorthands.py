"""Expands the short forms of the authoring format to the one form that the models describe, and keeps every place.

A form that it does not recognize stays as it is: validation reports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

from reqflo_ray._internal.compiler.yaml.tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    child,
    mapping_like,
    scalar_like,
    sequence_like,
)

_WITH_CREDENTIALS: Final = re.compile(r"(?P<scheme>[A-Za-z0-9+.\-]+://)(?P<user>.*)@(?P<rest>[^@]*)")


def expand_journey(node: YamlNode) -> YamlNode:
    """Return a journey in its full form."""
    return _with(
        node, {"steps": _each(expand_step), "variables": _each(lambda item: _renamed(item, "value", "default"))}
    )


def expand_overlay(node: YamlNode) -> YamlNode:
    """Return an overlay in its full form."""
    return _with(node, {"steps": _each_value(_expand_overlay_step)})


def expand_template(node: YamlNode) -> YamlNode:
    """Return a request template in its full form."""
    return _with(node, {"assertions": _each(_expand_assertion), "body": _expand_body})


def expand_workspace(node: YamlNode) -> YamlNode:
    """Return the settings of the workspace in their full form."""
    return _with(node, {"secrets": _expand_secrets, "http": lambda http: _with(http, {"proxy": _expand_proxy})})


def expand_environment(node: YamlNode) -> YamlNode:
    """Return an environment in its full form."""
    return _with(node, {"proxy": _expand_proxy})


def expand_step(node: YamlNode) -> YamlNode:
    """Return a step in its full form."""
    node = _expand_step_fields(node)
    return _with(node, {"outputs": _expand_outputs, "assertions": _each(_expand_assertion)})


def _expand_overlay_step(node: YamlNode) -> YamlNode:
    changes = _each(_expand_assertion)
    return _with(
        _expand_step_fields(node),
        {
            "outputs": lambda outputs: _with(outputs, {"add": _expand_outputs}),
            "assertions": lambda assertions: _with(assertions, {"replace": changes, "add": changes}),
        },
    )


def _expand_step_fields(node: YamlNode) -> YamlNode:
    """Expand what steps and the changes of an overlay to them have in common."""
    if isinstance(node, YamlMapping) and isinstance(child(node, "request"), YamlScalar):
        node = _renamed(node, "request", "template")
    return _with(
        node,
        {
            "template": lambda template: _wrapped(template, "key"),
            "request": lambda request: _with(request, {"body": _expand_body}),
            "timeout": lambda timeout: _wrapped(timeout, "total"),
            "idempotency": lambda idempotency: _wrapped(idempotency, "enabled"),
            "poll": lambda poll: _with(poll, {"until": _each(_expand_assertion)}),
        },
    )


def _expand_assertion(node: YamlNode) -> YamlNode:
    return _renamed(_renamed(node, "value", "expected"), "header", "name")


def _expand_outputs(node: YamlNode) -> YamlNode:
    """Turn `{order_id: "$.body.id"}` and `{order_id: {path: …}}` into a list of named outputs."""
    if not isinstance(node, YamlMapping):
        return node
    return sequence_like(node, tuple(_named(node, name, "path") for name in node.entries))


def _expand_body(node: YamlNode) -> YamlNode:
    """Turn a multipart mapping into a list of named parts."""

    def parts(multipart: YamlNode) -> YamlNode:
        if not isinstance(multipart, YamlMapping):
            return multipart
        return sequence_like(multipart, tuple(_named(multipart, name, "value") for name in multipart.entries))

    return _with(node, {"multipart": parts})


def _expand_secrets(node: YamlNode) -> YamlNode:
    """Turn `file: {folder: …}`, `file: FOLDER` and `gcp: {project: …}` into `folder` and `project`."""
    for group, key in (("file", "folder"), ("gcp", "project")):
        if not isinstance(node, YamlMapping):
            return node
        value = child(node, group)
        if isinstance(value, YamlMapping) and list(value.entries) == [key]:
            value = value.entries[key]
        if isinstance(value, YamlScalar) and key not in node.entries:
            node = node.replaced({group: None, key: (scalar_like(node.keys[group], key), value)})
    return node


def _expand_proxy(node: YamlNode) -> YamlNode:
    """Turn `URL` and `SCHEME://USERNAME:PASSWORD@HOST:PORT` into a mapping, and one bypassed host into a list."""
    if isinstance(node, YamlScalar) and isinstance(node.value, str):
        entries = {"url": node.value}
        if (found := _WITH_CREDENTIALS.fullmatch(node.value)) is not None:
            username, colon, password = found["user"].partition(":")
            entries = {"url": found["scheme"] + found["rest"], "username": unquote(username)}
            entries |= {"password": password} if colon else {}
        return mapping_like(node, {name: scalar_like(node, text) for name, text in entries.items()})
    return _with(
        node, {"bypass": lambda hosts: sequence_like(hosts, (hosts,)) if isinstance(hosts, YamlScalar) else hosts}
    )


def _named(node: YamlMapping, name: str, field: str) -> YamlNode:
    """Turn one entry of a mapping by name into an item of a list; text alone is its `field`."""
    value = node.entries[name]
    inner = value if isinstance(value, YamlMapping) else mapping_like(value, {field: value})
    return inner.replaced({"name": (node.keys[name], node.keys[name])}) if "name" not in inner.entries else inner


def _renamed(node: YamlNode, old: str, new: str) -> YamlNode:
    if not isinstance(node, YamlMapping) or old not in node.entries or new in node.entries:
        return node
    return node.replaced({old: None, new: (scalar_like(node.keys[old], new), node.entries[old])})


def _wrapped(node: YamlNode, field: str) -> YamlNode:
    if isinstance(node, YamlScalar) and node.value is not None:
        return mapping_like(node, {field: node})
    return node


def _with(node: YamlNode, changes: dict[str, Callable[[YamlNode], YamlNode]]) -> YamlNode:
    """Return a mapping in which some values are changed, in the same order."""
    if not isinstance(node, YamlMapping):
        return node
    changed = {
        name: (node.keys[name], change(node.entries[name])) for name, change in changes.items() if name in node.entries
    }
    return node.replaced(dict(changed))


def _each(change: Callable[[YamlNode], YamlNode]) -> Callable[[YamlNode], YamlNode]:
    def apply(node: YamlNode) -> YamlNode:
        if not isinstance(node, YamlSequence):
            return node
        return sequence_like(node, _all(node.items, change))

    return apply


def _each_value(change: Callable[[YamlNode], YamlNode]) -> Callable[[YamlNode], YamlNode]:
    def apply(node: YamlNode) -> YamlNode:
        return _with(node, dict.fromkeys(node.entries, change)) if isinstance(node, YamlMapping) else node

    return apply


def _all(nodes: Iterable[YamlNode], change: Callable[[YamlNode], YamlNode]) -> tuple[YamlNode, ...]:
    return tuple(change(node) for node in nodes)
