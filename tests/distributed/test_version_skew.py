"""A cluster that runs another version of Ray is not joined, and both versions are named."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from example_workspace import child_environment, copy_example

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

# The command, in a process whose Ray says of itself that it is another one.
_OTHER_RAY = (
    "import sys, ray; ray.__version__ = '2.1.0'; from reqflo_ray._internal.cli.main import main; sys.exit(main())"
)


def test_a_cluster_with_another_ray_is_refused_with_both_versions(cluster: str, tmp_path: Path) -> None:
    workspace = copy_example("orders", tmp_path / "workspace", "http://127.0.0.1:9")
    orders = Path(__file__).parents[2] / "datasets" / "orders.csv"
    command = [sys.executable, "-c", _OTHER_RAY, "run", "place-order", "--workspace", str(workspace)]
    options = ("--data", str(orders), "--store", str(tmp_path / "store"), "--address", cluster)
    ended = subprocess.run([*command, *options], env=child_environment(), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 3
    assert "error[ray_version_skew]: the cluster runs Ray " + version("ray") in ended.stderr
    assert "this machine has Ray 2.1.0" in ended.stderr and "same versions" in ended.stderr
    assert "Traceback" not in ended.stderr
