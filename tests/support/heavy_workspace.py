"""A workspace with rows whose responses take long to judge, and the API that sends those responses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_API = Path(__file__).parents[1] / "apps" / "heavy_api.py"

_WORKSPACE = """\
workspace: {name: heavy, defaults: {environment: e}, http: HTTP}
---
environment: {name: e, services: {s: {base_url: "URL"}}}
---
journey:
  name: heavy
  inputs: [{name: id, required: true}]
  steps:
    - id: a
      request: {service: s, url: "/item/{{ inputs.id }}"}
      assertions:
ASSERTIONS
    - {id: b, request: {service: s, url: "/item/{{ inputs.id }}-again"}}
"""


@contextmanager
def heavy_api(latency_ms: int) -> Iterator[str]:
    """The URL of an API whose answer is heavy for ids that end so, and which takes `latency_ms` for each."""
    with subprocess.Popen([sys.executable, _API, str(latency_ms)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def write_workspace(folder: Path, url: str, *absent: str, http: str) -> None:
    """Write the workspace, whose first step asserts that the paths `absent` find nothing."""
    lines = [f'        - {{type: json_path, path: "{path}", operator: not_exists}}' for path in absent]
    text = _WORKSPACE.replace("URL", url).replace("HTTP", http).replace("ASSERTIONS", "\n".join(lines))
    (folder / "reqflo.yaml").write_text(text)
