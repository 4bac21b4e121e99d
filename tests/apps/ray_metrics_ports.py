"""Prints the addresses at which the nodes of a Ray cluster show their metrics: `ray_metrics_ports.py GCS_ADDRESS`."""

from __future__ import annotations

import logging
import sys

import ray


def main() -> None:
    ray.init(address=sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)
    for node in ray.nodes():
        print(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics")
    ray.shutdown()


if __name__ == "__main__":
    main()
