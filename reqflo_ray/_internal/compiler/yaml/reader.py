"""Reads YAML text into trees: YAML 1.2 core types, exact numbers, no duplicate keys, early refusal of hostile input.

It constructs no objects and must not know what a journey is. It takes the parser's events one at a time, so that it
notices an exceeded limit before the excess is in memory.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from reqflo_ray._internal.compiler.yaml.tree import SourceFile, YamlMapping, YamlNode, YamlScalar, YamlSequence
from reqflo_ray._internal.errors import DefinitionError, Position
from reqflo_ray._internal.model.values import JsonValue, exact_number

MAX_FILE_BYTES: Final = 2**20
MAX_DEPTH: Final = 64
MAX_ALIASES: Final = 100
MAX_NODES: Final = 100_000  # with aliases expanded
MAX_WRITTEN: Final = 40_000  # as written: the parser takes about 18 µs each, and must refuse a bad file within 2 s
MAX_DIRECTIVES: Final = 100  # lines that begin with `%`, for which the parser is as slow
MAX_DOCUMENTS: Final = 1_000
MAX_NUMBER_LENGTH: Final = 1_000

_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
_FRACTION: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_PARTS: Final = re.compile(r"\+?(-?)([0-9]*)(\.?[0-9]*)(.*)", re.ASCII)
_NOT_JSON: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LINE_END: Final = re.compile(r"\r\n|\n|\r")  # as the parser counts them
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STRING_TAGS: Final = frozenset(("!", "!!str", "tag:yaml.org,2002:str"))


def read_documents(data: bytes, name: str) -> tuple[YamlNode, ...]:
    """Return the documents of a file, without empty ones.

    Raises:
        DefinitionError: `yaml_syntax`, `yaml_limit`, `yaml_tag`, `yaml_encoding` or `duplicate_key`, with its place.
    """
    if len(data) > MAX_FILE_BYTES:
        raise _refused(
            "yaml_limit",
            f"the file has {len(data):,} bytes; at most {MAX_FILE_BYTES:,} are read",
            Position(file=name, line=1),
            "split it into several files",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise _refused(
            "yaml_encoding", "the file is not UTF-8 text", Position(file=name, line=line), "save it as UTF-8"
        ) from None
    if text.count("\n%") + text.startswith("%") > MAX_DIRECTIVES:
        first = 0 if text.startswith("%") else text.index("\n%") + 1
        place = Position(file=name, line=text.count("\n", 0, first) + 1)
        raise _refused(
            "yaml_limit",
            f"the file has more than {MAX_DIRECTIVES} directives",
            place,
            "remove lines that begin with `%`",
        )
    return _Reader(SourceFile(name, tuple(_LINE_END.split(text)))).read(text)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet."""

    event: Any
    is_mapping: bool
    items: list[YamlNode] = field(default_factory=list)
    entries: dict[str, YamlNode] = field(default_factory=dict)
    keys: dict[str, YamlScalar] = field(default_factory=dict)
    merged: list[YamlMapping] = field(default_factory=list)
    pending: YamlScalar | None = None
    size: int = 1
    depth: int = 1


