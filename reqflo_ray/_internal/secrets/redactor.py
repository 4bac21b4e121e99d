"""Replaces secret and sensitive values by their names in everything that is kept or shown.

It must be told a value before anyone can use it, works on bytes, once, and never shows what it knows. It does not
know HTTP, files or where values come from. What is found of a value, and what is not, is told in the README.
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

_Bytes: TypeAlias = bytes  # inside the class, `bytes` is its method
_Span: TypeAlias = tuple[int, int, bytes]

MASK: Final = "[masked]"
# A row that has more sensitive values than these is one whose answers are sensitive as a whole.
MAX_VALUES: Final = 256
WITHHELD: Final = f"[withheld: more than {MAX_VALUES} sensitive values]"

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,19} ")
# In JSON text: a string, which is left alone, or anything else with markers in it.
_STRING_OR_MARKED: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?:[^\s,:{}\[\]"]*\[(?:secret|sensitive):[^][\s"]*\])+[^\s,:{}\[\]"]*', re.DOTALL
)
_KNOWN_CREDENTIAL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{0,19} )?\[(?:secret|sensitive):[^][\s]*\]")

_BETWEEN: Final = b"\x1e"  # parts that are searched as one; it belongs to no escape and to no base64

# What is longer is masked a window at a time, with as much around it as a value may take with all its escapes.
_WINDOW: Final = 2**18
_MARGIN: Final = 2**16
_LONGEST_ESCAPE: Final = 8  # bytes for one, about, over all levels


class Redactor:
    """Knows values by label, and masks each as `[label]`.

    A redactor lives as long as a worker; `child()` makes a layer for one row, which is dropped with its row.
    """

    __slots__ = ("_needles", "_parent", "_registered", "_withholds", "codecs")

    def __init__(self, parent: Redactor | None = None) -> None:
        self._parent = parent
        self._registered: dict[str, str] = {}  # labels, by their values
        self._needles: Needles | None = None
        self._withholds = False
        self.codecs: tuple[str, ...] = ()  # of texts that are neither in UTF-8 nor in UTF-16

    def child(self) -> Redactor:
        """A layer over this one: it masks what this one knows, and what is registered with it alone."""
        return Redactor(self)

    def register(self, label: str, value: str) -> None:
        """Mask `value` as `[label]` from now on, each line of several too; `label` is as in `secret:SHOP_TOKEN` or
        `sensitive:inputs.card`.

        A row's layer that is told more than `MAX_VALUES` masks everything as a whole, as `WITHHELD`.

        Raises:
            SecretError: `secret_too_short` if a secret (a label that begins with `secret:`) has fewer than six
                characters.
        """
        self._know(label, value, thorough=self._parent is None)

    def also_in(self, codec: str) -> None:
        """Mask all values also as text that `codec` encodes has them, from now on."""
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
            # A header loses the blanks around its value.
            self._add(forms_of(stripped, marker, thorough=thorough))

    def _add(self, forms: Iterable[Form]) -> None:
        if self._needles is None:
            # A row's few values are not worth a set of words.
            self._needles = Needles(sampled=self._parent is None)
        for form in forms:
            self._needles.add(form)

    def known(self) -> tuple[Mapping[str, str], ...]:
        """The labels of all values, by these, a layer each, the first one first: for a process that masks for this
        one, and for nobody else."""
        above = self._parent.known() if self._parent is not None else ()
        return (*above, self._registered)

    @property
    def knows_nothing(self) -> bool:
        """Whether there is nothing to mask."""
        return self._needles is None and (self._parent is None or self._parent.knows_nothing)

    @property
    def withholds(self) -> bool:
        """Whether this layer has been told more values than it can mask, and so shows nothing."""
        return self._withholds

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
        """The pieces of what `bytes(data)` is, of long data, each with little memory, and each with the number of
        escapes at most that were looked through for it."""
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
            # One that reaches over the end may grow in the next window.
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
        """The places of values that are written with escapes in `data`, which begins at `offset`."""
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
        """Every place of a known value in `data`."""
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
        raise TypeError("a redactor knows secret values and cannot be pickled or copied")


def knowing(layers: Iterable[Mapping[str, str]], codecs: Iterable[str] = ()) -> Redactor:
    """A redactor that knows what another one told of itself (`known`, `codecs`)."""
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


def body_still_json(masked: bytes, body: bytes) -> bytes:
    """`masked`, which is `body` after masking, as JSON text if `body` is an object or array in JSON text."""
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
