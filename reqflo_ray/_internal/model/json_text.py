"""Reads and writes all JSON of APIs, datasets, and environments.

No digit is lost. Half of a surrogate pair, which UTF-8 cannot hold, is written as its escape. It must not know where a
text comes from or what it means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

import msgspec

from reqflo_ray._internal.model.values import JsonValue, WrittenNumber, exact_number

_T = TypeVar("_T")

# Python refuses to read or write longer integers; a Decimal holds them exactly.
_LONGEST_INTEGER: Final = 4000
# Reading leaves this many levels of the interpreter's stack free, so that code deeper in the stack can write, mask and
# read again every value that could be read.
_HEADROOM: Final = 200
_SELDOM_SO_MANY: Final = 400
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_COLON: Final = re.compile(r'"[ \t\r\n]*+:')
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:]')
_BYTE: Final = re.compile(r"\(byte ([0-9]+)\)$")


def _as_written(value: object) -> msgspec.Raw:
    """Encode a type that the encoder does not support."""
    if isinstance(value, WrittenNumber):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"JSON has no value of type `{type(value).__name__}`")


_decode = msgspec.json.Decoder(float_hook=exact_number).decode
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_as_written).encode


class NotJson(ValueError):
    """A text is not JSON.

    The message says why in a few words, and quotes nothing of the text. `offset` is the place in characters from 0,
    None if it is not known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class RepeatedMember(NotJson):
    """An object has a member twice, and JSON does not say which of the two is meant."""


class TooDeep(NotJson):
    """A text is nested more deeply than can be read."""


class Decoded(NamedTuple):
    """A value, and whether its text conforms to RFC 8259, which allows no BOM, NaN, lone surrogate, or UTF-16."""

    value: JsonValue
    standard: bool


def decode(data: bytes | str) -> Decoded:
    """Read a JSON text as APIs send it, which may be more than the standard allows.

    NaN, the infinities, and integers of thousands of digits are read as `Decimal`. Two halves of a surrogate pair that
    are encoded separately (CESU-8) are one character. If a member occurs twice, the last one counts.

    Raises:
        NotJson: it cannot be read.
    """
    try:
        return Decoded(_at_depth(_decode, data), True)
    except RecursionError:
        raise _too_deep() from None
    except (ValueError, ArithmeticError) as problem:
        if not data.strip():
            raise NotJson("it is empty") from None
        try:
            text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")
            if isinstance(problem, msgspec.ValidationError):  # long integers: the rest may conform to the standard
                with suppress(NotJson):
                    return Decoded(_strictly(text), True)
            return Decoded(_at_depth(_decode_leniently, text.removeprefix("\ufeff")), False)
        except RecursionError:
            raise _too_deep() from None
        except UnicodeDecodeError:
            raise NotJson("it is not text in UTF-8") from None
        except (ValueError, ArithmeticError):
            raise NotJson(_reason(problem)) from None


def decode_strictly(text: str) -> JsonValue:
    """Read a text that must conform to RFC 8259 and have every member once.

    Raises:
        NotJson: it does not.
    """
    value = _strictly(text)
    # If each colon belongs to a member, no member is lost. Other colons are in strings, seldom right after a quote.
    if ":" in text and text.count(":") != (members := _members(value)) and len(_COLON.findall(text)) != members:
        place = _repeated_member(text)
        if place is not None:
            raise RepeatedMember("an object has a member twice", place)
    return value


def _strictly(text: str) -> JsonValue:
    try:
        return _at_depth(_decode, text)
    except RecursionError:
        raise _too_deep() from None
    except (ValueError, ArithmeticError) as problem:
        try:
            value = _at_depth(_decode_long_integers, text)
            _encode(value)  # fails on a lone surrogate
        except (ValueError, ArithmeticError, RecursionError):
            raise NotJson(_reason(problem), _offset(problem, text)) from None
        return value


