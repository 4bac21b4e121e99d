"""A Ray cluster in a process of its own, for tests to join: prints its address, ends when its input ends.

`python tests/apps/ray_cluster.py CPUS [dashboard]`; the token is taken from the environment (`RAY_AUTH_TOKEN`).
"""

from __future__ import annotations

import logging
import sys

import ray


def main() -> None:
    ray.init(
        address="local",
        num_cpus=int(sys.argv[1]),
        include_dashboard="dashboard" in sys.argv,
        object_store_memory=100 * 2**20,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
