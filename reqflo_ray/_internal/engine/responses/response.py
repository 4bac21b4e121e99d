"""A response as assertions and outputs look at it: JSON decoded once, text, headers by name; each look is paid for.

It judges nothing.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.exchange import Timings, TransportResponse
from reqflo_ray._internal.model.values import JsonValue

_CHARSET: Final = re.compile(r"""charset\s*=\s*"?([A-Za-z0-9._:-]+)""", re.IGNORECASE)
# Codecs of Python that are no charset: one of them takes hours for a megabyte, others make characters of escapes.
_NO_CHARSETS: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_UNDECODED: Final = object()


class ResponseView:
    """One response, and what may be spent on judging it. Nothing is decoded before it is asked for, and no JSON twice.

    `json`, `text` and `contains` raise `Unjudged` if `work` has not enough left for the size of the body.
    """

    __slots__ = ("_document", "_problem", "response", "standard_json", "timings", "work")

    def __init__(self, response: TransportResponse, timings: Timings, work: Work) -> None:
        self.response = response
        self.timings = timings
        self.work = work
        self.standard_json = True
        self._document: JsonValue = _UNDECODED
        self._problem: json_text.NotJson | None = None

    def json(self) -> JsonValue:
        """The body as JSON.

        Raises:
            NotJson: it is none; `TooDeep` if it is nested more deeply than can be read.
        """
        if self._problem is not None:
            raise self._problem
        if self._document is _UNDECODED:
            self.work.spend_on_json(len(self.response.body))
            try:
                self._document, self.standard_json = json_text.decode(self.response.body)
            except json_text.NotJson as problem:
                self._problem = problem
                raise
        return self._document

    def text(self) -> str:
        """The body as text, by the charset that the response names (else UTF-8); what cannot be read is replaced."""
        body = self.response.body
        self.work.spend_on_text(len(body))
        try:
            charset = codecs.lookup(self._charset()).name
            return body.decode("utf-8" if charset in _NO_CHARSETS else charset, errors="replace")
        except (LookupError, ValueError):
            return body.decode(errors="replace")  # an unknown charset is as good as none

    def contains(self, text: str) -> bool:
        """Whether `text` is somewhere in the body."""
        if self._charset() == "utf-8":
            self.work.spend_on_text(len(self.response.body))
            return text.encode(errors="replace") in self.response.body
        return text in self.text()

    def header(self, name: str) -> list[str]:
        """All values of the header whose lower-case name is `name`, in order."""
        return [value for key, value in self.response.headers if key.lower() == name]

    def _charset(self) -> str:
        for value in self.header("content-type"):
            found = _CHARSET.search(value)
            if found is not None:
                return found[1].lower()
        return "utf-8"
