"""A worker's side process, as the worker sees it: started when there is a first job, asked one job at a time, replaced
when it has died.

Heavy work is done there because a thread would fight with the event loop for one interpreter. It must not know what
the jobs are.
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
# The last resort, far above what the budget of steps takes.
_PATIENT_SECONDS: Final = 300.0
# Started like this, and not by `multiprocessing`, it imports nothing of the user's program. It gives way before it
# imports anything: the rows that wait for nothing go first.
_PROGRAM: Final = (
    "import json, os, sys; os.nice(15); sys.path[:] = json.loads(sys.argv[1]); "
    "from reqflo_ray._internal.runner.execute.response.side_main import main; "
    "main(int(sys.argv[2]), float(sys.argv[3]))"
)


class SideProcessDied(Exception):
    """It died while it was at the job. `by_limit`: since that took too long; else `signal` is what killed it, 0 if
    that is not known."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.by_limit = number == signal.SIGPROF
        self.signal = number


class SideProcess:
    """Jobs are served in the order in which they came. Everything is to be called on one event loop.

    Args:
        first: the head and body of the message that a new process is given first.
        seconds: how much of the processor's time a job may take.
    """

    def __init__(self, first: Callable[[], tuple[bytes, bytes]], seconds: float) -> None:
        self._first = first
        self.seconds = seconds
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    async def ask(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Head and body of the reply to a job. A job that is given up, as its task is cancelled, takes the process
        along.

        Raises:
            SideProcessDied: there is none.
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
        """End the process, whatever it is at."""
        await self._end()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
            arguments = [json.dumps(sys.path), str(theirs.fileno()), str(self.seconds)]
            try:
                # It returns as soon as the program is loaded.
                self._process = subprocess.Popen(  # noqa: ASYNC220
                    [sys.executable, "-c", _PROGRAM, *arguments],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # what a terminal sends to the group is for the worker to answer
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
        """Let the process be no more, and its end be known to the kernel; if it has `died` by itself, the number of the
        signal that ended it."""
        process, self._process = self._process, None
        if process is None:
            return 0
        self._writer.close()
        if not died:
            process.kill()
        # It is gone at once: nothing holds up a process that ends, unless it has much memory to give back.
        code = await asyncio.get_running_loop().run_in_executor(None, process.wait)
        return max(0, -code)


class SideProcesses:
    """The two of a worker: `quick` for jobs that end soon, `patient` for those that have shown that they do not. Only
    what is heavy waits for what is heavy."""

    def __init__(self, first: Callable[[], tuple[bytes, bytes]]) -> None:
        self.quick = SideProcess(first, _QUICK_SECONDS)
        self.patient = SideProcess(first, _PATIENT_SECONDS)

    async def close(self) -> None:
        """End both, whatever they are at."""
        await self.quick.close()
        await self.patient.close()
