"""An API whose answers are small and come after a while, but for some that take much of whoever has to judge them.

python tests/apps/heavy_api.py MILLISECONDS       prints its address, and serves until it is killed
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys

_GOOD = json.dumps({"a": [{"k": 1}], "text": "x" * 500}).encode()
# By what the path ends in, after `/` or `-`: headers and body.
_HEAVY: dict[bytes, tuple[bytes, bytes]] = {
    b"deep": (b"", b"[" * 200 + b"]" * 200),
    b"large": (b"", b'{"a":[' + b",".join(b'{"k":%d}' % number for number in range(120_000)) + b"]}"),
    b"compressed": (b"Content-Encoding: gzip\r\n", gzip.compress(b'{"a": "' + b"a" * 30_000_000 + b'"}')),
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            name = head.split(b" ", 2)[1].rpartition(b"/")[2].rpartition(b"-")[2]
            headers, body = _HEAVY.get(name, (b"", b""))
            if not body:
                body = _GOOD
                await asyncio.sleep(seconds)
            kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
            writer.write(b"HTTP/1.1 200 OK\r\n" + headers + kind + b"\r\n" + body)
            await writer.drain()
    except (EOFError, OSError):
        pass
    finally:
        writer.close()


async def _main(seconds: float) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, seconds), "127.0.0.1", 0, backlog=512
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]) / 1000))
