"""A Secret Manager on loopback, for Google's own client: numbered versions in memory, which can be told to fail."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Final

import grpc
from google.cloud import secretmanager_v1 as sm

from reqflo_ray._internal.secrets.gcp import crc32c

CANARY: Final = "canary-0c9e-4f1b"
KEY: Final = "projects/p1/secrets/token"
_SERVICE: Final = "google.cloud.secretmanager.v1.SecretManagerService"


class Manager:
    """A Secret Manager with numbered versions in memory, which can be told to fail."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[int, bytes]] = {KEY: {1: b"old-value-1", 2: CANARY.encode()}}
        self.disabled: set[int] = set()
        self.faults: list[grpc.StatusCode] = []
        self.refuse_get = False
        self.wrong_checksum = False
        self.calls: list[tuple[str, str]] = []

    def access(
        self, request: sm.AccessSecretVersionRequest, context: grpc.ServicerContext
    ) -> sm.AccessSecretVersionResponse:
        self.calls.append(("access", request.name))
        key, number = self._find(request.name, context)
        data = self.versions[key][number]
        if number in self.disabled:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "disabled")
        checksum = 1 if self.wrong_checksum else crc32c(data)
        return sm.AccessSecretVersionResponse(
            name=f"projects/123/secrets/token/versions/{number}",
            payload=sm.SecretPayload(data=data, data_crc32c=checksum),
        )

    def get(self, request: sm.GetSecretVersionRequest, context: grpc.ServicerContext) -> sm.SecretVersion:
        self.calls.append(("get", request.name))
        if self.refuse_get:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no versions.get")
        _, number = self._find(request.name, context)
        state = sm.SecretVersion.State.DISABLED if number in self.disabled else sm.SecretVersion.State.ENABLED
        return sm.SecretVersion(name=f"projects/123/secrets/token/versions/{number}", state=state)

    def _find(self, name: str, context: grpc.ServicerContext) -> tuple[str, int]:
        if self.faults:
            context.abort(self.faults.pop(0), CANARY)
        key, _, version = name.partition("/versions/")
        known = self.versions.get(key, {})
        number = max(known, default=0) if version == "latest" else int(version)
        if number not in known:
            context.abort(grpc.StatusCode.NOT_FOUND, "Secret not found")
        return key, number


@contextmanager
def serving(manager: Manager) -> Iterator[str]:
    """Serve `manager` until the block ends; the address is what `REQFLO_SECRET_MANAGER_EMULATOR` takes."""
    methods = {
        "AccessSecretVersion": grpc.unary_unary_rpc_method_handler(
            manager.access, sm.AccessSecretVersionRequest.deserialize, sm.AccessSecretVersionResponse.serialize
        ),
        "GetSecretVersion": grpc.unary_unary_rpc_method_handler(
            manager.get, sm.GetSecretVersionRequest.deserialize, sm.SecretVersion.serialize
        ),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
