"""Replaces secret and sensitive values with their names in everything that is kept or shown.

A value must be registered before anyone can use it. It masks bytes, in one pass, and never shows the values. It must
not know HTTP, files, or where values come from. README says which forms of a value are found, and which are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from reqflo_ray._internal.model.http.exchange import CREDENTIAL_HEADERS, Headers
from reqflo_ray._internal.model.json_text import NotJson, decode, encode_text
from reqflo_ray._internal.secrets.escapes import count_signs, may_be_escaped, unescaped
from reqflo_ray._internal.secrets.forms import (
    MINIMUM_LENGTH,
    Form,
    form_in,
    forms_of,
    lines_of,
    need_maskable,
    sent_as,
    short_forms_of,
)
from reqflo_ray._internal.secrets.needles import Needles

_Bytes: TypeAlias = bytes  # inside the class, `bytes` is a method
_Span: TypeAlias = tuple[int, int, bytes]

MASK: Final = "[masked]"
# The responses of a row with more sensitive values than this are sensitive as a whole.
MAX_VALUES: Final = 256
WITHHELD: Final = f"[withheld: more than {MAX_VALUES} sensitive values]"

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,19} ")
# In JSON text: a string, which is unchanged, or anything else that contains markers.
_STRING_OR_MARKED: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?:[^\s,:{}\[\]"]*\[(?:secret|sensitive):[^][\s"]*\])+[^\s,:{}\[\]"]*', re.DOTALL
)
_KNOWN_CREDENTIAL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{0,19} )?\[(?:secret|sensitive):[^][\s]*\]")

_BETWEEN: Final = b"\x1e"  # between parts that are searched together; it occurs in no escape and in no base64

# Longer data is masked by windows, each with as much context as a value may take with all its escapes.
_WINDOW: Final = 2**18
_MARGIN: Final = 2**16
_LONGEST_ESCAPE: Final = 8  # bytes per escaped byte, approximately, over all levels


class Redactor:
    """Masks each registered value as `[label]`.

    A redactor lasts until its worker ends; `child()` makes a layer for one row, which is dropped with the row.
    """

    __slots__ = ("_needles", "_parent", "_registered", "_withholds", "codecs")

    def __init__(self, parent: Redactor | None = None) -> None:
        self._parent = parent
        self._registered: dict[str, str] = {}  # labels by value
        self._needles: Needles | None = None
        self._withholds = False
        self.codecs: tuple[str, ...] = ()  # of texts in neither UTF-8 nor UTF-16

    def child(self) -> Redactor:
        """Return a layer over this one: it masks the values of this one, and those that are registered only with it."""
        return Redactor(self)

    def register(self, label: str, value: str) -> None:
        """Mask `value`, and each of its lines, as `[label]` from now on; a label is such as `secret:SHOP_TOKEN` or
        `sensitive:inputs.card`.

        The layer of a row with more than `MAX_VALUES` values replaces everything with `WITHHELD`.

        Raises:
            SecretError: `secret_too_short` if a secret (a label that begins with `secret:`) has fewer than six
                characters.
        """
        self._know(label, value, thorough=self._parent is None)

    def also_in(self, codec: str) -> None:
        """Mask all values also in the encoding `codec` from now on."""
        if codec in self.codecs:
            return
        self.codecs = (*self.codecs, codec)
        for layer in self.known():
            for value, label in layer.items():
                self._add(form_in(codec, value, f"[{label}]".encode()))

    def _know(self, label: str, value: str, *, thorough: bool) -> None:
        if value in self._registered or self._withholds:
            return
        if label.startswith("secret:"):
            need_maskable(label.removeprefix("secret:"), value)
        if not value:
            return
        if self._parent is not None and len(self._registered) >= MAX_VALUES:
            self._withholds = True
            return
        self._registered[value] = label
        marker = f"[{label}]".encode()
        for codec in self.codecs:
            self._add(form_in(codec, value, marker))
        if len(value) < MINIMUM_LENGTH:
            self._add(short_forms_of(value, marker))
            return
        stripped = value.strip()
        for line in lines_of(stripped):
            self._know(label, line, thorough=False)
        self._add(forms_of(value, marker, thorough=thorough))
        self._add(sent_as(value, marker, thorough=thorough))
        if stripped != value and len(stripped) >= MINIMUM_LENGTH:
            # A header drops the blanks around its value.
            self._add(forms_of(stripped, marker, thorough=thorough))

    def _add(self, forms: Iterable[Form]) -> None:
        if self._needles is None:
            # The few values of a row are not worth a set of words.
            self._needles = Needles(sampled=self._parent is None)
        for form in forms:
            self._needles.add(form)

    def known(self) -> tuple[Mapping[str, str], ...]:
        """Return the labels by value, one mapping per layer, outermost first. Only for a process that masks on behalf
        of this one."""
        above = self._parent.known() if self._parent is not None else ()
        return (*above, self._registered)

    @property
    def knows_nothing(self) -> bool:
        """Whether there is nothing to mask."""
        return self._needles is None and (self._parent is None or self._parent.knows_nothing)

    @property
    def withholds(self) -> bool:
        """Whether this layer has more values than it can mask, and therefore shows nothing."""
        return self._withholds

    def text(self, text: str) -> str:
        """Return `text` with every known value masked; the same object if it contains none."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.bytes(data)
        return text if masked is data else text_of(masked)

    def bytes(self, data: _Bytes) -> _Bytes:
        """Return `data` with every known value masked; the same object if it contains none.

        Matches that overlap are masked together, under the name of the longest.
        """
        return self.each((data,))[0]

    def each(self, parts: Sequence[_Bytes]) -> Sequence[_Bytes]:
        """Return each of `parts` as `bytes` masks it, with one search through all of them; `parts` itself if there is
        nothing to mask."""
        if self._withholds:
            return [part and WITHHELD.encode() for part in parts]
        if self.knows_nothing:
            return parts
        whole = _BETWEEN.join(parts)
        spans = self._spans(whole)
        if may_be_escaped(whole):
            first = 0
            for part in parts:
                if may_be_escaped(part):
                    spans += self._escaped_spans(part, first)
                first += len(part) + len(_BETWEEN)
        if not spans:
            return parts
        spans.sort()
        return _masked(parts, whole, _merged(spans))

    def windows(self, data: _Bytes) -> Iterator[tuple[_Bytes, int]]:
        """Yield the result of `bytes(data)` in pieces, with little memory for long data, each with the greatest number
        of escapes that were searched for it."""
        if self._withholds:
            yield WITHHELD.encode(), 0
            return
        margin = max(_MARGIN, _LONGEST_ESCAPE * self._longest())
        size = max(_WINDOW, margin)
        pending: list[_Span] = []
        position = 0
        for core in range(0, len(data), size):
            first, end = max(0, core - margin), min(core + size, len(data))
            window = data[first : end + margin]
            spans = self._spans(window)
            escapes = count_signs(window)
            if may_be_escaped(window):
                spans += self._escaped_spans(window, 0)
            pending += [(first + begin, first + last, marker) for begin, last, marker in spans if first + begin < end]
            pending = _merged(sorted(pending))
            masked: list[_Bytes] = []
            # A span that reaches beyond the end may grow in the next window.
            held = [span for span in pending if span[1] > end] if end < len(data) else []
            for begin, last, marker in pending[: len(pending) - len(held)]:
                if last > position:
                    masked += (data[position:begin], marker) if begin >= position else (marker,)
                    position = last
            pending = held
            until = min(end, pending[0][0]) if pending else end
            if until > position:
                masked.append(data[position:until])
                position = until
            yield b"".join(masked), escapes

    def _longest(self) -> int:
        above = self._parent._longest() if self._parent is not None else 0
        return max(self._needles.longest if self._needles is not None else 0, above)

    def _escaped_spans(self, data: _Bytes, offset: int) -> list[_Span]:
        """Return the places of escaped values in `data`, which begins at `offset`."""
        spans: list[_Span] = []
        for view in unescaped(data):
            found = _merged(sorted(self._spans(view.data)))
            places = view.original([(start, end) for start, end, _ in found])
            spans += [
                (offset + first, offset + last, marker)
                for (first, last), (_, _, marker) in zip(places, found, strict=True)
            ]
        return spans

    def _spans(self, data: _Bytes) -> list[_Span]:
        """Return every place of a known value in `data`."""
        spans: list[_Span] = []
        small = data.lower()
        layer: Redactor | None = self
        while layer is not None:
            if layer._needles is not None:
                for form in layer._needles.found_in(small):
                    places = form.spans(small if form.caseless else data)
                    spans += [(start, end, form.marker) for start, end in places]
            layer = layer._parent
        return spans

    def __repr__(self) -> str:
        return "<Redactor>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a redactor holds secret values and cannot be pickled or copied")


