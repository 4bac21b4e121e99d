"""`reqflo-ray doctor`: what a run would need, looked at before there is one. Exit code 3 if something is missing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.errors import ReqfloError

if TYPE_CHECKING:
    from reqflo_ray._internal.model.plan import SecretReference
    from reqflo_ray._internal.runner.prepare.doctor import Finding

EXAMPLES: Final = """\
reqflo-ray doctor
reqflo-ray doctor --address 10.0.0.5:6379 --store /mnt/runs --workspace shop
"""

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace", metavar="DIR", rich_help_panel=options.WHAT, help="Look for the secrets of this workspace."
    ),
]


def doctor(
    context: typer.Context,
    workspace: Workspace = None,
    address: options.Address = None,
    store: options.StoreLocation = None,
    as_json: options.AsJson = False,
) -> int:
    """Examine this machine, the store, the secrets of the workspace, and with --address a cluster and its nodes."""
    from reqflo_ray._internal.runner.prepare.doctor import Level

    terminal: Terminal = context.obj
    findings = _examine(workspace, address, store)
    failed = any(finding.level is Level.FAIL for finding in findings)
    if as_json:
        # The exit code must not be lost because nobody reads the document.
        with suppress(OutputClosedError):
            terminal.data(readable_json({"ok": not failed, "findings": findings}))
    else:
        for finding in findings:
            _show(finding, terminal)
    return ReqfloError.default_exit_code if failed else 0


def _examine(workspace: Path | None, address: str | None, store: str | None) -> list[Finding]:
    from reqflo_ray._internal.model.plan import SecretSource
    from reqflo_ray._internal.runner.prepare import doctor as examinations
    from reqflo_ray._internal.runner.prepare.workspace_secrets import workspace_secrets
    from reqflo_ray._internal.runs.folder.layout import DEFAULT_STORE
    from reqflo_ray._internal.storage.open import open_storage

    references: list[SecretReference] = []
    workspace_store = ""
    findings = [examinations.examine_process()]
    if workspace is not None or Path("reqflo.yaml").is_file():
        try:
            references, workspace_store = workspace_secrets(workspace or Path("."))
        except ReqfloError as problem:
            findings.append(_failed("workspace", problem))
    place = store or workspace_store or DEFAULT_STORE
    try:
        place = open_storage(place).uri
    except ReqfloError as problem:
        return [*findings, _failed("store", problem)]
    findings += examinations.examine_store(place)
    if address is None:
        findings += examinations.examine_secrets(references, may_read=True)
    else:
        # Values are the workers' matter; the versions of remote ones are pinned here.
        remote = [reference for reference in references if reference.source is SecretSource.GCP]
        findings += examinations.examine_secrets(remote, may_read=False)
        from reqflo_ray._internal.ray_cluster.doctor import examine_cluster

        try:
            findings += examine_cluster(address, place, references)
        except ReqfloError as problem:
            findings.append(_failed("cluster", problem))
    return findings


def _failed(subject: str, problem: ReqfloError) -> Finding:
    from reqflo_ray._internal.runner.prepare.doctor import Finding, Level

    return Finding(subject=subject, level=Level.FAIL, message=problem.in_one_line, hint=problem.hint)


def _show(finding: Finding, terminal: Terminal) -> None:
    where = f" on {escape(finding.where)}" if finding.where else ""
    level = terminal.paint_out(f"{finding.level.value:<4}", _STYLES[finding.level.value])
    terminal.text(f"{level}  {escape(finding.subject)}{where}: {escape(finding.message)}")
    if finding.hint:
        terminal.text(f"      {escape(finding.hint)}")
