"""Regular expressions that cannot block a worker. It must not know where a pattern or text comes from.

The language is that of Python's `re`. `regex` does the matching because it can be stopped: how long a careless pattern
takes depends on what an API answers, and one such pattern would otherwise block all rows of a worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import regex
from iregexp_check import check as is_iregexp

from reqflo_ray._internal.engine.values.work import Unjudged, Work

MAX_CHARACTERS: Final = 2**20
# For a pattern that comes from data, because compiling cannot be stopped.
_LONGEST_MET: Final = 1000
_MOST_STEPS_TO_COMPILE: Final = 1_000_000
_CHARACTERS_A_STEP: Final = 8

# What `re` takes literally and `regex` does not: braces that are not a quantifier (`regex` has fuzzy matching), and
# brackets and doubled `&`, `|`, `~` inside a character class (sets).
_PIECE: Final = re.compile(
    r"""(?P<kept>\\N\{[^}]*\} | \\. | \{(?:[0-9]+(?:,[0-9]*)?|,[0-9]*)\})
      | (?P<brace>\{)
      | (?P<open>\[\^?)(?P<members>\]?(?:\\.|[^\]\\])*)\]""",
    re.VERBOSE | re.DOTALL,
)
_UNESCAPED: Final = re.compile(r"\\.|[\[&|~]", re.DOTALL)
# A dot of an I-Regexp outside escapes and classes, and its meaning in RFC 9485: any character that does not end a line.
_DOT: Final = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|(?P<dot>\.)", re.DOTALL)
_NO_LINE_END: Final = r"(?:(?![\r\n])\P{Cs}|\p{Cs}\p{Cs})"


class PatternError(ValueError):
    """A text is not a regular expression."""


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

    @classmethod
    def met(cls, text: str, work: Work) -> Pattern:
        """Compile a pattern that comes from data: from the row, or from an earlier answer.

        Raises:
            PatternError: `text` is not a regular expression.
            Unjudged: it is too long, or `work` has not enough left to compile it.
        """
        _pay_for_compiling(text, work)
        return cls(text)

    def found_in(self, text: str, work: Work) -> bool:
        """Return whether the pattern matches anywhere in `text`.

        Raises:
            Unjudged: the text is longer than 1,048,576 characters, or matching takes longer than `work` allows.
        """
        return _bounded(self._compiled.search, text, work)


class IRegexp:
    """An I-Regexp (RFC 9485) that matches all of a text (`whole`) or a part of it. A text that is not an I-Regexp
    matches nothing."""

    __slots__ = ("_match",)

    def __init__(self, pattern: str, *, whole: bool) -> None:
        self._match: Callable[..., object] | None = None
        if is_iregexp(pattern):
            with suppress(regex.error, OverflowError):
                explicit = _DOT.sub(lambda piece: _NO_LINE_END if piece["dot"] else piece[0], pattern)
                compiled = regex.compile(explicit, regex.VERSION1)
                self._match = compiled.fullmatch if whole else compiled.search

    @classmethod
    def met(cls, pattern: str, work: Work, *, whole: bool) -> IRegexp:
        """Compile a pattern that comes from an answer.

        Raises:
            Unjudged: it is too long, or `work` has not enough left to compile it.
        """
        _pay_for_compiling(pattern, work)
        return cls(pattern, whole=whole)

    def found_in(self, text: str, work: Work) -> bool:
        """Return whether `text` matches. Raises as `Pattern.found_in`."""
        return self._match is not None and _bounded(self._match, text, work)


def _pay_for_compiling(pattern: str, work: Work) -> None:
    if len(pattern) > _LONGEST_MET:
        raise Unjudged("work_limit", f"the pattern is longer than {_LONGEST_MET:,} characters, too long to be compiled")
    work.spend(len(pattern))
    work.spend_uncounted(_MOST_STEPS_TO_COMPILE)


def _bounded(match: Callable[..., object], text: str, work: Work) -> bool:
    if len(text) > MAX_CHARACTERS:
        raise Unjudged("work_limit", f"the text is longer than {MAX_CHARACTERS:,} characters, too long to be matched")
    work.spend(1 + len(text) // _CHARACTERS_A_STEP)
    try:
        return match(text, timeout=work.pattern_seconds) is not None
    except TimeoutError:
        raise Unjudged("pattern_timeout", f"matching took longer than {work.pattern_seconds:g} s") from None


def _spelled_out(piece: re.Match[str]) -> str:
    """Return a piece of a pattern in a spelling that both engines read alike."""
    if piece["brace"]:
        return r"\{"
    if piece["open"]:
        return f"{piece['open']}{_UNESCAPED.sub(_escape, piece['members'])}]"
    return piece[0]


def _escape(part: re.Match[str]) -> str:
    return part[0] if part[0].startswith("\\") else "\\" + part[0]
