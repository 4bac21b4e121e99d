"""Canaries: made-up values that must appear nowhere, a workspace that uses each, and the search for them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from leaky_api import encodings

# One for each way in which a value that must not be shown gets into a run. With characters that encodings change.
CANARIES: Final = {
    "secret": 'cnry/secret+8fK2~qq"9ü',
    "cloud": 'cnry/cloud+5dX1~zz"7é',
    "row": 'cnry/row+3hT7~pp"1ä',
    "set": 'cnry/set+6jW4~rr"2ö',
    "variable": 'cnry/variable+9mL3~ss"4ñ',
    "output": 'cnry/output+1bN8~tt"6ç',
}
CLOUD_KEY: Final = "projects/p1/secrets/token"

_JOURNEY: Final = """\
journey:
  name: leak
  inputs:
    - {name: ref, required: true}
    - {name: card, required: true, sensitive: true}
    - {name: pin, required: true, sensitive: true}
  variables:
    - {name: badge, source: environment, key: badge, sensitive: true}
  steps:
    - id: tell
      request:
        method: POST
        service: api
        url: /tell
        query: {q: "{{ secrets.TOKEN }}"}
        headers: {Authorization: "Bearer {{ secrets.TOKEN }}", X-Pin: "pin {{ inputs.ref }}"}
        body:
          json:
            secret: "{{ secrets.TOKEN }}"
            card: "{{ inputs.card }}"
            pin: ["{{ inputs.pin }}", "before {{ variables.badge }} after"]
      on_interrupt: resend
      assertions:
        - {type: status_code, expected: 200}
        - {type: json_path, path: "$.leaks", operator: equals, expected: "{{ secrets.TOKEN }}", soft: true}
      outputs:
        - {name: issued, path: "$.body.issued", sensitive: true}
    - id: pass-on
      request:
        method: POST
        service: api
        url: /hold
        headers: {X-Issued: "yes"}
        body: {json: {issued: "{{ steps.tell.outputs.issued }}", again: "{{ secrets.TOKEN }}"}}
      on_interrupt: resend
      assertions:
        - {type: body_contains, expected: "{{ inputs.card }}", soft: true}
    - id: note
      type: note
      text: "a note about {{ inputs.card }} and {{ variables.badge }}"
"""


def write_workspace(folder: Path, url: str, *, cloud: bool, rows: int = 3) -> Path:
    """A workspace whose journey sends every canary to the API at `url`, and its data; `cloud` takes the secret from
    Google Secret Manager, at its latest version."""
    folder.mkdir(parents=True)
    secrets = (
        "{source: gcp, project: p1, names: {TOKEN: {secret: token, version: latest}}}" if cloud else "{source: env}"
    )
    (folder / "reqflo.yaml").write_text(
        f"workspace:\n  name: canaries\n  defaults: {{environment: local}}\n  secrets: {secrets}\n"
    )
    (folder / "environment.yaml").write_text(
        f'environment:\n  name: local\n  services: {{api: {{base_url: "{url}"}}}}\n'
        f"  values: {{badge: {json.dumps(CANARIES['variable'], ensure_ascii=False)}}}\n",
        encoding="utf-8",
    )
    (folder / "journey.yaml").write_text(_JOURNEY)
    lines = [json.dumps({"ref": f"ref-{index}", "card": CANARIES["row"]}) for index in range(rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def found_in(data: bytes | str, *, ignoring: tuple[str, ...] = ()) -> list[str]:
    """Which canaries are in `data`, in which encoding."""
    data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return [
        f"{name} as {form}"
        for name, value in CANARIES.items()
        if name not in ignoring
        for form, text in encodings(value).items()
        if text.encode() in data
    ]


def files_with_canaries(folder: Path, *, ignoring: tuple[str, ...] = ()) -> list[str]:
    """Every file of a folder tree, and every name in it, in which there is a canary; Parquet is looked into."""
    findings = []
    for path in sorted(folder.rglob("*")):
        findings += [
            f"the name {path}: {found}" for found in found_in(str(path.relative_to(folder)), ignoring=ignoring)
        ]
        if path.is_symlink() or not path.is_file():
            continue
        try:
            data = path.read_bytes()
        except OSError:
            continue  # a socket, or a file that has just gone
        findings += [f"{path}: {found}" for found in found_in(data, ignoring=ignoring)]
        for text in _cells(data) if path.suffix == ".parquet" else ():
            findings += [f"{path}, decoded: {found}" for found in found_in(text, ignoring=ignoring)]
    return findings


def _cells(data: bytes) -> Iterator[bytes | str]:
    table = pq.read_table(io.BytesIO(data))
    for column in table.columns:
        for value in column.to_pylist():
            yield from _scalars(value)


def _scalars(value: Any) -> Iterator[bytes | str]:
    if isinstance(value, bytes | str):
        yield value
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from (str(name), *_scalars(child))
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _scalars(child)
