"""A Ray cluster of a head and other nodes in a process of its own: prints its address, ends when its input ends.

`python tests/apps/ray_nodes.py [NODES]`, two besides the head unless given. Every line of its input kills one of them,
without any farewell. The token is taken from the environment.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(wait=True, **small) for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2)]
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        if nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
