"""The main program of a worker's side process: reads jobs from a socket, executes them, and ends with its worker.

The kernel limits its time and memory, because nothing inside could stop it. It prints nothing and stores nothing.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from reqflo_ray._internal.fault_place import place_of
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.runner.execute.response.side_jobs import LENGTHS, NotJudged, carry_out, message, read_program
from reqflo_ray._internal.secrets.core_dumps import no_core_dumps

MOST_MEMORY: Final = 3 * 2**30


def main(descriptor: int, seconds: float) -> None:
    """Serve the worker at the other end of the socket `descriptor` until the worker closes it or dies. A job may take
    `seconds` of processor time, which does not depend on the load."""
    connection = socket.socket(fileno=descriptor)
    _prepare()
    threading.Thread(target=_end_with_worker, args=(descriptor,), daemon=True).start()
    gc.disable()  # a search for cycles in a document of millions of nodes takes longer than reading it
    with suppress(EOFError, OSError), no_core_dumps():
        program = read_program(*_receive(connection))
        while True:
            head, body = _receive(connection)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            kept = b""
            try:
                reply, kept = carry_out(program, head, body)
            except MemoryError:
                text = f"judging this response takes more than {MOST_MEMORY // 2**30} GiB of memory"
                reply = json_text.encode_exactly(NotJudged(code="judging_memory", message=text))
            except BaseException as fault:  # a library in Rust reports a defect with an exception of its own kind
                reply = json_text.encode_exactly(NotJudged(fault=place_of(fault)))
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            del head, body
            connection.sendall(message(reply, kept) + kept)
            gc.collect()


def _prepare() -> None:
    for number in (signal.SIGPROF, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > MOST_MEMORY:
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, hard))
    # If the machine runs out of memory anyway, the kernel is to kill this process first.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _end_with_worker(descriptor: int) -> None:
    """End the process when the other end is closed, or the worker dies: nobody waits for its reply then."""
    closed = select.poll()
    closed.register(descriptor, select.POLLHUP)
    closed.poll()
    os._exit(0)


def _receive(connection: socket.socket) -> tuple[bytes, bytes]:
    head, body = LENGTHS.unpack(_exactly(connection, LENGTHS.size))
    return _exactly(connection, head), _exactly(connection, body)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return bytes(data)
