"""The files of `cluster/`, read as Kubernetes reads them, and what they rely on."""

from __future__ import annotations

import re
import tomllib

import pytest
from cluster_files import ROOT, all_manifests
from deployment_rules import Deployed
from manifest_schemas import Schemas, own_schemas, schemas_of_kuberay


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    """Strict schemas of all that `cluster/` uses."""
    return own_schemas()


@pytest.fixture(scope="session")
def published_schemas() -> Schemas:
    """The same with KubeRay's own definitions; skips where they are not at hand."""
    return schemas_of_kuberay()


@pytest.fixture(scope="session")
def locked() -> dict[str, str]:
    """The version of each locked package."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, flags=re.MULTILINE))


@pytest.fixture(scope="session")
def deployed(locked: dict[str, str]) -> Deployed:
    """The image that this version of the project makes, and what `namespace.yaml` provides."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    def names(kind: str) -> frozenset[str]:
        found = all_manifests()
        return frozenset(
            one["metadata"]["name"] for name, one in found if name == "namespace.yaml" and one["kind"] == kind
        )

    return Deployed(
        image=f"registry.example.com/reqflo-ray:{version}-ray{locked['ray']}",
        ray_version=locked["ray"],
        service_accounts=names("ServiceAccount"),
        claims=names("PersistentVolumeClaim"),
    )
