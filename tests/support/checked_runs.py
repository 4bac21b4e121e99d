"""Checks of runs of the example workspace, and of small workspaces that are written for one test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from example_workspace import EXAMPLES

from reqflo_ray._internal.compiler.compile import Compilation, compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.runner.prepare.checks.check import CheckedRun, RunSelection, SecretProbe, check_run

ORDERS = EXAMPLES / "orders"
COLUMNS = ("order_ref", "customer_id", "total", "sku", "qty")
ENVIRONMENTS = """
environment:
  name: local
  services:
    shop: {base_url: "http://x/{{ secrets.TENANT }}", config: {version: v1}}
  values: {region: eu, nested: "{{ env.region }}-{{ secrets.SUFFIX }}", unused: "{{ secrets.UNUSED }}"}
---
environment: {name: bare}
"""
SETTINGS = "workspace: {name: w, defaults: {environment: local}}"


def orders(*overlays: str) -> Compilation:
    """The reference journey."""
    return compile_journey(load_workspace(ORDERS), "place-order", overlays)


def check_orders(*overlays: str, **selection: Any) -> CheckedRun:
    """A check of the reference journey."""
    compilation = orders(*overlays)
    return check_run(compilation, compilation.workspace, RunSelection(**selection))


class Checker:
    """Checks runs of the journey `j` of a small workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        journey: str,
        files: Mapping[str, str] | None = None,
        me: Mapping[str, str] | None = None,
        probe: SecretProbe | None = None,
        **selection: Any,
    ) -> CheckedRun:
        defaults = {
            "reqflo.yaml": SETTINGS,
            "e.yaml": ENVIRONMENTS,
            "j.yaml": f"journey:\n  name: j\n{indent(dedent(journey), '  ')}",
        }
        for name, text in (defaults | dict(files or {})).items():
            (self.folder / name).write_text(dedent(text))
        compilation = compile_journey(load_workspace(self.folder), "j")
        return check_run(compilation, compilation.workspace, RunSelection(**selection), me=me, look_at_secret=probe)


def codes(checked: CheckedRun) -> list[tuple[str, str]]:
    """Severity and code of each problem."""
    return [(problem.severity.value, problem.code) for problem in checked.problems]


def only(checked: CheckedRun) -> Problem:
    """The one problem that there is."""
    assert len(checked.problems) == 1, checked.problems
    return checked.problems[0]


STEP = "  steps: [{id: a, request: {url: /a}}]\n"


def uses(reference: str) -> str:
    """A journey that sends a value."""
    return f"  steps: [{{id: a, request: {{url: '/a', query: {{q: '{{{{ {reference} }}}}'}}}}}}]\n"


def in_text(reference: str) -> str:
    """A journey that sends a value within a text."""
    return f"  steps: [{{id: a, request: {{url: '/a', query: {{q: 'x {{{{ {reference} }}}}'}}}}}}]\n"
