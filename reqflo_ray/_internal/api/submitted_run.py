"""The cluster's half of `submit`: carries out the run in the job's folder, and makes the lines of the job's log that
`submit` reads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from reqflo_ray._internal.api.config import Place
from reqflo_ray._internal.api.reports import write_reports
from reqflo_ray._internal.api.runs import carry_out
from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.ray_cluster.job_log import (
    LARGEST_REPORT,
    JobOutcome,
    outcome_line,
    pack_report,
    report_lines,
)
from reqflo_ray._internal.runner.prepare.job_bundle import JobBundle, unpack
from reqflo_ray._internal.runner.prepare.record import installed_versions
from reqflo_ray._internal.runner.prepare.request import Target
from reqflo_ray._internal.runner.progress.listener import Listener, RunOutcome, SilentListener

_SILENT = SilentListener()


class SubmittedRun:
    """The run that `submit` put in the folder of this job. Only the job itself, `reqflo-ray run-submitted`, needs it.

    Raises:
        UsageError: the current folder has no submitted run, or another version of reqflo-ray submitted it.
    """

    def __init__(self) -> None:
        self._bundle: JobBundle = unpack(Path("."))

    @property
    def store(self) -> str:
        """The store of the run."""
        return self._bundle.order.store

    @property
    def quiet(self) -> bool:
        """Whether the job prints no progress."""
        return self._bundle.order.quiet

    def carry_out(self, listener: Listener = _SILENT) -> RunOutcome:
        """Carry out the run, or resume it.

        Raises:
            DatasetError, NothingSelectedError, RunConflictError, SecretError, StoreError, ClusterError: see `run`.
        """
        # The version of Ray on the cluster may differ from that of the submitting side.
        record = msgspec.structs.replace(self._bundle.record, versions=installed_versions())
        target = Target(store=self.store, backend="ray", address="auto")
        place = Place.of(target, workers=record.options.workers)
        take_over = self._bundle.order.take_over
        return carry_out(record, self._bundle.artifact, place, take_over=take_over, listener=listener)

    def answer(self, outcome: RunOutcome, notice: Callable[[ReqfloError], None]) -> Iterator[str]:
        """Yield the lines to print at the end: the requested reports that could be made and are not too large for a
        log, then the outcome of the run, which must be sent back even if a report fails.

        Args:
            outcome: what `carry_out` has returned.
            notice: called with the reason why reports could not be made.
        """
        asked = self._bundle.order.reports
        sent = list[str]()
        for name, packed in _packed(asked, outcome, notice):
            sent.append(name)
            yield from report_lines(name, packed)
        yield outcome_line(
            JobOutcome(
                run_id=outcome.run_id,
                store=outcome.store,
                results_path=outcome.results_path,
                verdict=outcome.verdict,
                exit_code=outcome.exit_code,
                complete=outcome.complete,
                omitted=tuple(name for name in asked if name not in sent),
            )
        )


def _packed(
    formats: tuple[str, ...], outcome: RunOutcome, notice: Callable[[ReqfloError], None]
) -> Iterator[tuple[str, bytes]]:
    """Yield each report that could be made and is not too large, packed."""
    if not formats:
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, name) for name in formats}
        try:
            write_reports(outcome.run_id, paths.items(), store=outcome.store, verdict=outcome.verdict)
        except ReqfloError as error:
            notice(error)
        for name, path in paths.items():
            packed = pack_report(path) if path.exists() else b""
            if packed and len(packed) <= LARGEST_REPORT:
                yield name, packed
