"""Manages a worker's side process: starts it for the first job, sends it one job at a time, and replaces it when it has
died.

Heavy work is done there because a thread would compete with the event loop for the interpreter. This module must not
know what the jobs are.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from reqflo_ray._internal.runner.execute.response.side_jobs import LENGTHS, message

_PIECE: Final = 256 * 1024
_QUICK_SECONDS: Final = 2.0
# The last resort, far above the time that the budget of steps takes.
_PATIENT_SECONDS: Final = 300.0
# Started like this, and not with `multiprocessing`, the process imports nothing of the user's program. It lowers its
# priority before it imports anything, because rows that do not wait for it go first.
_PROGRAM: Final = (
    "import json, os, sys; os.nice(15); sys.path[:] = json.loads(sys.argv[1]); "
    "from reqflo_ray._internal.runner.execute.response.side_main import main; "
    "main(int(sys.argv[2]), float(sys.argv[3]))"
)


class SideProcessDied(Exception):
    """The side process died during a job. `by_limit` says whether the job took too long; otherwise `signal` is the
    number of the signal that killed the process, or 0 if it is unknown."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.by_limit = number == signal.SIGPROF
        self.signal = number


class SideProcess:
    """Executes jobs in the order of the calls. All methods must be called on one event loop.

    Args:
        first: returns the head and body of the first message to a new process.
        seconds: the processor time that a job may take.
    """

    def __init__(self, first: Callable[[], tuple[bytes, bytes]], seconds: float) -> None:
        self._first = first
        self.seconds = seconds
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    async def ask(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Send a job; return the head and body of the reply. If the calling task is canceled, the process is killed.

        Raises:
            SideProcessDied: there is no reply.
        """
        async with self._turn:
            new = self._process is None or self._process.poll() is not None
            if new:
                await self._end()
                await self._start()
            try:
                if new:
                    await self._send(*self._first())
                await self._send(head, body)
                head_size, body_size = LENGTHS.unpack(await self._reader.readexactly(LENGTHS.size))
                return await self._reader.readexactly(head_size), await self._reader.readexactly(body_size)
            except (OSError, EOFError):
                raise SideProcessDied(await self._end(died=True)) from None
            except BaseException:
                await self._end()
                raise

    async def close(self) -> None:
        """End the process, even during a job."""
        await self._end()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
            arguments = [json.dumps(sys.path), str(theirs.fileno()), str(self.seconds)]
            try:
                # This returns as soon as the program is loaded.
                self._process = subprocess.Popen(  # noqa: ASYNC220
                    [sys.executable, "-c", _PROGRAM, *arguments],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # signals that a terminal sends to the group are for the worker only
                )
            except BaseException:
                self._writer.close()
                raise

    async def _send(self, head: bytes, body: bytes) -> None:
        self._writer.write(message(head, body))
        for start in range(0, len(body), _PIECE):
            self._writer.write(body[start : start + _PIECE])
            await self._writer.drain()

    async def _end(self, *, died: bool = False) -> int:
        """End the process and wait for it. If it has `died` by itself, return the number of the signal that killed it,
        or 0."""
        process, self._process = self._process, None
        if process is None:
            return 0
        self._writer.close()
        if not died:
            process.kill()
        # This takes almost no time, unless the process has much memory to release.
        code = await asyncio.get_running_loop().run_in_executor(None, process.wait)
        return max(0, -code)


class SideProcesses:
    """The two side processes of a worker: `quick` for jobs that should end soon, `patient` for those that did not. So
    only heavy jobs wait for heavy jobs."""

    def __init__(self, first: Callable[[], tuple[bytes, bytes]]) -> None:
        self.quick = SideProcess(first, _QUICK_SECONDS)
        self.patient = SideProcess(first, _PATIENT_SECONDS)

    async def close(self) -> None:
        """End both processes, even during a job."""
        await self.quick.close()
        await self.patient.close()
