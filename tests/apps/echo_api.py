"""An HTTP API that says what it saw: values, cookies, and over which connection. Loopback, stdlib, recorded in memory.

`/echo` answers with the request itself; `/cookie?name=value` sets cookies; `/status?code=503` answers so; `/text` is no
JSON; `/bytes?count=N` is a long body; `/slow?ms=N` takes its time; `/token` gives one out; `/hold` does not answer
before `release()`.
By hand: `python tests/apps/echo_api.py` prints its address.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from threaded_api import QuietHandler, ThreadedApi


@dataclass(frozen=True)
class Seen:
    """One request as it came in. `connection` counts from 1 in the order in which connections were made."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    cookies: dict[str, str]
    body: str
    connection: int

    def document(self) -> dict[str, Any]:
        """The request as `/echo` answers it."""
        return self.__dict__ | {"headers": {name.lower(): value for name, value in self.headers.items()}}


class EchoApi(ThreadedApi):
    """The API in a thread, for the time of a `with` block; `url` is where it listens."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.token = "made-up-token"
        super().__init__(_handler(self))

    def reset(self) -> None:
        """Forget what was seen, and let `/hold` wait again."""
        with self.lock:
            self.seen.clear()
        self.released.clear()

    def release(self) -> None:
        """Let everything that waits at `/hold` be answered."""
        self.released.set()


def _handler(api: EchoApi) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def setup(self) -> None:
            super().setup()
            with api.lock:
                api.connections += 1
                self.connection_number = api.connections

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            seen = Seen(
                method=self.command,
                path=target.path,
                query=dict(parse_qsl(target.query, keep_blank_values=True)),
                headers=dict(self.headers.items()),
                cookies=dict(pair.strip().partition("=")[::2] for pair in self.headers.get("cookie", "").split(";")),
                body=self.rfile.read(length).decode("utf-8", "replace"),
                connection=self.connection_number,
            )
            with api.lock:
                api.seen.append(seen)
                api.in_flight += 1
                api.most_in_flight = max(api.most_in_flight, api.in_flight)
            try:
                self._answer(seen)
            finally:
                with api.lock:
                    api.in_flight -= 1

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def _answer(self, seen: Seen) -> None:
            if seen.path == "/hold":
                api.released.wait(60)
            if seen.path == "/slow":
                time.sleep(int(seen.query["ms"]) / 1000)
            status, kind, body = 200, "application/json", json.dumps(seen.document()).encode()
            if seen.path == "/status":
                status = int(seen.query["code"])
            elif seen.path == "/text":
                kind, body = "text/plain", b"this is no JSON"
            elif seen.path == "/token":
                body = json.dumps({"token": api.token}).encode()
            elif seen.path == "/bytes":
                kind, body = "text/plain", b"x" * int(seen.query["count"])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if seen.path == "/cookie":
                for name, value in seen.query.items():
                    self.send_header("Set-Cookie", f"{name}={value}; Path=/")
            self.end_headers()
            self.wfile.write(body)

    return Handler


if __name__ == "__main__":
    EchoApi().serve_by_hand()