class _Reader:
    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._documents: list[YamlNode] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, YamlNode | None] = {}
        self._aliases = 0
        self._nodes = 0
        self._written = 0
        self._begun = 0

    def read(self, text: str) -> tuple[YamlNode, ...]:
        """Return all documents of the text."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            for event in YAML(typ="safe", pure=True).parse(io.StringIO(text)):
                self._take(event)
        except MarkedYAMLError as problem:
            mark = problem.problem_mark or problem.context_mark
            place = self._source.position(mark.line, mark.column) if mark else Position(file=self._source.name, line=1)
            what = str(problem.problem or problem.context)
            raise _refused("yaml_syntax", f"this is not valid YAML: {what}", place, _syntax_hint(what)) from None
        except (YAMLError, ValueError) as problem:
            place = Position(file=self._source.name, line=1)
            what = str(problem).splitlines()[0]
            raise _refused("yaml_syntax", f"this is not valid YAML: {what}", place) from None
        return tuple(self._documents)

    def _take(self, event: Any) -> None:
        match type(event).__name__:
            case "ScalarEvent":
                self._add(self._scalar(event), event)
            case "MappingStartEvent" | "SequenceStartEvent":
                self._open(event)
            case "MappingEndEvent" | "SequenceEndEvent":
                self._close()
            case "AliasEvent":
                self._alias(event)
            case "DocumentStartEvent":
                self._anchors.clear()
                self._begun += 1
                if self._begun > MAX_DOCUMENTS:
                    raise self._error(event, "yaml_limit", f"the file has more than {MAX_DOCUMENTS:,} documents")
                if event.version not in (None, (1, 2)):
                    raise self._error(event, "yaml_syntax", "only YAML 1.2 is supported", "remove the `%YAML` line")

    def _open(self, event: Any) -> None:
        if event.tag is not None and not event.implicit:
            raise self._error(event, "yaml_tag", f"the tag `{event.tag}` is not supported", "remove the tag")
        if len(self._stack) >= MAX_DEPTH:
            raise self._error(event, "yaml_limit", f"the document is nested more than {MAX_DEPTH} levels deep")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(event, type(event).__name__ == "MappingStartEvent"))

    def _close(self) -> None:
        done = self._stack.pop()
        mark = done.event.start_mark
        place = {"source": self._source, "line": mark.line, "column": mark.column}
        node: YamlNode
        if done.is_mapping:
            self._merge(done)
            node = YamlMapping(**place, entries=done.entries, keys=done.keys, size=done.size, depth=done.depth)
        else:
            node = YamlSequence(**place, items=tuple(done.items), size=done.size, depth=done.depth)
        self._add(node, done.event)

    def _alias(self, event: Any) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._error(event, "yaml_limit", f"the file has more than {MAX_ALIASES} aliases")
        if event.anchor not in self._anchors:
            raise self._error(event, "yaml_syntax", f"there is no anchor `&{event.anchor}` before this alias")
        node = self._anchors[event.anchor]
        if node is None:
            raise self._error(event, "yaml_syntax", f"the alias `*{event.anchor}` contains itself")
        if len(self._stack) + node.depth > MAX_DEPTH:
            raise self._error(event, "yaml_limit", f"aliases nest the document more than {MAX_DEPTH} levels deep")
        self._put(node, event)

    def _add(self, node: YamlNode, event: Any) -> None:
        """Add a node that is written here; an alias only refers to one."""
        self._written += 1
        if self._written > MAX_WRITTEN:
            raise self._error(
                event, "yaml_limit", f"the file has more than {MAX_WRITTEN:,} values", "split it into several files"
            )
        if event.anchor:
            self._anchors[event.anchor] = node
        self._put(node, event)

    def _put(self, node: YamlNode, event: Any) -> None:
        self._count(node.size if type(event).__name__ == "AliasEvent" else 1, event)
        if not self._stack:
            if not (isinstance(node, YamlScalar) and node.value is None):
                self._documents.append(node)
            return
        parent = self._stack[-1]
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.pending is None:
            parent.pending = self._key(node, event)
        else:
            key, parent.pending = parent.pending, None
            self._enter(parent, key, node, event)

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            message = f"the file has more than {MAX_NODES:,} values when its aliases are expanded"
            raise self._error(event, "yaml_limit", message)

    def _key(self, node: YamlNode, event: Any) -> YamlScalar:
        if not isinstance(node, YamlScalar) or type(event).__name__ == "AliasEvent":
            hint = 'put an expression in quotes: "{{ inputs.name }}"' if isinstance(node, YamlMapping) else ""
            raise self._error(event, "yaml_syntax", "a key must be plain text", hint)
        return YamlScalar(
            source=node.source, line=node.line, column=node.column, end_line=node.end_line, value=event.value
        )

    def _enter(self, parent: _Open, key: YamlScalar, node: YamlNode, event: Any) -> None:
        if key.value == "<<":
            sources = node.items if isinstance(node, YamlSequence) else (node,)
            for source in sources:
                if not isinstance(source, YamlMapping):
                    raise self._error(
                        event, "yaml_syntax", "the value of `<<` must be a mapping, or a list of mappings"
                    )
                parent.merged.append(source)
            return
        if key.value in parent.keys:
            first = parent.keys[key.value].position
            raise DefinitionError(
                f"the key `{key.value}` is written twice",
                code="duplicate_key",
                position=key.position,
                cause=f"it is also at line {first.line}",
                hint="remove one of the two",
            )
        parent.keys[key.value], parent.entries[key.value] = key, node

    def _merge(self, done: _Open) -> None:
        """Add the entries that `<<` merges in: keys of the mapping itself win, then those of the earlier source."""
        for source in done.merged:
            self._count(source.size, done.event)
            for name, node in source.entries.items():
                if name not in done.entries:
                    done.entries[name], done.keys[name] = node, source.keys[name]

    def _scalar(self, event: Any) -> YamlScalar:
        value: JsonValue = event.value
        if event.tag is not None and event.tag not in _STRING_TAGS:
            raise self._error(event, "yaml_tag", f"the tag `{event.tag}` is not supported", "remove the tag")
        if event.style is None and event.tag is None:
            value = self._resolve(event)
        elif _SURROGATE.search(value):
            value = self._joined(event)
        mark = event.start_mark
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        return YamlScalar(
            source=self._source,
            line=mark.line,
            column=mark.column,
            end_line=event.end_mark.line,
            value=value,
            rewritten=event.value if is_number and str(value) != event.value else "",
        )

    def _resolve(self, event: Any) -> JsonValue:
        """Return a plain scalar's value by the YAML 1.2 core schema: `no` is text, and numbers are those of JSON."""
        text: str = event.value
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if text[0] not in "+-.0123456789":
            return text
        if _NOT_JSON.fullmatch(text):
            raise self._error(event, "wrong_type", f"`{text}` is not a JSON number", "put it in quotes if it is text")
        if not (_FRACTION.fullmatch(text) or _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text)):
            return text
        if len(text) > MAX_NUMBER_LENGTH:
            raise self._error(event, "yaml_limit", f"the number has more than {MAX_NUMBER_LENGTH:,} digits")
        if _INTEGER.fullmatch(text):
            return int(text)
        if text.startswith(("0o", "0x")):
            return int(text, 0)
        return self._fraction(text, event)

    def _joined(self, event: Any) -> str:
        """Join surrogate pairs, with which JSON escapes one character in two halves."""
        try:
            return str(event.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            message = "the text contains half of a surrogate pair, which is not a character"
            raise self._error(event, "wrong_type", message) from None

    def _fraction(self, text: str, event: Any) -> float | Decimal:
        try:
            number = exact_number(_as_json(text))
        except InvalidOperation:
            number = Decimal("nan")
        if isinstance(number, Decimal) and not number.is_finite():
            raise self._error(event, "yaml_limit", f"the exponent of `{text}` is too large")
        return number

    def _error(self, event: Any, code: str, message: str, hint: str = "") -> DefinitionError:
        mark = event.start_mark
        return _refused(code, message, self._source.position(mark.line, mark.column), hint)


def _as_json(fraction: str) -> str:
    """Write a YAML number as JSON does: without a plus sign, and with digits on both sides of the point."""
    sign, whole, part, exponent = _PARTS.fullmatch(fraction).groups()  # type: ignore[union-attr]
    return f"{sign}{whole.lstrip('0') or '0'}{part if len(part) > 1 else ''}{exponent}"


def _refused(code: str, message: str, position: Position, hint: str = "") -> DefinitionError:
    return DefinitionError(message, code=code, position=position, hint=hint)


def _syntax_hint(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return "put a value that contains `: ` in quotes"
    if "'\\t' that cannot start any token" in problem:
        return "indent with spaces: YAML does not allow tabs there"
    if "cannot start any token" in problem:
        return "put a value that begins with this character in quotes"
    if "found unexpected ':'" in problem or "expected <block end>" in problem:
        return "check the indentation, and put values with special characters in quotes"
    return ""
