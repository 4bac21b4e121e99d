"""`reqflo-ray init`: creates a small workspace that runs unchanged against the demo API. It never overwrites a file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.errors import UsageError

EXAMPLES: Final = """\
reqflo-ray init
reqflo-ray init shop
"""

SCHEMA: Final = "reqflo.schema.json"
FILES: Final = {
    "reqflo.yaml": """\
# This file makes the folder a workspace.
workspace:
  name: shop
  defaults: {environment: local}
  secrets:
    source: env
    names:
      SHOP_CLIENT_SECRET: {env: SHOP_CLIENT_SECRET, hosts: ["127.0.0.1"]}
""",
    "environments/environments.yaml": """\
environment:
  name: local
  services:
    shop-api: {base_url: "http://127.0.0.1:8480"}
""",
    "journeys/place-order.yaml": """\
# Each row of data/orders.csv runs these steps in order.
journey:
  name: place-order
  description: "Get a token, place an order, read it back."
  version: "1.0.0"

  inputs:
    - {name: order_ref, required: true, description: "The key of the row"}
    - {name: customer_id, required: true}
    - {name: total, required: true, type: number}

  steps:
    - id: token
      name: "Get a token"
      template: get-token
      on_interrupt: resend          # requesting a second token is harmless
      values: {client_secret: "{{ secrets.SHOP_CLIENT_SECRET }}"}
      outputs:
        - {name: access_token, path: "$.body.access_token", sensitive: true}

    - id: create
      name: "Place the order"
      template: create-order
      values:
        token: "{{ steps.token.outputs.access_token }}"
        customer_id: "{{ inputs.customer_id }}"
        total: "{{ inputs.total }}"
      idempotency: true             # a repeated request does not place a second order
      outputs:
        order_id: "$.body.order.id"
      assertions:
        - {type: status_code, expected: 201}
        - {type: json_path, path: "$.order.customer_id", operator: equals, expected: "{{ inputs.customer_id }}"}

    - id: read
      name: "Read it back"
      template: get-order
      values:
        token: "{{ steps.token.outputs.access_token }}"
        orderId: "{{ steps.create.outputs.order_id }}"
      assertions:
        - {type: status_code, expected: 200}
        - {type: json_path, path: "$.order.total", operator: equals, expected: "{{ inputs.total }}"}
""",
    "templates/shop-api.yaml": """\
# Requests that journeys share.
templates:
  - key: get-token
    service: shop-api
    method: POST
    url: /auth/token
    body:
      json: {client_id: reqflo, client_secret: "{{ values.client_secret }}"}
    values:
      - {name: client_secret, in: body, required: true}
    assertions:
      - {type: status_code, expected: 200}

  - key: create-order
    service: shop-api
    method: POST
    url: /orders
    headers: {Authorization: "Bearer {{ values.token }}"}
    values:
      - {name: token, in: header, required: true}
      - {name: customer_id, in: body, required: true}
      - {name: total, in: body, required: true}

  - key: get-order
    service: shop-api
    method: GET
    url: /orders/:orderId
    headers: {Authorization: "Bearer {{ values.token }}"}
    values:
      - {name: orderId, in: path, required: true}
      - {name: token, in: header, required: true}
""",
    "data/orders.csv": """\
order_ref,customer_id,total
ref-1,cus-1,12.50
ref-2,cus-2,99.95
ref-3,cus-3,3.00
""",
}

_NEXT: Final = """\
next:
  reqflo-ray demo-api                              (in another terminal)
  {change}export SHOP_CLIENT_SECRET=made-up-secret
  reqflo-ray run place-order --data data/orders.csv --key order_ref
  reqflo-ray sql "select step_id, avg(duration_ms) from steps group by step_id" --run latest"""


def init(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", show_default=False, help="The folder to create. Default: the current one.")
    ] = Path("."),
) -> None:
    """Create a small workspace that runs against the demo API: a journey, its requests, an environment, and three rows.

    Existing files are never overwritten.
    """
    terminal: Terminal = context.obj
    existing = [name for name in (*FILES, SCHEMA) if (folder / name).exists() or (folder / name).is_symlink()]
    if existing:
        raise UsageError(
            f"`{folder}` already has {', '.join(f'`{name}`' for name in existing)}; nothing was written",
            code="workspace_exists",
            hint="choose another folder, as in `reqflo-ray init shop`",
        )
    schema = readable_json(reqflo_ray.schema())
    for name, text in {**FILES, SCHEMA: schema}.items():
        _write_new(folder / name, _modeline(name) + text)
        terminal.text(f"created {escape(str(folder / name))}")
    change = "" if folder == Path(".") else f"cd {shlex.quote(str(folder))}\n  "
    terminal.note(_NEXT.format(change=escape(change, multiline=True)))


def _modeline(name: str) -> str:
    """Return the comment by which editors find the schema; the path is relative to the file."""
    if not name.endswith(".yaml"):
        return ""
    return f"# yaml-language-server: $schema={'../' * name.count('/')}{SCHEMA}\n"


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive: a file that has appeared in the meantime is not overwritten either.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as problem:
        raise UsageError(
            f"`{path}` cannot be written: {problem.strerror or type(problem).__name__}",
            code="output_not_writable",
            hint="choose a folder that you can write to, as in `reqflo-ray init shop`",
        ) from None
