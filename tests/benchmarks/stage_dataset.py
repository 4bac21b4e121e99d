"""Stages a dataset for a journey and prints how long that took as JSON. Arguments: workspace, journey, CSV, store."""

from __future__ import annotations

import json
import sys
import time

import msgspec

import reqflo_ray
from reqflo_ray._internal.datasets.preview import read_columns
from reqflo_ray._internal.model.plan import DatasetSource
from reqflo_ray._internal.runs.staging.rows import RowSink, stage
from reqflo_ray._internal.runs.staging.sizes import ShardSizes
from reqflo_ray._internal.storage.open import open_storage

SIZES = ShardSizes(1_000)


def main() -> None:
    """Stage; compiling the journey is not counted."""
    workspace, journey, data, store = sys.argv[1:]
    artifact = reqflo_ray.compile(reqflo_ray.Journey(journey, workspace=workspace)).artifact
    began, used = time.perf_counter(), time.process_time()
    source = DatasetSource(files=(data,), key_column="order_ref")
    source = msgspec.structs.replace(source, columns=read_columns(source).names)
    stage(source, artifact, sink=RowSink(open_storage(store), "staging"), sizes=SIZES)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    sys.stdout.write(json.dumps({"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3)}) + "\n")


if __name__ == "__main__":
    main()
