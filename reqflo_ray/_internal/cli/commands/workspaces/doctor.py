"""`reqflo-ray doctor`: checks what a run needs before there is one. Exits with 3 if something is missing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.options.output import AsJson
from reqflo_ray._internal.cli.options.panels import WHAT
from reqflo_ray._internal.cli.options.target import AddressOption, StoreOption
from reqflo_ray._internal.errors import ReqfloError

if TYPE_CHECKING:
    from reqflo_ray import Finding

EXAMPLES: Final = """\
reqflo-ray doctor
reqflo-ray doctor --address 10.0.0.5:6379 --store /mnt/runs --workspace shop
"""

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        rich_help_panel=WHAT,
        help="Check the secrets of this workspace. Default: the current folder, if it is one.",
    ),
]


def doctor(
    context: typer.Context,
    workspace: Workspace = None,
    address: AddressOption = None,
    store: StoreOption = None,
    as_json: AsJson = False,
) -> int:
    """Check this machine, the store, the secrets of a workspace, and, with `--address`, a cluster and its nodes.

    Values of secrets are never shown. The exit code is 3 if a check fails.
    """
    terminal: Terminal = context.obj
    findings = reqflo_ray.doctor(workspace=workspace, address=address, store=store)
    failed = any(finding.level == "fail" for finding in findings)
    if as_json:
        # The exit code must not be lost if nobody reads the document.
        with suppress(OutputClosedError):
            terminal.data(readable_json({"ok": not failed, "findings": findings}))
    else:
        for finding in findings:
            _show(finding, terminal)
    return ReqfloError.default_exit_code if failed else 0


def _show(finding: Finding, terminal: Terminal) -> None:
    where = f" on {escape(finding.where)}" if finding.where else ""
    level = terminal.paint_out(f"{finding.level.value:<4}", _STYLES[finding.level.value])
    terminal.text(f"{level}  {escape(finding.subject)}{where}: {escape(finding.message)}")
    if finding.hint:
        terminal.text(f"      {escape(finding.hint)}")
