"""An HTTP API that gives away what it was told, in every encoding that it knows. Loopback, stdlib.

It answers any request with each text of its JSON body raw, percent-encoded, JSON-escaped, in hexadecimal and in base64
in all three alignments, in body and headers, and with an `issued` value of its own. `/hold` waits for `release()`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote

from threaded_api import QuietHandler, ThreadedApi


def encodings(value: str) -> dict[str, str]:
    """`value` in every form that a careless system shows it in; a piece of base64 has no character that depends on
    what stands before or after the value."""
    data = value.encode()
    forms = {
        "raw": value,
        "url": quote(value, safe=""),
        "url_lower": re.sub("%..", lambda found: found[0].lower(), quote(value, safe="")),
        "json": json.dumps(value)[1:-1],
        "json_u": "".join(f"\\u{ord(character):04x}" for character in value),
        "hex": data.hex(),
        "hex_upper": data.hex().upper(),
    }
    for shift in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            whole = encode(b"x" * shift + data).decode().rstrip("=")
            first = 0 if shift == 0 else shift + 1
            forms[f"{name}_{shift}"] = whole[first : (shift + len(data)) * 8 // 6]
    return forms


class LeakyApi(ThreadedApi):
    """The API in a thread, for the time of a `with` block; `url` is where it listens, `issued` what it hands out."""

    def __init__(self, issued: str) -> None:
        self.issued = issued
        self.arrived = 0
        self._released = threading.Event()
        super().__init__(_handler(self))

    def hold(self) -> None:
        """Answer nothing at `/hold` from now on."""
        self._released.clear()

    def release(self) -> None:
        """Answer what waits at `/hold`, and all that comes."""
        self._released.set()

    def wait(self) -> None:
        """Return when `/hold` may be answered."""
        self._released.wait(120)


def _handler(api: LeakyApi) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:
            told = self.rfile.read(int(self.headers.get("content-length") or 0))
            api.arrived += 1
            if self.path.startswith("/hold"):
                api.wait()
            values = list(_texts(json.loads(told) if told else {}))
            leaks = {f"{index}": encodings(value) for index, value in enumerate(values)}
            document = {"issued": api.issued, "path": self.path, "leaks": leaks}
            # The JSON-escaped forms go out as they are, not escaped once more.
            body = json.dumps(document).replace("\\\\u", "\\u").encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for index, value in enumerate(values):
                self.send_header(f"X-Leak-{index}", quote(value, safe=""))
                self.send_header("Set-Cookie", f"leak{index}={quote(value, safe='')}")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

    return Handler


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _texts(child)
