"""The fingerprint of a failure: the same for all rows that did not pass for the same cause. Pure; it knows texts only.

Whatever varies from row to row is masked before. A fingerprint is kept, and compared over runs and versions: what it is
made of changes only with the version of the tables.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

_DIGITS: Final = 16
_LONGEST: Final = 4096
_MASK: Final = "*"
# What an attempt met besides: how many more assertions failed, and whether a poll's last round had an answer.
_AND_MORE: Final = re.compile(r" \(and \d+ more\)|, and perhaps more|; then there was no answer: .*", re.DOTALL)
_VARYING: Final = re.compile(
    r"(?P<name>`[^`]*`)"
    r"|(?P<seen>\b(?:answered|status_code: expected) [1-5]\d\d\b)"
    r'|"(?:[^"\\]|\\.)*"'
    r"|(?<!\w)'[^']*'(?!\w)"
    r"|(?P<host>\bhttps?://[^/\s\"'`]+)\S*"
    r"|\ba long value\b"
    r"|[\w.:+-]*\d[\w.:+-]*"
)
_INDEX: Final = re.compile(r"\[\d+\]")
_CONTAINER: Final = re.compile(r"\[[^\[\]{}]*\]|\{[^\[\]{}]*\}")


def fingerprint(status: str, step: str, assertion: str, path: str, message: str) -> str:
    """What did not pass, as 16 hex digits.

    Args:
        status: of the row.
        step: the first step that did not pass, "" if the row did not come to one.
        assertion: type and operator of its first failed assertion; the error code if none failed.
        path: what that assertion looked at, "" for nothing.
        message: why it did not hold, or what went wrong; see `masked`.
    """
    parts = (status, step, assertion, path, message)
    told = "\0".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(told).hexdigest()[:_DIGITS]


def masked(message: str) -> str:
    """`message` without what varies between rows that failed alike.

    A `*` stands for each text in quotes, for lists and objects, for all of a URL behind its host, and for each word
    with a digit in it: numbers, instants, UUIDs, hex, ids, addresses. How many more assertions failed, and whether a
    poll's last round had an answer, is left out. Names in backticks stay, without their indexes, and so does the status
    that a server answered with.
    """
    text = _VARYING.sub(_mask, _AND_MORE.sub("", message[:_LONGEST]))
    while (shorter := _CONTAINER.sub(_MASK, text)) != text:
        text = shorter
    return " ".join(text.split())


def _mask(found: re.Match[str]) -> str:
    if name := found["name"]:
        return _INDEX.sub("", name)
    return found["seen"] or (f"{found['host']}/{_MASK}" if found["host"] else _MASK)
