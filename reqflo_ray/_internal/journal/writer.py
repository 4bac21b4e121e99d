"""Appends records to the journal of one attempt, and makes them durable in groups.

There is no timer: the records of one turn of the event loop are one write, and the next sync starts when the last one
ends and covers everything appended before it. A single row waits for one write and one sync, and many rows share them.
It must not know files (it receives a `LogFile`) or what rows do.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.journal.records import NO_NAME, encode, file_header, seed_of
from reqflo_ray._internal.model.journal import Completion, Intent, JournalRecord
from reqflo_ray._internal.model.plan import Durability
from reqflo_ray._internal.storage.protocol import LogFile


class JournalWriter:
    """The journal of one attempt, for many tasks of the event loop in which it is created.

    After an append or sync fails, nothing more is written, because a torn record must stay the last one, and what a
    failed sync has lost is unknown. All waiting and later calls raise a `StoreError`.

    Args:
        name: the name of the journal, so that its records are not mistaken for those of another one.
    """

    def __init__(self, log: LogFile, *, durability: Durability, name: bytes = NO_NAME) -> None:
        self._loop = asyncio.get_running_loop()
        self._log = log
        self._name = name
        self._seed = seed_of(name)
        self._outlives_process = log.outlives_process
        # If an append alone does not outlive the process, only a sync survives a crash of the process.
        self._syncs = durability is Durability.HOST or not log.outlives_process
        self._unsynced = False
        self._begun = False
        self._sequence = 0
        self._pending: list[bytes] = []
        self._writing: list[asyncio.Future[None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Task[None] | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal-sync") if self._syncs else None
        self._failure: StoreError | None = None

    async def begin(self) -> None:
        """Make the journal itself as durable as the run requires, before its first record.

        A journal that is missing or empty afterward is then known to be lost. Raises as `append`.
        """
        self._write(b"")
        await (self._durable() if self._syncs else self._written())

    def append(self, record: JournalRecord) -> None:
        """Append `record` to the log within this turn of the event loop.

        It then survives a crash of this process if appends of the log do, but not a power cut.

        Raises:
            StoreError: the journal can no longer be written.
            UnrecordableError: `record` cannot be written; the journal is intact.
        """
        if self._failure is not None:
            self._refuse()
        frame = encode(self._sequence, record, self._seed)
        # Counted first, so that the number is never used for another record, even if the write is interrupted.
        self._sequence += 1
        self._write(frame)

    def _write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def _flush(self) -> None:
        """Write the pending records, and wake the tasks that wait for it."""
        if not self._pending or self._failure is not None:
            return
        pending, self._pending = self._pending, []
        if not self._begun:
            pending.insert(0, file_header(self._name))
        self._begun = self._unsynced = True
        try:
            self._log.append(b"".join(pending))
        except BaseException as problem:
            self._fail(problem)
            if isinstance(problem, (StoreError, OSError)):
                return  # raised in all waiting tasks
            raise
        self._wake(self._writing)
        self._writing = []

    async def intend(self, record: Intent, *, synced: bool = False) -> None:
        """Append `record` before its request is sent, and return when it is written.

        With `synced` it is as durable as a completion, for a request that must not be sent again if its outcome is
        unknown. Raises as `append`.
        """
        self.append(record)
        await (self._durable() if synced and self._syncs else self._written())

    async def complete(self, record: Completion) -> None:
        """Append `record` and return when it is as durable as the run requires. Raises as `append`."""
        self.append(record)
        await (self._durable() if self._syncs else self._written())

    async def note(self, record: JournalRecord) -> None:
        """Append `record` and return when it survives a crash of this process. Raises as `append`."""
        self.append(record)
        await (self._written() if self._outlives_process else self._durable())

    async def close(self) -> None:
        """Close the file after the last sync. Later calls of other methods raise `StoreError`."""
        self._flush()
        while self._syncing is not None:
            await asyncio.wait([self._syncing])
        if self._failure is None and self._unsynced and not self._outlives_process:
            # Records that no task waits for, such as withdrawn intents, would be lost: keep them if possible.
            with suppress(StoreError):
                await self._loop.run_in_executor(self._executor, self._log.sync)
        if self._failure is None:
            self._failure = StoreError("the journal is closed", code="journal_closed")
        if self._executor is not None:
            self._executor.shutdown()
        self._log.close()

    def _written(self) -> asyncio.Future[None]:
        # One future per record: a row that is canceled while it waits must not cancel the others.
        waiter = self._loop.create_future()
        self._writing.append(waiter)
        return waiter

    def _durable(self) -> asyncio.Future[None]:
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        if self._syncing is None:
            self._syncing = self._loop.create_task(self._sync_while_needed())
        return waiter

    async def _sync_while_needed(self) -> None:
        try:
            while self._waiting:
                # Rows whose responses arrived in this turn of the loop append first, and share the sync.
                await asyncio.sleep(0)
                self._flush()
                covered, self._waiting = self._waiting, []
                self._unsynced = False
                try:
                    await self._loop.run_in_executor(self._executor, self._log.sync)
                except BaseException as problem:
                    self._waiting = covered + self._waiting
                    self._fail(problem)
                    if isinstance(problem, Exception):
                        return  # raised in all waiting tasks; no task awaits this one
                    raise
                self._wake(covered)
        finally:
            self._syncing = None

    def _fail(self, problem: BaseException) -> None:
        if self._failure is None:
            known = problem if isinstance(problem, StoreError) else None
            self._failure = StoreError(
                known.message if known else "the journal cannot be written",
                code=known.code if known else "journal_unwritable",
                cause=known.cause if known else f"{type(problem).__name__}: {problem}",
                hint=(known.hint if known else "") or "check the disk that holds the store, then resume the run",
            )
        waiting = [*self._writing, *self._waiting]
        self._pending, self._writing, self._waiting = [], [], []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(self._failed())

    @staticmethod
    def _wake(waiting: list[asyncio.Future[None]]) -> None:
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _failed(self) -> StoreError:
        # A new one for each caller: a shared exception would collect the tracebacks of all callers.
        failure = self._failure
        assert failure is not None
        return StoreError(failure.message, code=failure.code, cause=failure.cause, hint=failure.hint)

    def _refuse(self) -> NoReturn:
        raise self._failed() from None
