"""Answers that parsers refuse, and what is said of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.http.exchange.refusals import head_so_far, refusal_of_chunk, refusal_of_head, unfolded

OK = b"HTTP/1.1 200 OK\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "what", "shown"),
    [
        # other protocols
        (b"SSH-2.0-OpenSSH_9.2\r\n", "that of an SSH server", b"SSH-2.0-OpenSSH_9.2\r\n"),
        (b"220 mail.example ESMTP\r\n", "a mail or FTP server", b"220 mail.example ESMTP\r\n"),
        (b"+OK POP3 ready\r\n", "a mail or FTP server", b"+OK POP3 ready\r\n"),
        (b"* OK IMAP4 ready\r\n", "a mail or FTP server", b"* OK IMAP4 ready\r\n"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "is TLS, not plain HTTP", b"\x15\x03\x01\x00\x02\x02\x46"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", "is HTTP/2", None),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "is HTTP/2", b"PRI * HTTP/2.0\r\n"),
        (b"HTTP/2 200\r\n\r\n", "is HTTP/2", b"HTTP/2 200\r\n"),
        (b"<html>HTTP/0.9</html>\n", "no status line", b"<html>HTTP/0.9</html>\n"),
        (b'{"error": "no head"}', "no status line", b'{"error": "no head"}'),
        (b"ICY 200 OK\r\n", "no status line", b"ICY 200 OK\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", "is a request", b"GET / HTTP/1.1\r\n"),
        # status lines
        (b"HTTP/1.9 200 OK\r\n\r\n", "a version of HTTP other than 1.0 and 1.1", b"HTTP/1.9 200 OK"),
        (b"HTTP/1.10 200 OK\r\n\r\n", "a version of HTTP other than 1.0 and 1.1", b"HTTP/1.10 200 OK"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "no status of three digits", b"HTTP/1.1 20 OK"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no status of three digits", b"HTTP/1.1 2000 OK"),
        (b"HTTP/1.1 OK\r\n\r\n", "no status of three digits", b"HTTP/1.1 OK"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "a status below 100", b"HTTP/1.1 099 OK"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "switches to another protocol without being asked", b""),
        (b"HTTP/1.1 200 O\rK\r\n\r\n", "a control character in its status line", b"HTTP/1.1 200 O\rK"),
        (b"\r\n" + OK, "an empty line before its status line", b"\r\n"),
        # header lines
        (OK + b" X: y\r\n\r\n", "a blank before its first header", b" X: y"),
        (OK + b"X-A: b\r\nX-A : b\r\n\r\n", "a blank before the colon", b"X-A : b"),
        (OK + b"X-A\t: b\r\n\r\n", "a blank before the colon", b"X-A\t: b"),
        (OK + b"Nonsense\r\n\r\n", "without a colon", b"Nonsense"),
        (OK + b": b\r\n\r\n", "without a name", b": b"),
        (OK + b"X\xe9: b\r\n\r\n", "whose name contains a character", b"X\xe9: b"),
        (OK + b"X: a\0b\r\n\r\n", "a null byte", b"X: a\0b"),
        (OK + b"X: a\rb\r\n\r\n", "a line break", b"X: a\rb"),
        (OK + b"X: a\x1bb\r\n\r\n", "a control character in its value", b"X: a\x1bb"),
        (OK + b"X: y\nZ: a\r\n\r\n", "LF without CR", b"X: y\n"),
        # where the body ends
        (OK + b"Content-Length: -5\r\n\r\n", "not a number of bytes", b"Content-Length: -5"),
        (OK + b"content-length:\r\n\r\n", "not a number of bytes", b"content-length:"),
        (OK + b"Content-Length: " + b"9" * 20 + b"\r\n\r\n", "too large", b"Content-Length: " + b"9" * 20),
        (OK + b"Content-Length: 2\r\nA: b\r\nContent-Length: 2\r\n\r\n{}", "more than one Content-Length",
         b"Content-Length: 2\r\nContent-Length: 2"),
        (OK + b"Content-Length: 2\r\nContent-Length: 16\r\n\r\n{}", "more than one Content-Length",
         b"Content-Length: 2\r\nContent-Length: 16"),
        (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", "both a Content-Length and a Transfer",
         b"Content-Length: 2\r\nTransfer-Encoding: chunked"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n", "other than chunked", b"Transfer-Encoding: gzip"),
        # interim answers
        (HINTS + OK + b"Nonsense\r\n\r\n", "without a colon", b"Nonsense"),
        (b"HTTP/1.1 103 Early Hints\r\nNonsense\r\n\r\n" + OK, "without a colon", b"Nonsense"),
        (HINTS + b"SSH-2.0\r\n", "an SSH server, not HTTP, after an interim answer", b"SSH-2.0\r\n"),
    ],
)  # fmt: skip
def test_a_refused_head_says_what_is_wrong_and_where(answer: bytes, what: str, shown: bytes | None) -> None:
    refusal = refusal_of_head(answer, "the parser's reason")
    assert what in refusal.what
    assert refusal.shown == (answer if shown is None else shown)


def test_a_rule_that_only_the_parser_knows_is_told_in_its_words() -> None:
    refusal = refusal_of_head(OK + b"X: y\r\n\r\n", "Pause on CONNECT")
    assert refusal == ("is not valid HTTP (Pause on CONNECT)", b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "line", [b"Set-Cookie : sid=abcdef", b"set-cookie sid=abcdef", b"AUTHORIZATION : Bearer abcdef"]
)
def test_credentials_are_not_shown_but_for_the_name(line: bytes) -> None:
    refusal = refusal_of_head(OK + line + b"\r\n\r\n", "")
    assert refusal.shown and line.startswith(refusal.shown) and b"abcdef" not in refusal.shown


def test_a_fold_is_not_what_is_wrong() -> None:
    assert refusal_of_head(OK + b"X: y\r\n z\r\nNonsense\r\n\r\n", "").shown == b"Nonsense"


@pytest.mark.parametrize(
    ("chunks", "what", "shown"),
    [
        (b'{"a": 1}', "does not begin with its size", b'{"a": 1}'),
        (b"\r\nhello", "does not begin with its size", b""),
        (b"-5\r\nhello\r\n", "does not begin with its size", b"-5"),
        (b"5\r\nhello\r\nzz\r\n", "does not begin with its size", b"zz"),
        (b"5\r\nhello!\r\n0\r\n\r\n", "does not end after the 5 bytes", b"!"),
        (b"5;x=y\r\nhel\r\n0\r\n\r\n", "does not end after the 5 bytes", b"0"),
        (b"0\r\nnonsense\r\n\r\n", "a trailer line without a colon", b"nonsense"),
        (b"5\r\nhello\r\n", "breaks the rules of its transfer coding (the reason)", b""),
        (b"5\r\nhel", "breaks the rules of its transfer coding (the reason)", b""),
        (b"0\r\nX: y\r\n\r\n", "breaks the rules of its transfer coding (the reason)", b""),
    ],
)
def test_a_refused_chunk_says_what_is_wrong_and_where(chunks: bytes, what: str, shown: bytes) -> None:
    for head in (CHUNKED, HINTS + CHUNKED):
        refusal = refusal_of_chunk(head + chunks, "the reason")
        assert what in refusal.what and refusal.shown == shown


@given(st.binary(max_size=60), st.sampled_from([b"", OK, HINTS, CHUNKED, OK + b"X: y\r\n"]))
def test_whatever_came_something_is_said_of_it(data: bytes, before: bytes) -> None:
    for refusal in (refusal_of_head(before + data, "reason"), refusal_of_chunk(before + data, "reason")):
        assert refusal.what
        assert all(line in before + data for line in refusal.shown.split(b"\r\n"))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (OK + b"X: one\r\n two\r\n\r\n", OK + b"X: one two\r\n\r\n"),
        (OK + b"X: one \t\r\n\t  two\r\n three\r\nY: z\r\n\r\n", OK + b"X: one two three\r\nY: z\r\n\r\n"),
        (OK + b"X:\r\n one\r\n\r\n", OK + b"X: one\r\n\r\n"),
        (OK + b"X: one\r\n \r\n\r\n", OK + b"X: one \r\n\r\n"),
        (OK + b" X: one\r\n two\r\n\r\n", OK + b" X: one\r\n two\r\n\r\n"),
    ],
)
def test_a_fold_becomes_a_blank_in_the_head_alone(head: bytes, expected: bytes) -> None:
    assert unfolded(head + b"a\r\n b") == expected + b"a\r\n b"
    assert unfolded(HINTS.replace(b"Link:", b"Link:\r\n") + head) == HINTS + expected


@pytest.mark.parametrize("part", [OK, OK + b"X: one\r\n two\r\n", HINTS, HINTS + OK + b"X: one\r\n two"])
def test_a_head_that_is_not_whole_is_waited_for(part: bytes) -> None:
    assert unfolded(part) is None


def test_what_came_of_a_head_is_its_first_line() -> None:
    assert head_so_far(b"HTTP/1.1 20") == b"HTTP/1.1 20"
    assert head_so_far(HINTS + OK + b"X") == b"HTTP/1.1 200 OK"
    assert head_so_far(HINTS) == b""