def knowing(layers: Iterable[Mapping[str, str]], codecs: Iterable[str] = ()) -> Redactor:
    """Return a redactor with the values (`known`) and `codecs` of another one."""
    redactor: Redactor | None = None
    for layer in layers:
        redactor = Redactor() if redactor is None else redactor.child()
        for value, label in layer.items():
            redactor.register(label, value)
    redactor = redactor or Redactor()
    for codec in codecs:
        redactor.also_in(codec)
    return redactor


def text_of(masked: bytes) -> str:
    """Decode the masked bytes of a text."""
    try:
        return masked.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # a value in Latin-1 bytes that ended within a character
        return masked.decode("utf-8", "replace")


def still_json(masked: str) -> str:
    """Make JSON text valid again after masking: a number or literal that contains a marker becomes a string. Text that
    a value with quotes has broken becomes one string as a whole."""
    if _is_json(masked):
        return masked
    quoted = _STRING_OR_MARKED.sub(lambda found: found[0] if found[0][0] == '"' else encode_text(found[0]), masked)
    return quoted if _is_json(quoted) else encode_text(masked)


def body_still_json(masked: bytes, body: bytes) -> bytes:
    """Return `masked`, which is `body` after masking, as valid JSON text if `body` is a JSON object or array."""
    if body.lstrip()[:1] not in (b"{", b"[") or _is_json(masked) or not _is_json(body):
        return masked
    return still_json(text_of(masked)).encode("utf-8", "surrogatepass")


