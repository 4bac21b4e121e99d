"""A staging executor without a cluster."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Self

import msgspec

from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.jobs import Job, Report, run_job


class UnorderedExecutor:
    """An executor in this process: it does jobs in any order, some twice, and knows them only as they are sent."""

    least_bytes = 0

    def __init__(self, job_bytes: int = 1, seed: int = 0) -> None:
        self.job_bytes = job_bytes
        self.chance = random.Random(seed)
        self.done: list[Job] = []
        self.entered = False

    def __enter__(self) -> Self:
        self.entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self.entered = False

    def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
        assert self.entered
        todo = [*jobs, *self.chance.sample(jobs, len(jobs) // 2)]
        self.chance.shuffle(todo)
        reports: dict[int, Report] = {}
        for job in todo:
            sent = msgspec.json.decode(msgspec.json.encode(job), type=Job)
            reports[job.number] = msgspec.json.decode(msgspec.json.encode(run_job(folder, sent)), type=Report)
            self.done.append(job)
        yield from reports.values()