def _members(value: JsonValue) -> int:
    """Return the number of members of all objects in `value`."""
    count, pending = 0, [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            count += len(item)
            pending += [child for child in item.values() if type(child) is dict or type(child) is list]
        elif isinstance(item, list):
            pending += [child for child in item if type(child) is dict or type(child) is list]
    return count


def _repeated_member(text: str) -> int | None:
    """Return the offset at which an object of a valid text repeats a member for the first time, or None."""
    open_names: list[set[str]] = []
    last: re.Match[str] | None = None
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[":
                open_names.append(set())
            case "}" | "]":
                open_names.pop()
            case ":" if last is not None:
                name = json.loads(last[0])
                if name in open_names[-1]:
                    return last.start()
                open_names[-1].add(name)
            case _:
                last = token
    return None


def reader(kind: type[_T]) -> Callable[[bytes | str], _T]:
    """Return a function that reads text from `encode_exactly` as a `kind`.

    It raises `ValueError`, such as `msgspec.DecodeError`, for any other text.
    """
    quick = msgspec.json.Decoder(kind, float_hook=exact_number).decode

    def read(data: bytes | str) -> _T:
        try:
            return quick(data)
        except (ValueError, ArithmeticError, RecursionError) as problem:
            try:
                return msgspec.convert(decode(data).value, kind)
            except NotJson:
                raise problem if isinstance(problem, ValueError) else ValueError(_reason(problem)) from None

    return read


def encode(value: JsonValue) -> bytes:
    """Write `value` as compact JSON, with exact numbers and object keys in their own order.

    Raises:
        ValueError: the value is nested too deeply, or contains NaN or an infinity, which JSON cannot express.
    """
    return _written(value, _refuse)


def encode_exactly(value: Any) -> bytes:
    """Write a value or record as JSON for internal use: as `encode`, but with NaN and the infinities by name.

    `reader` and `decode` read it.

    Raises:
        ValueError: the value is nested too deeply.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _escaped(_plain(value), str).encode()
    except RecursionError:
        raise _too_deep_to_write() from None


def indented(data: bytes) -> bytes:
    """Indent a JSON text for display. A text with a lone surrogate is returned unchanged."""
    try:
        return msgspec.json.format(data, indent=2)
    except msgspec.DecodeError:
        return data


def encode_text(value: JsonValue) -> str:
    """Do as `encode`, and return text."""
    return encode(value).decode()


def describe(value: JsonValue) -> str:
    """Write any value as JSON text for display; a string replaces what JSON cannot express. It never raises."""
    try:
        return _written(value, lambda number: f'"{number}"').decode()
    except (ValueError, RecursionError) as problem:
        return f'"<{problem}>"' if isinstance(problem, ValueError) else '"<the value is nested too deeply>"'


def exact_integer(text: str) -> int | Decimal:
    """Read an integer with all its digits."""
    return int(text) if len(text) <= _LONGEST_INTEGER else Decimal(text)


def well_formed(text: str) -> str:
    """Return `text` as UTF-8 can hold it: half of a surrogate pair becomes its escape, `\\ud83d`."""
    # Most texts are ASCII, which Python knows without a search.
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _written(value: JsonValue, odd: Callable[[float | Decimal], str]) -> bytes:
    """Write `value` as JSON, with `odd` writing NaN and the infinities."""
    data = encode_exactly(value)
    # Searching the text is cheap; a value with the word in a string is written again.
    return _escaped(value, odd).encode() if b"NaN" in data or b"Infinity" in data else data


def _decode_leniently(text: str) -> JsonValue:
    if not text.isascii() and _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    # A Decimal made from NaN or an infinity is written under the same name again.
    return json.loads(text, parse_float=exact_number, parse_int=exact_integer, parse_constant=Decimal)


def _decode_long_integers(text: str) -> JsonValue:
    return json.loads(text, parse_float=exact_number, parse_int=exact_integer, parse_constant=_refuse)


def _at_depth(read: Callable[[Any], JsonValue], data: bytes | str) -> JsonValue:
    """Return `read(data)`, with part of the stack left free if `data` may be deeply nested."""
    if len(data) <= _SELDOM_SO_MANY or _brackets(data) <= _SELDOM_SO_MANY:
        return read(data)

    def below(levels: int) -> JsonValue:
        return below(levels - 1) if levels else read(data)

    return below(_HEADROOM)


def _brackets(data: bytes | str) -> int:
    if isinstance(data, str):
        return data.count("[") + data.count("{")
    return data.count(b"[") + data.count(b"{")


def _reason(problem: Exception) -> str:
    if isinstance(problem, UnicodeError):
        return "it is not text in UTF-8"
    if isinstance(problem, msgspec.ValidationError) or not isinstance(problem, msgspec.DecodeError):
        return "it contains a number that is out of range"
    text = str(problem)
    return text if text.startswith("JSON") else text[:1].lower() + text[1:]


def _offset(problem: Exception, text: str) -> int | None:
    """Return the place in `text` at which the decoder stopped; it reports bytes."""
    if found := _BYTE.search(str(problem)):
        return len(text.encode("utf-8", "surrogatepass")[: int(found[1])].decode("utf-8", "ignore"))
    return len(text.rstrip()) if "truncated" in str(problem) else None


def _too_deep() -> TooDeep:
    return TooDeep("it is nested too deeply")


def _too_deep_to_write() -> ValueError:
    return ValueError("the value is nested too deeply")


def _refuse(number: object) -> NoReturn:
    raise ValueError(f"{number} is not a JSON number")


def _plain(value: Any) -> JsonValue:
    """Convert a value or record to JSON types, without checking its texts."""
    try:
        return msgspec.to_builtins(value, builtin_types=(Decimal, WrittenNumber))
    except RecursionError:
        raise _too_deep_to_write() from None


class _Mark(str):
    """A piece of JSON text that is already written."""

    __slots__ = ()


def _escaped(value: JsonValue, odd: Callable[[float | Decimal], str]) -> str:
    """Write `value` as compact JSON, with lone surrogates escaped, and `odd` writing numbers that are not finite.

    It does not recurse, so that it can write every value that could be created.
    """
    written: list[str] = []
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        match item:
            case _Mark():
                written.append(item)
            case str():
                written.append(_escaped_text(item))
            case dict():
                pieces: list[Any] = [_Mark("{")]
                for name, child in item.items():
                    pieces += (_Mark(_escaped_text(str(name)) + ":"), child, _Mark(","))
                pending += reversed(_closed(pieces, "}"))
            case list() | tuple():
                pieces = [_Mark("[")]
                for child in item:
                    pieces += (child, _Mark(","))
                pending += reversed(_closed(pieces, "]"))
            case float() | Decimal() if not Decimal(item).is_finite():
                written.append(odd(item))
            case _:
                written.append(_encode(item).decode())
    return "".join(written)


def _closed(pieces: list[Any], end: str) -> list[Any]:
    if len(pieces) > 1:
        pieces.pop()  # no comma after the last one
    pieces.append(_Mark(end))
    return pieces


def _escaped_text(text: str) -> str:
    try:
        return _encode(text).decode()
    except UnicodeEncodeError:
        parts = _SURROGATE.split(text)
        halves = [f"\\u{ord(half):04x}" for half in _SURROGATE.findall(text)]
        joined = [_encode(parts[0]).decode()[1:-1]]
        for half, part in zip(halves, parts[1:], strict=True):
            joined += (half, _encode(part).decode()[1:-1])
        return f'"{"".join(joined)}"'
