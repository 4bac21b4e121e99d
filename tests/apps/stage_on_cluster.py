"""Stages the dataset of a run with the workers of a cluster: `stage_on_cluster.py STORE RUN ADDRESS BYTES`, about so
many bytes a job; without an ADDRESS, alone. Prints what the driver was told, its findings, its time, and its memory."""

from __future__ import annotations

import json
import resource
import sys
import time

from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.model.workers import Room, WorkerRange
from reqflo_ray._internal.ray_cluster.backend import RayBackend
from reqflo_ray._internal.ray_cluster.staging import RayStagingExecutor
from reqflo_ray._internal.runner.prepare.staging import staging
from reqflo_ray._internal.runner.progress.listener import SilentListener
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.storage.open import open_storage


class Ear(SilentListener):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def staging(self, run_id: str, backend: str, reason: str) -> None:
        self.heard.append(backend)
        print(reason, file=sys.stderr, flush=True)


def main() -> None:
    store, run_id, address, job_bytes = sys.argv[1:]
    folder, ear = RunFolder(open_storage(store), run_id), Ear()
    cluster = RayBackend(address=address, workers=WorkerRange(2, 2))
    executor = RayStagingExecutor(cluster, least_bytes=0, job_bytes=int(job_bytes)) if address else None
    record = folder.load_run()
    stage = staging(folder, lambda rows: Room(2, 2), executor=executor, listener=ear)
    began, problems = time.perf_counter(), list[str]()
    try:
        stage(record, folder.load_artifact(record.artifact))
    except ReqfloError as error:
        problems = [f"{problem.position} {problem.code}: {problem.message}" for problem in error.problems]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"heard": ear.heard, "problems": problems, "seconds": time.perf_counter() - began, "peak": peak}))


if __name__ == "__main__":
    main()
