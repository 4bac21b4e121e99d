"""A workspace of one journey for runs that are to be damaged: a step that must not be repeated, one with a key, a
sensitive output, and, if wanted, a sensitive input.
"""

from __future__ import annotations

from pathlib import Path

_WORKSPACE = """\
workspace:
  name: shop
  defaults: {{environment: local}}
  secrets:
    source: env
    names:
      SHOP_CLIENT_SECRET: {{env: SHOP_CLIENT_SECRET, hosts: ["127.0.0.1"]}}
---
environment:
  name: local
  services:
    shop: {{base_url: "{url}"}}
---
journey:
  name: order
  version: "1.0.0"
  inputs:
    - {{name: ref, required: true}}
    - {{name: card, required: true, sensitive: {sensitive}}}
  steps:
    - id: token
      request:
        method: POST
        service: shop
        url: /auth/token
        body:
          json: {{client_secret: "{{{{ secrets.SHOP_CLIENT_SECRET }}}}", ref: "{{{{ inputs.ref }}}}"}}
      on_interrupt: resend
      outputs:
        - {{name: access_token, path: "$.body.access_token", sensitive: true}}
    - id: create
      request:
        method: POST
        service: shop
        url: /orders
        headers: {{Authorization: "Bearer {{{{ steps.token.outputs.access_token }}}}"}}
        body:
          json: {{ref: "{{{{ inputs.ref }}}}", card: "{{{{ inputs.card }}}}"}}
      idempotency: true
      retry: {{count: 2, delay: 1ms, causes: [failed, error]}}
      assertions:
        - {{type: status_code, expected: 201}}
      outputs:
        order_id: "$.body.order.id"
    - id: pay
      request:
        method: POST
        service: shop
        url: "/orders/{{{{ steps.create.outputs.order_id }}}}/payments"
        body:
          json: {{ref: "{{{{ inputs.ref }}}}"}}
      on_interrupt: fail
      outputs:
        payment: "$.body.payment"
    - id: read
      request:
        service: shop
        url: "/orders/{{{{ steps.create.outputs.order_id }}}}"
        headers:
          Authorization: "Bearer {{{{ steps.token.outputs.access_token }}}}"
          X-Payment: "{{{{ steps.pay.outputs.payment }}}}"
      assertions:
        - {{type: json_path, path: "$.order.ref", operator: equals, expected: "{{{{ inputs.ref }}}}"}}
"""


def write_orders_workspace(folder: Path, url: str, *, sensitive: bool) -> Path:
    """A workspace in `folder` whose journey `order` calls the shop at `url`; `sensitive`: so is the input `card`."""
    folder.mkdir(parents=True)
    text = _WORKSPACE.format(url=url, sensitive=str(sensitive).lower())
    (folder / "reqflo.yaml").write_text(text, encoding="utf-8")
    return folder


def write_orders(path: Path, rows: int, owner: str) -> Path:
    """A CSV file of so many orders, `ref-00` and so on, with cards of `owner`."""
    lines = [f"ref-{row:02d},card-of-{owner}-{row:02d}" for row in range(rows)]
    path.write_text("\n".join(["ref,card", *lines]) + "\n", encoding="utf-8")
    return path
