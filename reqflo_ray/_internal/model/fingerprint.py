"""The fingerprint of a failure, which is the same for all rows that did not pass for the same reason. Pure text.

What varies from row to row is masked first. Fingerprints are stored and compared across runs and versions, so that
their ingredients may change only with the version of the tables.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

_DIGITS: Final = 16
_LONGEST: Final = 4096
_MASK: Final = "*"
# Details of an attempt: how many more assertions failed, and whether the last poll round had a response.
_AND_MORE: Final = re.compile(r" \(and \d+ more\)|, and perhaps more|; then there was no answer: .*", re.DOTALL)
_VARYING: Final = re.compile(
    r"(?P<name>`[^`]*`)"
    r"|(?P<seen>\b(?:answered|status is) [1-5]\d\d\b)"
    r'|"(?:[^"\\]|\\.)*"'
    r"|(?<!\w)'[^']*'(?!\w)"
    r"|(?P<host>\bhttps?://[^/\s\"'`]+)\S*"
    r"|\ba long (?:value|list)\b"
    r"|[\w.:+-]*\d[\w.:+-]*"
)
_INDEX: Final = re.compile(r"\[\d+\]")
_CONTAINER: Final = re.compile(r"\[[^\[\]{}]*\]|\{[^\[\]{}]*\}")


def fingerprint(status: str, step: str, assertion: str, path: str, message: str) -> str:
    """Return 16 hex digits that identify what did not pass.

    Args:
        status: the status of the row.
        step: the first step that did not pass, "" if the row did not reach any.
        assertion: type and operator of the first failed assertion of the step; the error code if none failed.
        path: the path that the assertion checked, or "".
        message: the masked message of the assertion or error; see `masked`.
    """
    parts = (status, step, assertion, path, message)
    told = "\0".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(told).hexdigest()[:_DIGITS]


def masked(message: str) -> str:
    """Return `message` without what varies between rows that failed for the same reason.

    `*` replaces each text in quotes, lists and objects, the part of a URL after its host, and each word that contains a
    digit: numbers, instants, UUIDs, hex, IDs, addresses. The number of further failed assertions, and whether the last
    poll round had a response, are left out. Names in backticks stay, without indexes, and so does the status of a
    response.
    """
    text = _VARYING.sub(_mask, _AND_MORE.sub("", message[:_LONGEST]))
    while (shorter := _CONTAINER.sub(_MASK, text)) != text:
        text = shorter
    return " ".join(text.split())


def _mask(found: re.Match[str]) -> str:
    if name := found["name"]:
        return _INDEX.sub("", name)
    return found["seen"] or (f"{found['host']}/{_MASK}" if found["host"] else _MASK)
