"""A token that an answer gives and a later request sends is nowhere in the clear, though nobody called it sensitive."""

from __future__ import annotations

from pathlib import Path

import pytest

import reqflo_ray
from reqflo_ray import Journey, Target
from reqflo_ray.testing import FakeApi, temporary_store

TOKEN = "made-up-token-4711"
WORKSPACE = """
workspace: {name: w, defaults: {environment: e}}
---
environment: {name: e, services: {api: {base_url: "http://api.example"}}}
---
journey:
  name: j
  steps:
    - {id: login, request: {url: /login}, outputs: {t: body.token}}
    - {id: use, request: {url: /use, headers: {HEADER: "VALUE"}}, assertions: [{type: status_code, expected: 200}]}
"""


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", "Bearer {{ steps.login.outputs.t }}"),
        ("Authorization", "Bearer {{ steps.login.body.token }}"),
        ("Cookie", "sid={{ steps.login.headers.x-session }}"),
    ],
)
def test_a_token_is_masked_in_all_that_is_kept(tmp_path: Path, header: str, value: str, status: int) -> None:
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("HEADER", header).replace("VALUE", value))
    api = FakeApi()
    api.answer("GET", "/login", json={"token": TOKEN}, headers={"X-Session": TOKEN})
    # An API may repeat what it was told.
    api.answer("GET", "/use", status=status, json={"you": f"sent {TOKEN}"})
    with temporary_store() as store:
        outcome = reqflo_ray.run(Journey("j", workspace=tmp_path), target=Target(store=store, transport=api))
        assert outcome.passed is (status == 200)
        steps = list(reqflo_ray.open_store(store).query("select * from steps").rows())
        assert TOKEN in repr(api.requests[1].headers)
        assert len(steps) == 2 and "sensitive:steps.login" in repr(steps) and TOKEN not in repr(steps)
