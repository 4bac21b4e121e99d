"""JSONPath (RFC 9535) over decoded JSON: a library parses paths, and `jsonpath_query` evaluates them.

It must not know what a path is used for. All numbers of a document compare by value, Decimals included.
"""

from __future__ import annotations

from typing import Final

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathQuery

from reqflo_ray._internal.engine.values.jsonpath_query import Search, compile_query, singular_steps, walk
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model.values import UNSET, JsonValue


class PathError(ValueError):
    """A text is not a JSONPath, or a path cannot be evaluated on a document."""


class Path:
    """A compiled JSONPath. `singular`: it finds at most one value (names and indexes only)."""

    __slots__ = ("_find", "_steps", "singular", "text")

    def __init__(self, text: str, query: JSONPathQuery) -> None:
        self.text = text
        self.singular = query.singular_query()
        self._steps = singular_steps(query) if self.singular else ()
        self._find = compile_query(query)

    def find(self, document: JsonValue, work: Work) -> list[JsonValue]:
        """Return all values that the path selects, in document order.

        Raises:
            PathError: it cannot be evaluated on this document.
            Unjudged: it takes more than `work` has left.
        """
        try:
            return self._find(document, Search(document, work))
        except RecursionError:
            raise PathError(f"`{self.text}`: the document is nested too deeply") from None
        except (ArithmeticError, ValueError, TypeError) as problem:
            raise PathError(f"`{self.text}` cannot be evaluated: {type(problem).__name__}") from None

    def first(self, document: JsonValue, work: Work) -> JsonValue:
        """Return the first value that the path selects, or `UNSET`. Raises as `find`."""
        if self.singular:
            return walk(document, self._steps)
        found = self.find(document, work)
        return found[0] if found else UNSET


def compile_path(text: str) -> Path:
    """Compile a JSONPath.

    Raises:
        PathError: `text` is not a JSONPath; says why, and at which column.
    """
    try:
        return Path(text, _ENVIRONMENT.compile(text))
    except RecursionError:
        raise PathError("the path is nested too deeply") from None
    except (JSONPathError, ArithmeticError, ValueError, TypeError, IndexError) as problem:
        raise PathError(f"`{text}` is not a JSONPath: {problem}") from None


_ENVIRONMENT: Final = JSONPathEnvironment()
