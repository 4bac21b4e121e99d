"""Checks that what a recorded run needs is still available for a resume or rerun: its secrets, engine, and
certificates. It must not read a workspace."""

from __future__ import annotations

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.http.factory import engine_fault
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.runner.prepare.checks.http_settings import file_faults
from reqflo_ray._internal.secrets.sources import look_at_secret


def need_means(record: RunRecord, *, uses_network: bool) -> None:
    """Refuse to resume or rerun on this machine if something is missing that every row needs.

    Args:
        uses_network: whether requests are really sent.

    Raises:
        DefinitionError: with one finding for each thing that is missing; nothing was sent.
    """
    problems = Problems()
    for name, reference in record.secrets.items():
        reason = look_at_secret(reference).reason
        if reason is not None:
            problems.error("missing_secret", f"the secret `{name}` cannot be used", None, cause=reason)
    if uses_network:
        engine = engine_fault(record.http)
        for fault in ([engine] if engine is not None else []) + [fault for _, fault in file_faults(record.http)]:
            problems.error(fault.code, fault.message, None, cause=fault.cause, hint=fault.hint)
    problems.raise_errors()
