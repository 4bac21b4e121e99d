"""The `httpbin` package, an API that this project did not write, on a free port of loopback: prints its address, and
ends when its input ends."""

from __future__ import annotations

import logging
import sys
import threading

import httpbin
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, httpbin.app, threaded=True, request_handler=Handler)
    assert isinstance(server, ThreadedWSGIServer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
