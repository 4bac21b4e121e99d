"""Ray's fake provider of nodes, with nodes that offer memory: Ray's own takes memory for a custom resource."""

from __future__ import annotations

from typing import Any

from ray._private import node as ray_node
from ray._private.parameter import RayParams
from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_WORKER,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)


class MemoryNodes(FakeMultiNodeProvider):
    """Nodes are raylets of this machine, children of the autoscaler's process."""

    def _create_node_with_resources_and_labels(
        self, node_config: Any, tags: dict[str, str], count: int, resources: dict[str, Any], labels: Any
    ) -> None:
        with self.lock:
            name = FakeMultiNodeProvider._next_hex_node_id(self)
            parameters = RayParams(
                min_worker_port=0,
                max_worker_port=0,
                dashboard_agent_listen_port=0,
                num_cpus=resources.get("CPU", 0),
                memory=resources.get("memory", 0),
                object_store_memory=resources.get("object_store_memory"),
                redis_address=self._gcs_address,
                gcs_address=self._gcs_address,
                env_vars={
                    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": name,
                    "RAY_CLOUD_INSTANCE_ID": name,
                    "RAY_NODE_TYPE_NAME": tags[TAG_RAY_USER_NODE_TYPE],
                },
            )
            node = ray_node.Node(parameters, head=False, shutdown_at_exit=False, spawn_reaper=False)
            own = {
                TAG_RAY_NODE_KIND: NODE_KIND_WORKER,
                TAG_RAY_USER_NODE_TYPE: tags[TAG_RAY_USER_NODE_TYPE],
                TAG_RAY_NODE_NAME: name,
                TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE,
            }
            known: dict[str, Any] = {"tags": {**own, **tags}, "node": node}
            self._nodes[name] = known
