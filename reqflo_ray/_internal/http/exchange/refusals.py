"""Explains what is wrong with an answer that a parser refused, in the same words for every engine.

It reads only refused answers, so it may be slow, and does not decide what is acceptable. It must not know an HTTP
library.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from reqflo_ray._internal.model.http.exchange import CREDENTIAL_HEADERS

BOTH_LENGTHS: Final = "has both a Content-Length and a Transfer-Encoding header"
SWITCHES: Final = "switches to another protocol without being asked"
OTHER_CODING: Final = "has a transfer coding other than chunked"


class Refusal(NamedTuple):
    """`what` follows "the answer of HOST:PORT"; `shown` are the bytes concerned, as received, without the values of
    headers that contain credentials."""

    what: str
    shown: bytes = b""


# Longer lines would be cut when they are shown.
_MOST_SHOWN: Final = 4096
_MOST_DIGITS: Final = 19

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(rb"[ \t]*\r?\n[ \t]+")
_INTERIM: Final = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9]{2}[ \r\n]")

_TLS_RECORD: Final = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
_HTTP_2_SETTINGS: Final = re.compile(rb"...\x04[\x00\x01]\x00\x00\x00\x00", re.DOTALL)
_MAIL_OR_FTP: Final = re.compile(rb"[1-5][0-9]{2}[ -]|\+OK|\* OK")
_REQUEST_LINE: Final = re.compile(rb"[A-Z]+ [^ \r\n]+ HTTP/[0-9.]+\r?\n")
_VERSION: Final = re.compile(rb"HTTP/1\.[01](?![0-9.])")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |$)")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")


def refusal_of_head(data: bytes, reason: str) -> Refusal:
    """Return why `data`, the beginning of an answer or all of it, has no valid head. `reason` is that of the parser,
    for rules that this module does not check."""
    for head in _interim_heads(data):
        if (refusal := _of_header_lines(head.partition(b"\n")[2])) is not None:
            return refusal
    head = _without_interim(data)
    first, newline, rest = head.partition(b"\n")
    foreign = _foreign(head)
    if foreign:
        after = "" if data.lstrip(b"\r\n") == head else ", after an interim answer"
        return Refusal(foreign + after, (first + newline)[:_MOST_SHOWN])
    return (
        _of_status_line(first.removesuffix(b"\r"), is_whole=bool(newline))
        or _of_header_lines(rest)
        or _of_line_ends(data)
        or Refusal(f"is not valid HTTP ({reason})", first.removesuffix(b"\r")[:_MOST_SHOWN])
    )


def refusal_of_chunk(data: bytes, reason: str) -> Refusal:
    """Return why the chunks after the head in `data`, the beginning of an answer, are not valid. `reason` is that of
    the parser, for faults that are not in this beginning."""
    head = _without_interim(data)
    found = _HEAD_END.search(head)
    at = found.end() if found else len(head)
    while at < len(head):
        line, newline, _ = head[at:].partition(b"\r\n")
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            return Refusal("has a chunk that does not begin with its size in hexadecimal", line[:_MOST_SHOWN])
        length = int(size[1], 16)
        if not length:
            refusal = _of_header_lines(head[at + len(line) + len(newline) :])
            if refusal is None:
                break
            return Refusal(refusal.what.replace("header", "trailer"), refusal.shown)
        at += len(line) + len(newline) + length
        if at < len(head) and not b"\r\n".startswith(head[at : at + 2]):
            after = head[at : at + _MOST_SHOWN].partition(b"\r\n")[0]
            return Refusal(f"has a chunk that does not end after the {length} bytes that it announces", after)
        at += 2
    return Refusal(f"has a body that breaks the rules of its transfer coding ({reason})")


def head_so_far(data: bytes) -> bytes:
    """Return the first line of an unfinished head, after any interim answers; b"" if there is none."""
    return _without_interim(data).partition(b"\n")[0].removesuffix(b"\r")[:_MOST_SHOWN]


def may_have_folds(data: bytes) -> bool:
    """Return whether a line of `data` may continue in the next one."""
    return b"\n " in data or b"\n\t" in data


def unfolded(data: bytes) -> bytes | None:
    """Return `data`, the beginning of an answer, with a blank in place of each fold in its head and in those of interim
    answers before it (RFC 9112, 5.2); None if the head is not complete."""
    done = b""
    while (end := _HEAD_END.search(data)) is not None:
        head, data = data[: end.end()], data[end.end() :]
        first = head.find(b"\n") + 1
        # A blank before the first header continues nothing (RFC 9112, 2.2).
        done += head if head[first : first + 1] in (b" ", b"\t") else head[:first] + _FOLD.sub(b" ", head[first:])
        if _INTERIM.match(head) is None:
            return done + data
    return None


def _interim_heads(data: bytes) -> list[bytes]:
    heads = []
    while _INTERIM.match(data) is not None and (end := _HEAD_END.search(data)) is not None:
        heads.append(data[: end.end()])
        data = data[end.end() :]
    return heads


def _without_interim(data: bytes) -> bytes:
    return data[sum(map(len, _interim_heads(data))) :].lstrip(b"\r\n")


def _foreign(head: bytes) -> str:
    if head.startswith((b"HTTP/2", b"PRI * HTTP/2")) or _HTTP_2_SETTINGS.match(head):
        return "is HTTP/2, which was not asked for"
    if head.startswith(b"HTTP/"):
        return ""
    if _TLS_RECORD.match(head):
        return "is TLS, not plain HTTP (is it https?)"
    if head.startswith(b"SSH-"):
        return "is that of an SSH server, not HTTP"
    if _MAIL_OR_FTP.match(head):
        return "is that of a mail or FTP server, not HTTP"
    if _REQUEST_LINE.match(head):
        return "is a request"
    return "is not HTTP: it has no status line"


def _of_status_line(line: bytes, *, is_whole: bool) -> Refusal | None:
    if _VERSION.match(line) is None:
        return Refusal("has a version of HTTP other than 1.0 and 1.1", line[:_MOST_SHOWN])
    status = _STATUS.match(line)
    if status is None and (is_whole or len(line) > len(b"HTTP/1.1 200")):
        return Refusal("has no status of three digits", line[:_MOST_SHOWN])
    if status is not None and int(status[1]) < 100:
        return Refusal("has a status below 100", line[:_MOST_SHOWN])
    if status is not None and status[1] == b"101":
        return Refusal(SWITCHES)
    if _CONTROL.search(line):
        return Refusal("has a control character in its status line", line[:_MOST_SHOWN])
    return None


def _of_header_lines(text: bytes) -> Refusal | None:
    """Return the first header line that breaks a rule; `text` begins with the first header and may end anywhere."""
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for number, ended in enumerate(text.split(b"\n")):
        line = ended.removesuffix(b"\r")
        if not line:
            break
        if line[:1] in (b" ", b"\t"):
            if number == 0:
                return Refusal("has a blank before its first header", _shown(line))
            continue  # a fold
        what = _of_header_line(line)
        name, _, value = line.partition(b":")
        lowered = name.strip().lower()
        if lowered == b"content-length":
            lengths.append(line)
            what = what or _of_length(value.strip(b" \t"))
        elif lowered == b"transfer-encoding":
            codings.append(line)
            what = what or _of_coding(value.strip(b" \t"), is_first=len(codings) == 1)
        if what:
            return Refusal(what, _shown(line))
        if len(lengths) > 1:
            return Refusal("has more than one Content-Length header", b"\r\n".join(lengths))
        if lengths and codings:
            return Refusal(BOTH_LENGTHS, b"\r\n".join((*lengths, *codings)))
    return None


def _of_header_line(line: bytes) -> str:
    name, colon, value = line.partition(b":")
    if not colon:
        return "has a header line without a colon"
    if not name:
        return "has a header without a name"
    if name != name.rstrip(b" \t"):
        return "has a blank before the colon of a header"
    if _TOKEN.fullmatch(name) is None:
        return "has a header whose name contains a character that is not allowed"
    if b"\0" in value:
        return "has a header with a null byte in its value"
    if b"\r" in value:
        return "has a header with a line break in its value"
    if _CONTROL.search(value):
        return "has a header with a control character in its value"
    return ""


def _of_length(value: bytes) -> str:
    if not value.isdigit():
        return "has a Content-Length that is not a number of bytes"
    return "has a Content-Length that is too large" if len(value.lstrip(b"0")) > _MOST_DIGITS else ""


def _of_coding(value: bytes, *, is_first: bool) -> str:
    return "" if is_first and value.lower() in (b"chunked", b"identity") else OTHER_CODING


def _of_line_ends(data: bytes) -> Refusal | None:
    if data[:1] in (b"\r", b"\n"):
        return Refusal("has an empty line before its status line", data[:2])
    found = re.search(rb"(?:^|\n)([^\n]*[^\r\n]|)\n", data)
    return None if found is None else Refusal("has a line that ends in LF without CR", found[1][:_MOST_SHOWN] + b"\n")


def _shown(line: bytes) -> bytes:
    name = _TOKEN.match(line)
    if name is not None and name[0].lower().decode() in CREDENTIAL_HEADERS:
        return name[0]
    return line[:_MOST_SHOWN]
