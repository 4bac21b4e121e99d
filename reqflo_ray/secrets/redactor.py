"""Replaces secret and sensitive values by their names in everything that is kept or shown.

It must be told a value before anyone can use it, works on bytes, once, and never shows what it knows. It does not
know HTTP, files or where values come from.

A value of six characters and more is found raw, percent-encoded, JSON-escaped (also nested once), in base64 and
base64url at any alignment, and in hex. Not found: parts of a value, changed letter case, compressed or encrypted text,
base64 broken into lines. A secret of fewer than six characters is refused, since it would be found everywhere; a
sensitive value that short is masked only where it is a whole value between delimiters (`"cvv": "123"`, `cvv=123&`),
raw or escaped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from reqflo_ray.errors import SecretError
from reqflo_ray.model.exchange import Headers
from reqflo_ray.secrets.forms import Form, forms_of, short_forms_of, views

_Bytes: TypeAlias = bytes  # inside the class, `bytes` is its method

MINIMUM_LENGTH: Final = 6  # characters

MASK: Final = "[masked]"
_CREDENTIAL_HEADERS: Final = frozenset(
    ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-auth-token", "x-amz-security-token")
)
_MASKED_HEADERS: Final = _CREDENTIAL_HEADERS | {"cookie", "set-cookie"}
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,19} ")
_KNOWN_CREDENTIAL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{0,19} )?\[(?:secret|sensitive):[^][\s]*\]")

# Many long needles are looked for at once by sampling: of any 23 bytes in a row, eight begin at a multiple of 16.
# One lookup per 16 bytes in a set of all eight-byte words of all needles costs less than a search per needle.
_WORD: Final = 8
_STRIDE: Final = 2 * _WORD
_SAMPLED_LENGTH: Final = _STRIDE + _WORD - 1


class Redactor:
    """Knows values by label, and masks each as `[label]`.

    A redactor lives as long as a worker; `child()` makes a layer for one row, which is dropped with its row.
    """

    __slots__ = ("_known", "_long", "_parent", "_registered", "_short", "_words")

    def __init__(self, parent: Redactor | None = None) -> None:
        self._parent = parent
        self._registered: set[str] = set()
        self._known: set[_Bytes] = set()
        self._short: tuple[Form, ...] = ()
        self._long: tuple[Form, ...] = ()
        self._words: set[int] = set()

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

    def _add(self, forms: list[Form]) -> None:
        fresh = [form for form in forms if form.needle not in self._known]
        self._known.update(form.needle for form in fresh)
        # A row's few values are not worth a set of words.
        long = [] if self._parent else [form for form in fresh if len(form.needle) >= _SAMPLED_LENGTH]
        for form in long:
            needle = form.needle
            self._words.update(
                int.from_bytes(needle[at : at + _WORD], sys.byteorder) for at in range(len(needle) - _WORD + 1)
            )
        self._long += tuple(long)
        self._short += tuple(fresh) if self._parent else tuple(form for form in fresh if form not in long)

    def text(self, text: str) -> str:
        """`text` with every known value masked; the same object if there is none."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.bytes(data)
        if masked is data:
            return text
        try:
            return masked.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a value in Latin-1 bytes ended within a character
            return masked.decode("utf-8", "replace")

    def bytes(self, data: _Bytes) -> _Bytes:
        """`data` with every known value masked; the same object if there is none.

        Where matches overlap, all of them are masked under the name of the longest.
        """
        spans: list[tuple[int, int, _Bytes]] = []
        for view in views(data):
            for form in self._found(view.data):
                spans += [(start, end, form.marker) for start, end in view.original(form.spans(view.data))]
        return b"".join(_pieces(data, sorted(spans))) if spans else data

    def _found(self, data: _Bytes) -> list[Form]:
        """The forms that occur in `data`."""
        found = [form for form in self._short if form.needle in data]
        if (
            self._words
            and len(data) >= _SAMPLED_LENGTH
            and not self._words.isdisjoint(memoryview(data)[: len(data) & -_WORD].cast("Q")[::2])
        ):
            found += [form for form in self._long if form.needle in data]
        return found + self._parent._found(data) if self._parent else found

    def __repr__(self) -> str:
        return "<Redactor>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a redactor knows secret values and cannot be pickled or copied")


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
    return tuple(at for at, name in enumerate(names) if name.lower() in _MASKED_HEADERS)


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


def _pieces(data: bytes, spans: list[tuple[int, int, bytes]]) -> Iterator[bytes]:
    position = 0
    at = 0
    while at < len(spans):
        start, end, marker = spans[at]
        longest = end - start
        at += 1
        while at < len(spans) and spans[at][0] < end:
            other_start, other_end, other_marker = spans[at]
            if other_end - other_start > longest:
                longest, marker = other_end - other_start, other_marker
            end = max(end, other_end)
            at += 1
        yield data[position:start]
        yield marker
        position = end
    yield data[position:]
