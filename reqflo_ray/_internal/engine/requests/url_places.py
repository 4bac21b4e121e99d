"""Renders the path and the query of a URL as lists of text and functions of a row's values: each value is encoded for
its place. It must not know where the URL leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from reqflo_ray._internal.engine.requests.urls import (
    encode_parameter,
    encode_path,
    encode_query,
    encode_value,
    no_step,
    query_pairs,
)
from reqflo_ray._internal.engine.values.expressions import Values, compile_node, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.model.http.url_parts import Piece, is_value_of, parameters
from reqflo_ray._internal.model.values import UNSET, Node, references

Render: TypeAlias = Callable[[Values], str]
Item: TypeAlias = str | Render


def path_items(pieces: Sequence[Piece], masked: bool) -> list[Item]:
    """Return the items of a path, segment by segment: a value must not turn its segment into a step to another one."""
    items: list[Item] = []
    segment: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, str):
            segment.append(piece)
            continue
        first, *others = piece.split("/")
        segment += [first] if first else []
        for other in others:
            items += [*_segment(segment, masked), "/"]
            segment = [other] if other else []
    return items + _segment(segment, masked)


def _segment(pieces: Sequence[Piece], masked: bool) -> list[Item]:
    if all(isinstance(piece, str) for piece in pieces):
        return [encode_path(piece) for piece in pieces if isinstance(piece, str)]
    items = [encode_path(piece) if isinstance(piece, str) else _path_value(piece, masked) for piece in pieces]
    if masked:
        return list(items)
    if len(items) == 1:
        (value,) = items
        assert not isinstance(value, str)
        return [lambda values: no_step(value(values))]
    whole = concatenated(items)
    return [lambda values: no_step(whole(values))]


def _path_value(node: Node, masked: bool) -> Render:
    render, name = compile_node(node, masked=masked), names_of(node)
    return lambda values: encode_parameter(render(values), name)


def query_items(pieces: Sequence[Piece] | None, masked: bool) -> list[Item]:
    """Return the items of a query, including its `?` if there is one."""
    if pieces is None:
        return []
    if all(isinstance(piece, str) for piece in pieces):
        return ["?", *parameter_items(pieces, masked)]
    render = _pairs(pieces, masked)

    def with_mark(values: Values) -> str:
        found = render(values)
        return "?" + "&".join(found) if found else ""

    return [with_mark]


def parameter_items(pieces: Sequence[Piece], masked: bool) -> list[Item]:
    """Return the items of a query without its `?`, or of the rest of one."""
    if all(isinstance(piece, str) for piece in pieces):
        return [encode_query(piece) for piece in pieces if isinstance(piece, str)]
    render = _pairs(pieces, masked)
    return [lambda values: "&".join(render(values))]


def _pairs(pieces: Sequence[Piece], masked: bool) -> Callable[[Values], list[str]]:
    """Return the function for the parameters of a query, without those that have no value."""
    if len(pieces) == 1 and not isinstance(pieces[0], str):
        return _whole_query(pieces[0], masked)
    rendered = [_pair(parameter, masked) for parameter in parameters(pieces)]
    return lambda values: [pair for render in rendered for pair in render(values)]


def _pair(parameter: tuple[Piece, ...], masked: bool) -> Callable[[Values], list[str]]:
    if is_value_of(parameter):
        name, node = parameter
        assert isinstance(name, str) and not isinstance(node, str)
        key, value = encode_query(name[:-1]), compile_node(node, masked=masked)
        return lambda values: query_pairs(key, value(values))
    whole = concatenated(
        [encode_query(piece) if isinstance(piece, str) else _value_in_query(piece, masked) for piece in parameter]
    )
    return lambda values: [whole(values)]


def _value_in_query(node: Node, masked: bool) -> Render:
    render, name = compile_node(node, masked=masked), names_of(node)

    def text(values: Values) -> str:
        value = render(values)
        if value is UNSET:
            raise RowFault("missing_value", f"{name} has no value, but is part of a text")
        return encode_value(value)

    return text


def _whole_query(node: Node, masked: bool) -> Callable[[Values], list[str]]:
    render = compile_node(node, masked=masked)

    def pairs(values: Values) -> list[str]:
        value = render(values)
        text = "" if value is UNSET or value is None else to_text(value).removeprefix("?")
        return [encode_query(text).replace("#", "%23")] if text else []

    return pairs


def concatenated(items: Sequence[Item]) -> Render:
    """Return the function that joins the texts of `items`."""
    merged: list[Item] = []
    for item in items:
        if isinstance(item, str) and merged and isinstance(last := merged[-1], str):
            merged[-1] = last + item
        elif item != "":
            merged.append(item)
    match merged:
        case []:
            return lambda _: ""
        case [str() as text]:
            return lambda _: text
        case [item] if not isinstance(item, str):
            return item
        case [str() as text, item] if not isinstance(item, str):
            return lambda values: text + item(values)
    return lambda values: "".join([item if isinstance(item, str) else item(values) for item in merged])


def names_of(node: Node) -> str:
    """Return what a value reads, for messages."""
    return ", ".join(f"`{reference}`" for reference in references(node))
