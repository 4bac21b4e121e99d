"""What the store uses of Google Cloud Storage's XML API, on loopback, in memory: puts that are made only if there is no
object, ranges, metadata, listings by page, bearer tokens. Stdlib only.

It can lose answers: what was asked is done, and the connection ends without a word. By hand:
`python tests/apps/gcs_server.py` prints its address.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from threaded_api import QuietHandler, ThreadedApi

BUCKET = "bucket"
_PAGE = 3  # smaller than any listing that matters, so that pages are really followed


@dataclass(frozen=True)
class Stored:
    """An object as it is kept."""

    data: bytes
    generation: int
    metadata: dict[str, str]
    modified: str = field(default_factory=partial(formatdate, usegmt=True))


@dataclass(frozen=True)
class Answer:
    """What a request is answered with."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class GcsServer(ThreadedApi):
    """The service in threads, for the time of a `with` block. `token`: the only one that it accepts, "" for any; it is
    given out at `/token`.

    `lose_answers` is how many answers to puts of a path that contains `losing` are lost from now on.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.requests: list[tuple[str, str]] = []
        self.token = ""
        self.losing = ""
        self.lose_answers = 0
        self._generation = 0
        self._lock = threading.Lock()
        super().__init__(_handler(self))

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """Carry out a request; None if its answer is lost."""
        parts = urlsplit(target)
        bucket, _, key = parts.path.lstrip("/").partition("/")
        key = unquote(key)
        with self._lock:
            self.requests.append((method, key))
            if (method, bucket) == ("POST", "token"):
                granted = {"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"}
                return Answer(200, json.dumps(granted).encode(), {"content-type": "application/json"})
            if self.token and headers.get("authorization") != f"Bearer {self.token}":
                return _error(401, "AuthenticationRequired")
            if bucket != BUCKET:
                return _error(404, "NoSuchBucket")
            if not key:
                return self._list({name: values[0] for name, values in parse_qs(parts.query).items()})
            done: Answer = getattr(self, f"_{method.lower()}")(key, headers, body)
            if method == "PUT" and self.lose_answers and self.losing in key:
                self.lose_answers -= 1
                return None
            return done

    def _put(self, key: str, headers: dict[str, str], body: bytes) -> Answer:
        there = self.objects.get(key)
        wanted = headers.get("x-goog-if-generation-match")
        if wanted is not None and int(wanted) != (there.generation if there else 0):
            return _error(412, "PreconditionFailed")
        self._generation += 1
        metadata = {name: value for name, value in headers.items() if name.startswith("x-goog-meta-")}
        self.objects[key] = Stored(body, self._generation, metadata)
        return Answer(200, headers=self._facts(key))

    def _get(self, key: str, headers: dict[str, str], body: bytes) -> Answer:
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        data = self.objects[key].data
        if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", "")):
            start, end = int(asked[1]), min(int(asked[2]), len(data) - 1)
            place = {"content-range": f"bytes {start}-{end}/{len(data)}"}
            return Answer(206, data[start : end + 1], {**self._facts(key), **place})
        return Answer(200, data, self._facts(key))

    def _head(self, key: str, headers: dict[str, str], body: bytes) -> Answer:
        if key not in self.objects:
            return Answer(404)
        return Answer(200, self.objects[key].data, self._facts(key))

    def _delete(self, key: str, headers: dict[str, str], body: bytes) -> Answer:
        return Answer(204) if self.objects.pop(key, None) else _error(404, "NoSuchKey")

    def _list(self, query: dict[str, str]) -> Answer:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", query.get("start-after", ""))
        entries: dict[str, str] = {}
        for key in sorted(self.objects):
            if not key.startswith(prefix):
                continue
            head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if found:
                name = f"{prefix}{head}{delimiter}"
                entries[name] = f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            else:
                entries[key] = self._contents(key)
        names = [name for name in sorted(entries) if name > after]
        page = names[:_PAGE]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(names) > _PAGE else ""
        text = f"<ListBucketResult>{''.join(entries[name] for name in page)}{more}</ListBucketResult>"
        return Answer(200, text.encode(), {"content-type": "application/xml"})

    def _contents(self, key: str) -> str:
        stored = self.objects[key]
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{stored.generation}&quot;</ETag><Size>{len(stored.data)}</Size></Contents>"
        )

    def _facts(self, key: str) -> dict[str, str]:
        stored = self.objects[key]
        return {
            "etag": f'"{stored.generation}"',
            "x-goog-generation": str(stored.generation),
            "last-modified": stored.modified,
            **stored.metadata,
        }


def _error(status: int, code: str) -> Answer:
    return Answer(status, f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode())


def _handler(server: GcsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.answer(self.command, self.path, headers, body)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _serve

    return Handler


if __name__ == "__main__":
    GcsServer().serve_by_hand()
