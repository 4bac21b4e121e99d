"""Replaces secret and sensitive values by their names in everything that is kept or shown.

It must be told a value before anyone can use it, works on bytes, once, and never shows what it knows. It does not
know HTTP, files or where values come from.

A value of six characters and more is found raw, percent-encoded, JSON-escaped, with HTML entities (each also nested
once), in base64 and base64url at any alignment, also broken into lines, and in hex. Not found: parts of a value,
changed letter case, compressed or encrypted text. A secret of fewer than six characters is refused, since it would be
found everywhere; a sensitive value that short is masked only where it is a whole value between delimiters
(`"cvv": "123"`, `cvv=123&`), raw or escaped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from reqflo_ray.errors import SecretError
from reqflo_ray.model.exchange import CREDENTIAL_HEADERS, Headers
from reqflo_ray.model.json_text import NotJson, decode, encode_text
from reqflo_ray.secrets.forms import Form, forms_of, sent_as, short_forms_of, unescaped

_Bytes: TypeAlias = bytes  # inside the class, `bytes` is its method

MINIMUM_LENGTH: Final = 6  # characters

MASK: Final = "[masked]"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,19} ")
# In JSON text: a string, which is left alone, or anything else with markers in it.
_STRING_OR_MARKED: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?:[^\s,:{}\[\]"]*\[(?:secret|sensitive):[^][\s"]*\])+[^\s,:{}\[\]"]*', re.DOTALL
)
_KNOWN_CREDENTIAL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{0,19} )?\[(?:secret|sensitive):[^][\s]*\]")

# Many long needles are looked for at once by sampling: whatever holds a needle of n bytes holds one of the first words
# of it at a multiple of any stride up to n - 3. One lookup per stride in a set of these words of all needles costs less
# than a search per needle.
_WORD: Final = 4
_SAMPLED_LENGTH: Final = 5 * _WORD - 1  # shorter ones would need a look at nearly every word
_LONGEST_STRIDE: Final = 16 * _WORD

_BETWEEN: Final = b"\0"  # parts that are searched as one; it belongs to no escape and to no base64


class Redactor:
    """Knows values by label, and masks each as `[label]`.

    A redactor lives as long as a worker; `child()` makes a layer for one row, which is dropped with its row.
    """

    __slots__ = ("_forms", "_parent", "_registered", "_short", "_stride", "_words")

    def __init__(self, parent: Redactor | None = None) -> None:
        self._parent = parent
        self._registered: set[str] = set()
        self._forms: dict[_Bytes, Form] = {}
        self._short: list[_Bytes] = []
        self._words: dict[int, list[Form]] = {}
        self._stride = _LONGEST_STRIDE

    def child(self) -> Redactor:
        """A layer over this one: it masks what this one knows, and what is registered with it alone."""
        return Redactor(self)

    def register(self, label: str, value: str) -> None:
        """Mask `value` as `[label]` from now on; `label` is as in `secret:SHOP_TOKEN` or `sensitive:inputs.card`.

        Raises:
            SecretError: `secret_too_short` if a secret (a label that begins with `secret:`) has fewer than six
                characters.
        """
        if value in self._registered:
            return
        marker = f"[{label}]".encode()
        if len(value) >= MINIMUM_LENGTH:
            self._add(forms_of(value, marker))
            self._add(sent_as(value, marker))
            stripped = value.strip()
            if stripped != value and len(stripped) >= MINIMUM_LENGTH:
                self._add(forms_of(stripped, marker))  # a header loses the blanks around its value
        elif label.startswith("secret:"):
            raise SecretError(
                f"the value of `{label.removeprefix('secret:')}` is too short to be masked",
                code="secret_too_short",
                cause=f"a value of fewer than {MINIMUM_LENGTH} characters would be found by chance everywhere",
                hint="use a longer secret, or an input if it is not secret",
            )
        elif value:
            self._add(short_forms_of(value, marker))
        self._registered.add(value)

    def _add(self, forms: Iterable[Form]) -> None:
        for form in forms:
            needle = form.needle
            if needle in self._forms:
                continue
            self._forms[needle] = form
            # A row's few values are not worth a set of words.
            if self._parent is None and len(needle) >= _SAMPLED_LENGTH:
                self._sample(form)
            else:
                self._short.append(needle)

    def _sample(self, form: Form) -> None:
        needle = form.needle
        # It only ever shrinks, so the words of earlier needles remain enough.
        self._stride = min(self._stride, (len(needle) - _WORD + 1) // _WORD * _WORD)
        for at in range(self._stride):
            word = int.from_bytes(needle[at : at + _WORD], sys.byteorder)
            self._words.setdefault(word, []).append(form)

    def text(self, text: str) -> str:
        """`text` with every known value masked; the same object if there is none."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.bytes(data)
        return text if masked is data else text_of(masked)

    def bytes(self, data: _Bytes) -> _Bytes:
        """`data` with every known value masked; the same object if there is none.

        Where matches overlap, all of them are masked under the name of the longest.
        """
        return self.each((data,))[0]

    def each(self, parts: Sequence[_Bytes]) -> Sequence[_Bytes]:
        """Each of `parts` as `bytes` masks it, by one search through all of them; `parts` itself if there is nothing
        to mask."""
        whole = _BETWEEN.join(parts)
        spans = [
            (start, end, form.marker) for form in self._found(whole) for start, end in form.spans(whole)
        ] + self._escaped_spans(parts, whole)
        if not spans:
            return parts
        spans.sort()
        return _masked(parts, whole, _merged(spans))

    def _escaped_spans(self, parts: Sequence[_Bytes], whole: _Bytes) -> list[tuple[int, int, _Bytes]]:
        """The places in `whole` of values that are written with escapes in one of `parts`."""
        if not (b"%" in whole or b"\\" in whole or b"&" in whole or b"\n" in whole):
            return []
        spans: list[tuple[int, int, _Bytes]] = []
        first = 0
        for part in parts:
            for view in unescaped(part):
                for form in self._found(view.data):
                    places = view.original(form.spans(view.data))
                    spans += [(first + start, first + end, form.marker) for start, end in places]
            first += len(part) + len(_BETWEEN)
        return spans

    def _found(self, data: _Bytes) -> list[Form]:
        """The forms that may occur in `data`."""
        found: list[Form] = []
        layer: Redactor | None = self
        while layer is not None:
            for needle in layer._short:
                if needle in data:
                    found.append(layer._forms[needle])
            if layer._words and len(data) >= _SAMPLED_LENGTH:
                sampled = memoryview(data)[: len(data) & -_WORD].cast("I")[:: layer._stride // _WORD]
                for word in layer._words.keys() & sampled:
                    found += [form for form in layer._words[word] if form not in found]
            layer = layer._parent
        return found

    def __repr__(self) -> str:
        return "<Redactor>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a redactor knows secret values and cannot be pickled or copied")