def _is_json(text: str | bytes) -> bool:
    try:
        decode(text)
    except NotJson:
        return False
    return True


def mask_credentials(headers: Headers) -> Headers:
    """Mask the values of headers that hold credentials, known or not: the second line of defense after redaction.

    Markers of values, authentication schemes, and the names and attributes of cookies are kept.
    """
    masked = _masked_positions(tuple([name for name, _ in headers]))
    if not masked:
        return headers
    shown = list(headers)
    for at in masked:
        name, value = shown[at]
        shown[at] = name, _without_credential(name.lower(), value)
    return tuple(shown)


# The responses of an API have the same few sets of headers.
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
    """Return the sorted `spans` without overlaps: those that overlap become one, under the name of the longest."""
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
    """Return `parts` with markers in the places of `spans`, which refer to `whole`, all parts joined."""
    masked: list[bytes] = []
    first = 0
    for part in parts:
        last = first + len(part)
        pieces: list[bytes] = []
        position = first
        for start, end, marker in spans:
            # A span that reaches beyond its part, because the value contains what is between parts, is cut there.
            if start < last and end > first:
                pieces += (whole[position : max(start, first)], marker)
                position = min(end, last)
        masked.append(b"".join((*pieces, whole[position:last])) if pieces else part)
        first = last + len(_BETWEEN)
    return masked
