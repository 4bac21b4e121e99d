"""JSON of whatever an API, a dataset or an environment can hold: the one place that reads and writes it.

No digit is lost. Half of a surrogate pair, which UTF-8 cannot hold, is written as its escape. It must not know where
a text comes from or what it means.
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

# Python refuses to read or write longer integers; a Decimal holds them as exactly.
_LONGEST_INTEGER: Final = 4000
# Reading leaves so many levels of the interpreter's stack free: whatever could be read can be written, masked and read
# again by code that stands deeper in it.
_HEADROOM: Final = 200
_SELDOM_SO_MANY: Final = 400
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_COLON: Final = re.compile(r'"[ \t\r\n]*+:')
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:]')
_BYTE: Final = re.compile(r"\(byte ([0-9]+)\)$")


def _as_written(value: object) -> msgspec.Raw:
    """How the encoder writes what it does not know."""
    if isinstance(value, WrittenNumber):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"there is no JSON for the type `{type(value).__name__}`")


_decode = msgspec.json.Decoder(float_hook=exact_number).decode
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_as_written).encode


class NotJson(ValueError):
    """A text is not JSON. The message says why in a few words and quotes nothing of the text; `offset` is where in it
    (in characters from 0), None if that is not known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class RepeatedMember(NotJson):
    """An object has a member twice: which of the two is meant, JSON does not say."""


class TooDeep(NotJson):
    """A text may be JSON, but is nested more deeply than can be read."""


class Decoded(NamedTuple):
    """A value, and whether its text was JSON as RFC 8259 has it (else: a BOM, NaN, a lone surrogate, UTF-16 …)."""

    value: JsonValue
    standard: bool


def decode(data: bytes | str) -> Decoded:
    """Read a JSON text as APIs send it, which is a little more than the standard allows.

    NaN and the infinities are read as Decimals, integers of thousands of digits too. The two halves of a surrogate pair
    that are encoded one by one (CESU-8) are one character. Of a member that is there twice the last one counts.

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
            if isinstance(problem, msgspec.ValidationError):  # long integers: the rest of it may be the standard's
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
    """Read a text that must be JSON as RFC 8259 has it, with every member once.

    Raises:
        NotJson: it is not.
    """
    value = _strictly(text)
    # Where each colon belongs to a member none is lost; nearly all texts that have others have them in no odd place.
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
            _encode(value)  # a lone surrogate is no text
        except (ValueError, ArithmeticError, RecursionError):
            raise NotJson(_reason(problem), _offset(problem, text)) from None
        return value


def _members(value: JsonValue) -> int:
    """How many members all objects of `value` have."""
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
    """Where the first member that an object of a valid text has twice is written again; None if there is none."""
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
    """A function that reads what `encode_exactly` has written, as a `kind`. It raises `ValueError` (of which
    `msgspec.DecodeError` is one) for all else."""
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
    """The compact JSON of `value`: every number exactly, object keys in their own order.

    Raises:
        ValueError: it is nested too deeply, or holds what JSON has no form for: NaN, an infinity.
    """
    return _written(value, _refuse)


def encode_exactly(value: Any) -> bytes:
    """The JSON of a value or record for ourselves: as `encode`, but NaN and the infinities stand in it by name.

    `reader` and `decode` read it.

    Raises:
        ValueError: it is nested too deeply.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _escaped(_plain(value), str).encode()
    except RecursionError:
        raise _too_deep_to_write() from None


def indented(data: bytes) -> bytes:
    """A JSON text as people read it. One with a lone surrogate is left as it is."""
    try:
        return msgspec.json.format(data, indent=2)
    except msgspec.DecodeError:
        return data


def encode_text(value: JsonValue) -> str:
    """As `encode`, as text."""
    return encode(value).decode()


def describe(value: JsonValue) -> str:
    """JSON text that tells people what `value` is, whatever it is: where JSON has no form for it, a text stands there.

    It never raises for a value.
    """
    try:
        return _written(value, lambda number: f'"{number}"').decode()
    except (ValueError, RecursionError) as problem:
        return f'"<{problem}>"' if isinstance(problem, ValueError) else '"<the value is nested too deeply>"'


def exact_integer(text: str) -> int | Decimal:
    """The integer that `text` is, with all of its digits."""
    return int(text) if len(text) <= _LONGEST_INTEGER else Decimal(text)


def well_formed(text: str) -> str:
    """`text` as UTF-8 can hold it: half of a surrogate pair is shown as its escape, `\\ud83d`."""
    # Most texts are ASCII, and know that they are.
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _written(value: JsonValue, odd: Callable[[float | Decimal], str]) -> bytes:
    """The JSON of `value`, with what `odd` gives for NaN and the infinities."""
    data = encode_exactly(value)
    # Looked for in the text, which costs next to nothing; texts that only speak of NaN are written once more.
    return _escaped(value, odd).encode() if b"NaN" in data or b"Infinity" in data else data


def _decode_leniently(text: str) -> JsonValue:
    if not text.isascii() and _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    # A Decimal of a name that JSON has not is written as that name again.
    return json.loads(text, parse_float=exact_number, parse_int=exact_integer, parse_constant=Decimal)


def _decode_long_integers(text: str) -> JsonValue:
    return json.loads(text, parse_float=exact_number, parse_int=exact_integer, parse_constant=_refuse)


def _at_depth(read: Callable[[Any], JsonValue], data: bytes | str) -> JsonValue:
    """What `read` makes of `data`, with some of the stack left free if `data` might be deeply nested."""
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
        return "it holds a number that is out of all range"
    text = str(problem)
    return text if text.startswith("JSON") else text[:1].lower() + text[1:]


def _offset(problem: Exception, text: str) -> int | None:
    """Where in `text` the decoder stopped, which says it in bytes."""
    if found := _BYTE.search(str(problem)):
        return len(text.encode("utf-8", "surrogatepass")[: int(found[1])].decode("utf-8", "ignore"))
    return len(text.rstrip()) if "truncated" in str(problem) else None


def _too_deep() -> TooDeep:
    return TooDeep("it is nested too deeply")


def _too_deep_to_write() -> ValueError:
    return ValueError("the value is nested too deeply")


def _refuse(number: object) -> NoReturn:
    raise ValueError(f"{number} is no JSON number")


def _plain(value: Any) -> JsonValue:
    """A value or record as JSON has it, texts not looked at."""
    try:
        return msgspec.to_builtins(value, builtin_types=(Decimal, WrittenNumber))
    except RecursionError:
        raise _too_deep_to_write() from None


class _Mark(str):
    """A piece of JSON text that is written already."""

    __slots__ = ()


def _escaped(value: JsonValue, odd: Callable[[float | Decimal], str]) -> str:
    """The compact JSON of `value`, as the quick encoder writes it but for lone surrogates; `odd` writes numbers that
    are not finite. Without recursion, so that it copes with whatever could be built."""
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
        pieces.pop()  # no comma behind the last one
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