def text_of(masked: bytes) -> str:
    """The text that masked bytes of a text are."""
    try:
        return masked.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # a value in Latin-1 bytes ended within a character
        return masked.decode("utf-8", "replace")


def still_json(masked: str) -> str:
    """JSON text after masking, as JSON text again: a number or literal with a marker in it becomes text. What a value
    has torn, since it held quotes itself, is one text as a whole."""
    if _is_json(masked):
        return masked
    quoted = _STRING_OR_MARKED.sub(lambda found: found[0] if found[0][0] == '"' else encode_text(found[0]), masked)
    return quoted if _is_json(quoted) else encode_text(masked)


def _is_json(text: str) -> bool:
    try:
        decode(text)
    except NotJson:
        return False
    return True


def mask_credentials(headers: Headers) -> Headers:
    """The second net: `headers`, already redacted, without the values of those that hold credentials, known or not.

    Names of values, an authentication scheme, names of cookies and attributes of a cookie are kept.
    """
    masked = _masked_positions(tuple([name for name, _ in headers]))
    if not masked:
        return headers
    shown = list(headers)
    for at in masked:
        name, value = shown[at]
        shown[at] = name, _without_credential(name.lower(), value)
    return tuple(shown)


# An API's answers have the same few sets of headers.
@lru_cache(maxsize=1024)
def _masked_positions(names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(at for at, name in enumerate(names) if name.lower() in CREDENTIAL_HEADERS)


def _without_credential(name: str, value: str) -> str:
    if name == "set-cookie":
        cookie, separator, attributes = value.partition(";")
        return _without_cookie_value(cookie) + separator + attributes
    if name == "cookie":
        return "; ".join([_without_cookie_value(cookie.strip()) for cookie in value.split(";")])
    if _KNOWN_CREDENTIAL.fullmatch(value):
        return value
    scheme = _SCHEME.match(value)
    return (scheme[0] if scheme else "") + MASK


def _without_cookie_value(cookie: str) -> str:
    name, equals, value = cookie.partition("=")
    if not equals:
        return MASK
    return cookie if _KNOWN_CREDENTIAL.fullmatch(value) else f"{name}={MASK}"


def _merged(spans: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """`spans`, which are sorted, without overlaps: what overlaps is one, under the name of its longest."""
    merged: list[tuple[int, int, bytes]] = []
    longest = 0
    for start, end, marker in spans:
        if merged and start < merged[-1][1]:
            first, last, name = merged[-1]
            merged[-1] = (first, max(last, end), marker if end - start > longest else name)
            longest = max(longest, end - start)
        else:
            merged.append((start, end, marker))
            longest = end - start
    return merged


def _masked(parts: Sequence[bytes], whole: bytes, spans: list[tuple[int, int, bytes]]) -> list[bytes]:
    """`parts`, with markers in the places of `spans`, which are of `whole`: all parts, joined."""
    masked: list[bytes] = []
    first = 0
    for part in parts:
        last = first + len(part)
        pieces: list[bytes] = []
        position = first
        for start, end, marker in spans:
            # One that reaches over the end of a part, since the value holds what stands between them, is cut there.
            if start < last and end > first:
                pieces += (whole[position : max(start, first)], marker)
                position = min(end, last)
        masked.append(b"".join((*pieces, whole[position:last])) if pieces else part)
        first = last + len(_BETWEEN)
    return masked
