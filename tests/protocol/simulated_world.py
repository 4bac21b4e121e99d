"""A machine to try the durability protocol on: processes that can stop anywhere, a disk that forgets, an API.

A task is a generator that yields before every action that others could see or that a crash could prevent. What happens
between two yields is atomic. All chance comes from one seed, so every schedule can be run again. It must not know the
protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

# A text says what comes next (for the trace); a callable is a condition to wait for.
Line = str | Callable[[], bool]
Lines = Generator[Line, None, Any]


class ProtocolBroken(AssertionError):
    """A promise was not kept."""


@dataclass(eq=False)
class Task:
    """One line of execution of a process."""

    lines: Lines
    done: bool = False
    result: Any = None
    condition: Callable[[], bool] | None = None


@dataclass(eq=False)
class Process:
    """Tasks that live and die together. While `busy` is set, only that task runs: it is in one system call."""

    name: str
    tasks: list[Task] = field(default_factory=list)
    alive: bool = True
    frozen: bool = False
    busy: Task | None = None

    @property
    def ended(self) -> bool:
        return not self.alive or all(task.done for task in self.tasks)

    def start(self, lines: Lines) -> Task:
        task = Task(lines)
        self.tasks.append(task)
        return task


@dataclass
class Log:
    """A file that grows. Bytes beyond `synced` may be lost in a power cut."""

    data: bytearray = field(default_factory=bytearray)
    synced: int = 0


class Disk:
    """Whole files are atomic and durable, logs are not."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.logs: dict[str, Log] = {}

    def create(self, path: str, content: Any) -> bool:
        if path in self.files:
            return False
        self.files[path] = content
        return True

    def write(self, path: str, content: Any) -> None:
        self.files[path] = content

    def numbers(self, folder: str) -> list[int]:
        names = [*self.files, *self.logs]
        return sorted(int(name[len(folder) + 1 :]) for name in names if name.startswith(f"{folder}/"))

    def remove_tree(self, folder: str) -> None:
        self.files = {path: content for path, content in self.files.items() if not path.startswith(f"{folder}/")}
        self.logs = {path: log for path, log in self.logs.items() if not path.startswith(f"{folder}/")}

    def power_cut(self, random: Random) -> None:
        """Of what was not synced, keep a beginning, with or without a hole in it."""
        for log in self.logs.values():
            kept = random.randint(log.synced, len(log.data))
            del log.data[kept:]
            if random.random() < 0.3 and kept > log.synced:
                hole = random.randint(log.synced, kept - 1)
                end = random.randint(hole + 1, kept)
                log.data[hole:end] = bytes(end - hole)
            log.synced = len(log.data)


class World:
    """Runs processes in an order that the seed decides."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = Disk()
        self.processes: list[Process] = []
        self.trace: list[str] = []
        self.now = 0
        self._current: tuple[Process, Task] | None = None
        self._stay = self.random.choice([0.0, 0.5, 0.8, 0.95])

    def start(self, name: str, body: Callable[[Process], Lines]) -> Process:
        process = Process(name)
        process.start(body(process))
        self.processes.append(process)
        return process

    def step(self) -> bool:
        """Let one task do one action. False if there is nothing that could run."""
        runnable = [
            (process, task)
            for process in self.processes
            if process.alive and not process.frozen
            for task in process.tasks
            if not task.done and process.busy in (None, task) and (task.condition is None or task.condition())
        ]
        if not runnable:
            return False
        if self._current not in runnable or self.random.random() >= self._stay:
            # A process first, then a task, so that a worker with many rows does not crowd out the others.
            process = self.random.choice(list(dict.fromkeys(process for process, _ in runnable)))
            self._current = self.random.choice([pair for pair in runnable if pair[0] is process])
        assert self._current is not None
        process, task = self._current
        self.now += 1
        task.condition = None
        try:
            line = next(task.lines)
        except StopIteration as end:
            task.done, task.result = True, end.value
            return True
        if callable(line):
            task.condition = line
        else:
            self.trace.append(f"{self.now:5} {process.name}: {line}")
        return True

    @property
    def task(self) -> Task:
        """The task that is running."""
        assert self._current is not None
        return self._current[1]

    def kill(self, process: Process) -> None:
        """What the process handed to the system stays, everything else is gone."""
        self.trace.append(f"{self.now:5} {process.name} is killed")
        process.alive = False

    def power_cut(self) -> None:
        """All processes die, and the disk forgets."""
        self.trace.append(f"{self.now:5} power cut")
        for process in self.processes:
            process.alive = False
        self.disk.power_cut(self.random)
