"""Limits on the size of a journey, checked before it is expanded, compiled, or sent. Numbers and counting only, no I/O.

They are far above what people write, and low enough that a file which exceeds them is refused within two seconds.
Hosted CI pipelines allow 500 to 1,000 jobs or steps, and 10 to 100 levels of nesting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from reqflo_ray._internal.model.values import JsonValue

MAX_STEPS: Final = 10_000  # those of sub-journeys counted each time they run
MAX_NESTING: Final = 32  # levels of journeys that run one another
MAX_VALUES: Final = 200_000  # templates and sub-journeys counted each time they are used
MAX_CHARACTERS: Final = 32 * 2**20  # of these values
MAX_READS: Final = 250_000  # values that all steps read, directly or through declarations
MAX_CHAIN: Final = 64  # declarations that read one another: each takes a few levels of the interpreter's stack
MAX_RENDERED: Final = 8 * 2**20  # characters of one value or request that definitions alone determine
MAX_URL: Final = 8_000  # characters of a URL as written: servers should support at least these (RFC 9110, 4.1)
MAX_EXPRESSION: Final = 10_000  # characters of a path, pattern or `{{ … }}`
MAX_RANGES: Final = 2_000_000  # characters in the ranges of a pattern, which are compiled one by one
MAX_SUBSCHEMAS: Final = 10_000  # of a JSON Schema that apply to the same value
MAX_NODE_DEPTH: Final = 100  # levels of a value in an artifact; YAML may nest 64 levels
MAX_PROBLEMS: Final = 200  # errors that one check reports

_IN_PLACE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_IN_PLACE: Final = ("not", "if", "then", "else")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")

_CHARACTER: Final = r"(\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|[^\\\]])"
_RANGE: Final = re.compile(f"{_CHARACTER}-{_CHARACTER}", re.DOTALL)


def pattern_excess(pattern: str) -> str:
    """Return how a pattern exceeds a limit, as the end of a sentence: `has more than …`; "" if it does not."""
    if len(pattern) > MAX_EXPRESSION:
        return f"has more than {MAX_EXPRESSION:,} characters"
    if sum(max(0, _code(last) - _code(first)) for first, last in _RANGE.findall(pattern)) > MAX_RANGES:
        return f"has ranges of more than {MAX_RANGES:,} characters"
    return ""


def _code(character: str) -> int:
    return int(character[2:], 16) if len(character) > 1 else ord(character)


def subschemas(schema: JsonValue) -> int:
    """Return the largest number of subschemas that apply to the same value; it stops soon after `MAX_SUBSCHEMAS`.

    It follows keywords that apply to the same value, such as `allOf`, and references within the schema. Keywords that
    apply to parts of the value (`properties`, `items`) start a new count, because the value bounds them. A subschema
    that refers to itself counts once, because validators detect that.
    """
    counter = _Counter(schema)
    return max(map(counter.count, _objects(schema)), default=0)


class _Counter:
    """Counts each shared part once, so that counting itself does not multiply."""

    def __init__(self, root: JsonValue) -> None:
        self._root = root
        self._counted: dict[int, int] = {}

    def count(self, schema: JsonValue) -> int:
        # Without recursion: a chain of references may be as long as the file.
        waiting: list[tuple[JsonValue, bool]] = [(schema, False)]
        open_: set[int] = set()
        while waiting:
            here, is_done = waiting.pop()
            key = id(here)
            if is_done:
                open_.discard(key)
                total = 1 + sum(self._counted.get(id(part), 1) for part in self._parts(here))
                self._counted[key] = min(total, MAX_SUBSCHEMAS + 1)
            elif key not in self._counted and key not in open_:
                open_.add(key)
                waiting.append((here, True))
                waiting += ((part, False) for part in self._parts(here))
        return self._counted[id(schema)]

    def _parts(self, schema: JsonValue) -> Iterator[JsonValue]:
        if not isinstance(schema, dict):
            return
        for key in _IN_PLACE_LISTS:
            found = schema.get(key)
            yield from found if isinstance(found, list) else ()
        for key in _IN_PLACE:
            if key in schema:
                yield schema[key]
        dependent = schema.get("dependentSchemas")
        yield from dependent.values() if isinstance(dependent, dict) else ()
        for key in _REFERENCES:
            target = self._target(schema.get(key))
            if target is not None:
                yield target

    def _target(self, reference: JsonValue) -> JsonValue:
        """Return the target of a reference within the schema; None for any other reference, such as an anchor."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        here: Any = self._root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(here, dict):
                here = here.get(name)
            elif isinstance(here, list) and name.isdecimal() and int(name) < len(here):
                here = here[int(name)]
            else:
                return None
        return here


def _objects(value: JsonValue) -> Iterator[JsonValue]:
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield here
            waiting += here.values()
        elif isinstance(here, list):
            waiting += here
