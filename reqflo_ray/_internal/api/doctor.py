"""Checks what a run needs, before there is one. It must not know how: `runner/prepare` and `ray_cluster` do."""

from __future__ import annotations

from pathlib import Path

from reqflo_ray._internal.api.config import find_store, open_found
from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.runner.prepare import doctor as examinations
from reqflo_ray._internal.runner.prepare.doctor import Finding, FindingLevel
from reqflo_ray._internal.runner.prepare.request import File
from reqflo_ray._internal.runner.prepare.workspace_secrets import workspace_secrets


def doctor(*, workspace: File | None = None, address: str | None = None, store: File | None = None) -> list[Finding]:
    """Check this machine, the store, the secrets of the workspace, and, with `address`, a cluster and its nodes.

    Files written to the store for a check are removed again. Values of secrets are never shown. A check that cannot be
    carried out is a finding too, so this raises no error for it.

    Args:
        workspace: the folder of the workspace whose secrets are checked; None: the current folder, if it is one.
        address: the Ray cluster, as `HOST:PORT` or `auto`; None: no cluster is checked.
        store: a folder or a bucket URI; None: `REQFLO_STORE`, else that of the workspace, else `./.reqflo`.

    Returns:
        The findings, each with a `level`: `ok`, `warn`, or `fail`.
    """
    references: list[SecretReference] = []
    workspace_store = ""
    findings = [examinations.examine_process()]
    if workspace is not None or Path("reqflo.yaml").is_file():
        try:
            known = workspace_secrets(Path(workspace or "."))
            references, workspace_store = known.references, known.store
            findings += examinations.examine_workspace(known.problems, known.broken_journeys)
        except ReqfloError as problem:
            findings.append(_failed("workspace", problem))
    try:
        place = open_found(find_store(store, workspace_store)).uri
    except ReqfloError as problem:
        return [*findings, _failed("store", problem)]
    findings += examinations.examine_store(place)
    if address is None:
        return [*findings, *examinations.examine_secrets(references, may_read=True)]
    # The workers read the values; this process pins the versions of remote secrets.
    remote = [reference for reference in references if reference.source is SecretSource.GCP]
    findings += examinations.examine_secrets(remote, may_read=False)
    from reqflo_ray._internal.ray_cluster.doctor import examine_cluster

    try:
        return [*findings, *examine_cluster(address, place, references)]
    except ReqfloError as problem:
        return [*findings, _failed("cluster", problem)]


def _failed(subject: str, problem: ReqfloError) -> Finding:
    return Finding(subject=subject, level=FindingLevel.FAIL, message=problem.in_one_line, hint=problem.hint)
