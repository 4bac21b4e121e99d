"""A response as assertions and outputs read it: JSON decoded once, text, headers by name. Each reading costs work.

It must not judge anything.
"""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.engine.responses.charset import UTF_8, Encoding, encoding_of
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.http.exchange import Timings, TransportResponse
from reqflo_ray._internal.model.values import JsonValue

_UNDECODED: Final = object()


class ResponseView:
    """One response, and the work that judging it may cost. Nothing is decoded before it is needed, and no JSON twice.

    `json`, `text`, and `contains` raise `Unjudged` if `work` has not enough left for the size of the body. `warnings`
    are sentences on how the body was read, each once.
    """

    __slots__ = ("_document", "_encoding", "_problem", "response", "timings", "warnings", "work")

    def __init__(self, response: TransportResponse, timings: Timings, work: Work) -> None:
        self.response = response
        self.timings = timings
        self.work = work
        self.warnings: dict[str, None] = {}
        self._document: JsonValue = _UNDECODED
        self._encoding: Encoding | None = None
        self._problem: json_text.NotJson | None = None

    def json(self) -> JsonValue:
        """Return the body as JSON.

        Raises:
            NotJson: it is not JSON; `TooDeep` if it is nested too deeply to be read.
        """
        if self._problem is not None:
            raise self._problem
        if self._document is _UNDECODED:
            self.work.spend_on_json(len(self.response.body))
            try:
                self._document, standard = json_text.decode(self._json_text())
            except json_text.NotJson as problem:
                self._problem = problem
                raise
            if not standard:
                self.warnings["the body is not strict JSON (NaN, a lone surrogate, or UTF-16)"] = None
        return self._document

    def text(self) -> str:
        """Return the body as text, without its BOM; bytes that cannot be decoded are replaced."""
        codec, skip, _ = self._read_as()
        body = self.response.body
        self.work.spend_on_text(len(body))
        text = self._in_charset(codec, skip) if codec != UTF_8 else None
        return body[skip:].decode(codec, "replace") if text is None else text

    def contains(self, text: str) -> bool:
        """Return whether the body contains `text`."""
        codec, skip, _ = self._read_as()
        if codec == UTF_8:
            self.work.spend_on_text(len(self.response.body))
            return self.response.body.find(text.encode(errors="replace"), skip) >= 0
        return text in self.text()

    def header(self, name: str) -> list[str]:
        """Return all values of the header whose lower-case name is `name`, in order."""
        return [value for key, value in self.response.headers if key.lower() == name]

    def _json_text(self) -> bytes | str:
        """Return the body in the form that the JSON decoder reads."""
        codec, skip, unknown = self._read_as()
        body = self.response.body
        if codec == UTF_8:
            if unknown and not body.isascii() and not _is_utf_8(body):
                raise json_text.NotJson(f"its charset, {unknown}, is unknown, and it is not UTF-8")
            return body[skip:] if skip else body
        self.work.spend_on_text(len(body))
        text = self._in_charset(codec, skip)
        if text is None:
            raise json_text.NotJson(f"it cannot be decoded as {codec}, the charset of the response")
        return text

    def _in_charset(self, codec: str, skip: int) -> str | None:
        """Return the body as text of a charset other than UTF-8; as UTF-8 if it is valid in that alone, None if it is
        valid in neither."""
        body = self.response.body
        wide = codec.startswith("utf-")
        may_be_utf_8 = not (wide and b"\0" in body) and _is_utf_8(body)
        try:
            text = body[skip:].decode(codec, "surrogatepass" if wide else "strict")
        except UnicodeDecodeError:
            text = None
        if may_be_utf_8 and (wide or text is None):
            self.warnings[f"the body is UTF-8, not {codec}, the charset of the response"] = None
            return body.decode()
        if may_be_utf_8 and not body.isascii():
            self.warnings[f"the body may be UTF-8; it was read as {codec}, the charset of the response"] = None
        return text

    def _read_as(self) -> Encoding:
        if self._encoding is None:
            self._encoding = encoding_of(self.response)
            if self._encoding.unknown and not self.response.body.isascii():
                charset = f"the charset of the response, {self._encoding.unknown}, is unknown"
                self.warnings[f"{charset}; the body was read as UTF-8"] = None
        return self._encoding


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
