"""A parsed YAML document in which every key and value has its place in the file.

Owns the tree and the ways to walk it. It must not know how YAML is read, or what a journey is.
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
    """A text file: its name as it is displayed, and its lines without line ends."""

    name: str
    lines: tuple[str, ...]

    def position(self, line: int, column: int) -> Position:
        """Return the place of a line and column, which count from 0, with the text of the line."""
        text = self.lines[line] if line < len(self.lines) else ""
        return Position(file=self.name, line=line + 1, column=column + 1, text=text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlNode:
    """What all nodes have: a place (line and column from 0), and how many nodes and levels they contain with aliases
    expanded."""

    source: SourceFile
    line: int
    column: int
    size: int = 1
    depth: int = 1

    @property
    def position(self) -> Position:
        """The place where the node begins."""
        return self.source.position(self.line, self.column)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlScalar(YamlNode):
    """A string, number, boolean, or null.

    `rewritten` is the text of a number that is written in another form than its value, such as `007`; otherwise "".
    """

    value: JsonValue
    end_line: int = 0
    rewritten: str = ""

    def position_of(self, snippet: str) -> Position:
        """Return the first place of `snippet` in this scalar as written; the place of the scalar if it is not found."""
        return next(self.positions_of((snippet,)))

    def positions_of(self, snippets: Iterable[str]) -> Iterator[Position]:
        """Yield the place of each of `snippets`, which follow one another, in this scalar as written.

        From the first one that is not found, for example because it is written with escapes, it is the place of the
        scalar.
        """
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
    """A YAML sequence."""

    items: tuple[YamlNode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlMapping(YamlNode):
    """A YAML mapping: `keys` holds each key with its place, `entries` its value, both in the order written."""

    entries: dict[str, YamlNode] = field(default_factory=dict)
    keys: dict[str, YamlScalar] = field(default_factory=dict)

    def replaced(self, changes: dict[str, tuple[YamlScalar, YamlNode] | None]) -> YamlMapping:
        """Return a copy with these keys set to (key, value), or removed where the change is None."""
        entries, keys = dict(self.entries), dict(self.keys)
        for name, change in changes.items():
            if change is None:
                entries.pop(name, None)
                keys.pop(name, None)
            else:
                keys[name], entries[name] = change
        return YamlMapping(source=self.source, line=self.line, column=self.column, entries=entries, keys=keys)


def scalar_like(node: YamlNode, value: JsonValue) -> YamlScalar:
    """Return a scalar that is not written in the file, at the place of `node`."""
    return YamlScalar(source=node.source, line=node.line, column=node.column, end_line=node.line, value=value)


def sequence_like(node: YamlNode, items: tuple[YamlNode, ...]) -> YamlSequence:
    """Return a sequence that is not written in the file, at the place of `node`."""
    return YamlSequence(source=node.source, line=node.line, column=node.column, items=items)


def mapping_like(node: YamlNode, entries: dict[str, YamlNode]) -> YamlMapping:
    """Return a mapping that is not written in the file, at the place of `node`; a key has the place of its value."""
    keys = {name: scalar_like(value, name) for name, value in entries.items()}
    return YamlMapping(source=node.source, line=node.line, column=node.column, entries=entries, keys=keys)


def plain(node: YamlNode) -> JsonValue:
    """Return the data without places, as new dicts, lists and scalars."""
    match node:
        case YamlMapping(entries=entries):
            return {name: plain(value) for name, value in entries.items()}
        case YamlSequence(items=items):
            return [plain(item) for item in items]
        case YamlScalar(value=value):
            return value
    raise TypeError(type(node))


def child(node: YamlNode | None, key: str) -> YamlNode | None:
    """Return the value of `key`; None if `node` is not a mapping or does not have the key."""
    return node.entries.get(key) if isinstance(node, YamlMapping) else None


def nearest(node: YamlNode, path: Path) -> YamlNode:
    """Return the node at `path`, or the deepest existing node on the way to it."""
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
    """Return the place of the last key of `path`; the place of the deepest existing node if there is no such key."""
    parent = nearest(node, path[:-1])
    if isinstance(parent, YamlMapping) and path and path[-1] in parent.keys:
        return parent.keys[str(path[-1])].position
    return parent.position


def members(node: YamlNode | None) -> Iterator[tuple[YamlScalar, YamlNode]]:
    """Yield the keys and values of a mapping; nothing for any other node."""
    if isinstance(node, YamlMapping):
        for name, value in node.entries.items():
            yield node.keys[name], value


def elements(node: YamlNode | None) -> tuple[YamlNode, ...]:
    """Return the items of a sequence; an empty tuple for any other node."""
    return node.items if isinstance(node, YamlSequence) else ()
