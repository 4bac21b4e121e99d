"""The part of the run check that settles how requests are sent. It applies the checks of the transport, so that a run
finds nothing new when it opens its transport."""

from __future__ import annotations

import os

from reqflo_ray._internal.compiler.authoring.formats import RETIRED_ENGINE
from reqflo_ray._internal.compiler.authoring.settings import HttpModel
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, YamlScalar, child, nearest
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.factory import engine_fault
from reqflo_ray._internal.model.plan import Environment, HttpSettings
from reqflo_ray._internal.runner.prepare.checks.proxy import with_proxy
from reqflo_ray._internal.runner.prepare.checks.sources import OuterValues


def settle_http(
    workspace: Workspace | None, environment: Environment, values: OuterValues, problems: Problems, *, sends_here: bool
) -> HttpSettings:
    """Return the HTTP settings of a run in `environment`.

    Args:
        sends_here: whether this machine sends the requests, so that the engine and the files must be on it.
    """
    model = workspace.settings.http if workspace else HttpModel()
    root = workspace.root.as_posix() if workspace else ""
    settings = HttpSettings(
        engine=model.engine,
        connect_ms=model.connect_timeout,
        read_ms=model.read_timeout,
        total_ms=model.total_timeout,
        max_body_bytes=model.max_body_bytes,
        max_redirects=model.max_redirects,
        evidence_body_bytes=model.evidence_body_bytes,
        max_in_flight_per_host=model.max_in_flight_per_host or 0,
        allow_link_local=model.allow_link_local,
        verify=not environment.insecure,
        ca_file=_from(root, model.ca_file),
        client_certificate=_from(root, model.client_certificate),
        client_key=_from(root, model.client_key),
        user_agent=model.user_agent,
    )
    written = child(workspace.settings_node, "http") if workspace else None
    engine = child(written, "engine") if written is not None else None
    if isinstance(engine, YamlScalar) and engine.value == RETIRED_ENGINE:
        message, hint = f"the engine `{RETIRED_ENGINE}` no longer exists; the default is used", "remove `engine`"
        problems.warning("retired_engine", message, engine, hint=hint)
    if sends_here:
        if (fault := engine_fault(settings)) is not None:
            _report(fault, written, "engine", problems)
        for name, fault in file_faults(settings):
            _report(fault, written, name, problems)
    return with_proxy(settings, workspace, environment.name, values, problems)


def file_faults(settings: HttpSettings) -> list[tuple[str, DefinitionError]]:
    """Return what is wrong with the files in `settings`, each with the name of its setting."""
    if not (settings.ca_file or settings.client_certificate or settings.client_key):
        return []
    # OpenSSL is loaded only if there is a file to check.
    from reqflo_ray._internal.http.addresses.tls import tls_faults

    return list(tls_faults(settings))


def _report(fault: DefinitionError, written: YamlNode | None, name: str, problems: Problems) -> None:
    place = nearest(written, (name,)) if written is not None else None
    problems.error(fault.code, fault.message, place, cause=fault.cause, hint=fault.hint)


def _from(root: str, file: str) -> str:
    """Return `file` as every process finds it; a relative path is in the workspace."""
    return os.path.join(root, file) if file and root else file
