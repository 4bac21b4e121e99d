"""A parsed YAML document in which every key and value knows its place in the file.

Owns the tree and how to walk it. It knows neither how YAML is read nor what a journey is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.values import JsonValue

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """A text file: its name as people are shown it, and its lines without their ends."""

    name: str
    lines: tuple[str, ...]

    def position(self, line: int, column: int) -> Position:
        """The place of a line and column that count from 0, with the line's text."""
        text = self.lines[line] if line < len(self.lines) else ""
        return Position(file=self.name, line=line + 1, column=column + 1, text=text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlNode:
    """What all nodes have: their place (counted from 0) and how many nodes and levels they stand for, aliases
    expanded."""

    source: SourceFile
    line: int
    column: int
    size: int = 1
    depth: int = 1

    @property
    def position(self) -> Position:
        """Where the node begins."""
        return self.source.position(self.line, self.column)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlScalar(YamlNode):
    """A string, number, boolean or null. `rewritten` is how a number was written whose value is told otherwise, such as
    `007`; else ""."""

    value: JsonValue
    end_line: int = 0
    rewritten: str = ""

    def position_of(self, snippet: str) -> Position:
        """Where `snippet` first stands within this scalar as written; the scalar's own place if it cannot be told."""
        return next(self.positions_of((snippet,)))

    def positions_of(self, snippets: Iterable[str]) -> Iterator[Position]:
        """Where each of `snippets`, which follow one another, stands within this scalar as written. From the first one
        that is written in another way, such as with escapes, on it is the scalar's own place."""
        number, column, last = self.line, self.column, min(max(self.end_line, self.line) + 1, len(self.source.lines))
        for snippet in snippets:
            while number < last and (found := self.source.lines[number].find(snippet, column)) < 0:
                number, column = number + 1, 0
            if number < last:
                yield self.source.position(number, found)
                column = found + len(snippet)
            else:
                yield self.position


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlSequence(YamlNode):
    """A list."""

    items: tuple[YamlNode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlMapping(YamlNode):
    """A mapping; `keys` holds the place of each key, `entries` its value, both in the order written."""

    entries: dict[str, YamlNode] = field(default_factory=dict)
    keys: dict[str, YamlScalar] = field(default_factory=dict)

    def replaced(self, changes: dict[str, tuple[YamlScalar, YamlNode] | None]) -> YamlMapping:
        """A copy with these keys set to (key, value), or taken away where the change is None."""
        entries, keys = dict(self.entries), dict(self.keys)
        for name, change in changes.items():
            if change is None:
                entries.pop(name, None)
                keys.pop(name, None)
            else:
                keys[name], entries[name] = change
        return YamlMapping(source=self.source, line=self.line, column=self.column, entries=entries, keys=keys)


def scalar_like(node: YamlNode, value: JsonValue) -> YamlScalar:
    """A scalar that was not written as such, at the place of `node`."""
    return YamlScalar(source=node.source, line=node.line, column=node.column, end_line=node.line, value=value)


def sequence_like(node: YamlNode, items: tuple[YamlNode, ...]) -> YamlSequence:
    """A list that was not written as such, at the place of `node`."""
    return YamlSequence(source=node.source, line=node.line, column=node.column, items=items)


def mapping_like(node: YamlNode, entries: dict[str, YamlNode]) -> YamlMapping:
    """A mapping that was not written as such, at the place of `node`; each key is placed where its value is."""
    keys = {name: scalar_like(value, name) for name, value in entries.items()}
    return YamlMapping(source=node.source, line=node.line, column=node.column, entries=entries, keys=keys)


def plain(node: YamlNode) -> JsonValue:
    """The data alone, as fresh dicts, lists and scalars."""
    match node:
        case YamlMapping(entries=entries):
            return {name: plain(value) for name, value in entries.items()}
        case YamlSequence(items=items):
            return [plain(item) for item in items]
        case YamlScalar(value=value):
            return value
    raise TypeError(type(node))


def child(node: YamlNode | None, key: str) -> YamlNode | None:
    """The value of `key` in a mapping; None if there is no such key, or no mapping."""
    return node.entries.get(key) if isinstance(node, YamlMapping) else None


def nearest(node: YamlNode, path: Path) -> YamlNode:
    """The node at `path`, or the deepest one on the way to it."""
    for part in path:
        below: YamlNode | None = None
        if isinstance(node, YamlMapping) and isinstance(part, str):
            below = node.entries.get(part)
        elif isinstance(node, YamlSequence) and isinstance(part, int) and part < len(node.items):
            below = node.items[part]
        if below is None:
            break
        node = below
    return node


def key_position(node: YamlNode, path: Path) -> Position:
    """Where the key that ends `path` is written; the place of the deepest node on the way if there is none."""
    parent = nearest(node, path[:-1])
    if isinstance(parent, YamlMapping) and path and path[-1] in parent.keys:
        return parent.keys[str(path[-1])].position
    return parent.position


def members(node: YamlNode | None) -> Iterator[tuple[YamlScalar, YamlNode]]:
    """Keys and values of a mapping; nothing for anything else."""
    if isinstance(node, YamlMapping):
        for name, value in node.entries.items():
            yield node.keys[name], value


def elements(node: YamlNode | None) -> tuple[YamlNode, ...]:
    """The items of a list; nothing for anything else."""
    return node.items if isinstance(node, YamlSequence) else ()
