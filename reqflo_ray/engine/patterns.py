"""Regular expressions that cannot hang a worker. It must not know whose pattern or text it is.

The language is Python's `re`. Matching is done by `regex`, which can be stopped: what an API answers decides how long
a careless pattern takes, and one such pattern would otherwise stand still all rows of a worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import regex
from iregexp_check import check as is_iregexp
from jsonpath_rfc9535.function_extensions._pattern import map_re

MAX_SECONDS: Final = 1.0
MAX_CHARACTERS: Final = 2**20

# What `re` takes literally and `regex` does not: braces that are no quantifier (`regex` has fuzzy matching), and
# brackets and doubled `&`, `|`, `~` inside of a character class (sets).
_PIECE: Final = re.compile(
    r"""(?P<kept>\\N\{[^}]*\} | \\. | \{(?:[0-9]+(?:,[0-9]*)?|,[0-9]*)\})
      | (?P<brace>\{)
      | (?P<open>\[\^?)(?P<members>\]?(?:\\.|[^\]\\])*)\]""",
    re.VERBOSE | re.DOTALL,
)
_UNESCAPED: Final = re.compile(r"\\.|[\[&|~]", re.DOTALL)


class PatternError(ValueError):
    """A pattern is none, or takes too long on a text."""


class Pattern:
    """A compiled pattern.

    Raises:
        PatternError: `text` is not a regular expression.
    """

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            explicit = _PIECE.sub(_spelled_out, text)
            re.compile(explicit)
            self._compiled = regex.compile(explicit)
        except (re.error, regex.error, OverflowError, RecursionError) as problem:
            raise PatternError(f"the pattern is not a regular expression: {problem}") from None

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches anywhere in `text`.

        Raises:
            PatternError: the text is longer than 1 Mi characters, or matching takes longer than a second.
        """
        return _bounded(self._compiled.search, text)


def iregexp(pattern: str, text: str, *, whole: bool) -> bool:
    """Whether the I-Regexp (RFC 9485) `pattern` matches all of `text`, or somewhere in it. What is no pattern matches
    nothing.

    Raises:
        PatternError: as `Pattern.found_in`.
    """
    if not is_iregexp(pattern):
        return False
    try:
        compiled = regex.compile(map_re(pattern), regex.VERSION1)
    except (regex.error, OverflowError):
        return False
    return _bounded(compiled.fullmatch if whole else compiled.search, text)


def _bounded(match: Callable[..., object], text: str) -> bool:
    if len(text) > MAX_CHARACTERS:
        raise PatternError(f"the text is longer than {MAX_CHARACTERS} characters, too long to be matched")
    try:
        return match(text, timeout=MAX_SECONDS) is not None
    except TimeoutError:
        raise PatternError(f"matching took longer than {MAX_SECONDS:g} s") from None


def _spelled_out(piece: re.Match[str]) -> str:
    """The same piece of a pattern, in a spelling that both engines read alike."""
    if piece["brace"]:
        return r"\{"
    if piece["open"]:
        return f"{piece['open']}{_UNESCAPED.sub(_escape, piece['members'])}]"
    return piece[0]


def _escape(part: re.Match[str]) -> str:
    return part[0] if part[0].startswith("\\") else "\\" + part[0]
