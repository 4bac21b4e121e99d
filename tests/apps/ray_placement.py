"""Watches where the workers of runs are on a cluster, until its input ends; then prints what it saw, as JSON.

`python tests/apps/ray_placement.py ADDRESS`; the token is taken from the environment. `head`: the head's id; `workers`:
node by node, the most workers that lived there at once; `nodes`: the most nodes that there were besides the head.
"""

from __future__ import annotations

import json
import logging
import select
import sys
from collections import Counter

import ray
from ray._private import state


def main() -> None:
    ray.init(address=sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)
    most: Counter[str] = Counter()
    nodes, head = 0, ""
    while not select.select([sys.stdin], [], [], 0.5)[0]:
        alive = [node for node in ray.nodes() if node["Alive"]]
        head = next(node["NodeID"] for node in alive if "node:__internal_head__" in node["Resources"])
        nodes = max(nodes, len(alive) - 1)
        actors = state.actors().values()
        most |= Counter(
            actor["Address"]["NodeID"]
            for actor in actors
            if "MapWorker" in actor["ActorClassName"] and actor["State"] == "ALIVE"
        )
    print(json.dumps({"head": head, "nodes": nodes, "workers": most}), flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
