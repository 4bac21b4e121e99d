"""Runs API journeys over large datasets on Ray: durable steps, evidence in Parquet, results in SQL.

The names in `__all__` and `reqflo_ray.testing` are public; everything in `reqflo_ray._internal` may change with every
version. A name is loaded when it is first used: `import reqflo_ray` loads nothing, and a worker never loads the
compiler.
"""

import typing as _typing

if _typing.TYPE_CHECKING:
    from reqflo_ray._internal.analysis.failure_groups import FailureGroup as FailureGroup
    from reqflo_ray._internal.analysis.failure_groups import FailureGroups as FailureGroups
    from reqflo_ray._internal.analysis.session import QueryResult as QueryResult
    from reqflo_ray._internal.api.asynchronous import check_async as check_async
    from reqflo_ray._internal.api.asynchronous import rerun_async as rerun_async
    from reqflo_ray._internal.api.asynchronous import resume_async as resume_async
    from reqflo_ray._internal.api.asynchronous import run_async as run_async
    from reqflo_ray._internal.api.asynchronous import submit_async as submit_async
    from reqflo_ray._internal.api.doctor import doctor as doctor
    from reqflo_ray._internal.api.reports import EarlierReports as EarlierReports
    from reqflo_ray._internal.api.reports import check_reports as check_reports
    from reqflo_ray._internal.api.reports import write_reports as write_reports
    from reqflo_ray._internal.api.runs import check as check
    from reqflo_ray._internal.api.runs import compile as compile
    from reqflo_ray._internal.api.runs import rerun as rerun
    from reqflo_ray._internal.api.runs import resume as resume
    from reqflo_ray._internal.api.runs import run as run
    from reqflo_ray._internal.api.runs import schema as schema
    from reqflo_ray._internal.api.store import RowView as RowView
    from reqflo_ray._internal.api.store import Store as Store
    from reqflo_ray._internal.api.store import open_store as open_store
    from reqflo_ray._internal.api.submissions import Submission as Submission
    from reqflo_ray._internal.api.submissions import SubmissionStatus as SubmissionStatus
    from reqflo_ray._internal.api.submissions import find_submission as find_submission
    from reqflo_ray._internal.api.submissions import submit as submit
    from reqflo_ray._internal.api.submitted_run import SubmittedRun as SubmittedRun
    from reqflo_ray._internal.compiler.compile import Compilation as Compilation
    from reqflo_ray._internal.errors import ClusterError as ClusterError
    from reqflo_ray._internal.errors import DatasetError as DatasetError
    from reqflo_ray._internal.errors import DefinitionError as DefinitionError
    from reqflo_ray._internal.errors import IntegrityError as IntegrityError
    from reqflo_ray._internal.errors import InterruptedRunError as InterruptedRunError
    from reqflo_ray._internal.errors import NothingSelectedError as NothingSelectedError
    from reqflo_ray._internal.errors import Position as Position
    from reqflo_ray._internal.errors import Problem as Problem
    from reqflo_ray._internal.errors import QueryError as QueryError
    from reqflo_ray._internal.errors import ReqfloError as ReqfloError
    from reqflo_ray._internal.errors import RunConflictError as RunConflictError
    from reqflo_ray._internal.errors import SecretError as SecretError
    from reqflo_ray._internal.errors import Severity as Severity
    from reqflo_ray._internal.errors import StoreError as StoreError
    from reqflo_ray._internal.errors import UsageError as UsageError
    from reqflo_ray._internal.model.plan import Damaged as Damaged
    from reqflo_ray._internal.model.plan import Durability as Durability
    from reqflo_ray._internal.model.plan import Evidence as Evidence
    from reqflo_ray._internal.model.results import Counts as Counts
    from reqflo_ray._internal.model.results import Failure as Failure
    from reqflo_ray._internal.model.results import Status as Status
    from reqflo_ray._internal.model.results import Verdict as Verdict
    from reqflo_ray._internal.ray_cluster.submit import Followed as Followed
    from reqflo_ray._internal.runner.prepare.doctor import Finding as Finding
    from reqflo_ray._internal.runner.prepare.doctor import FindingLevel as FindingLevel
    from reqflo_ray._internal.runner.prepare.request import Backend as Backend
    from reqflo_ray._internal.runner.prepare.request import Dataset as Dataset
    from reqflo_ray._internal.runner.prepare.request import Execution as Execution
    from reqflo_ray._internal.runner.prepare.request import Journey as Journey
    from reqflo_ray._internal.runner.prepare.request import Target as Target
    from reqflo_ray._internal.runner.progress.listener import Listener as Listener
    from reqflo_ray._internal.runner.progress.listener import Progress as Progress
    from reqflo_ray._internal.runner.progress.listener import RunOutcome as RunOutcome
    from reqflo_ray._internal.runner.progress.listener import SilentListener as SilentListener
    from reqflo_ray._internal.runs.folder.layout import DEFAULT_STORE as DEFAULT_STORE
    from reqflo_ray._internal.runs.upkeep.history import RunState as RunState
    from reqflo_ray._internal.runs.upkeep.history import RunSummary as RunSummary
    from reqflo_ray._internal.runs.upkeep.pruning import Pruned as Pruned
    from reqflo_ray._internal.runs.upkeep.verify import FileFinding as FileFinding
    from reqflo_ray._internal.runs.upkeep.verify import FindingKind as FindingKind
    from reqflo_ray._internal.runs.upkeep.verify import VerifyReport as VerifyReport

# Where each public name is defined.
_PLACES = {
    "FailureGroup": "analysis.failure_groups",
    "FailureGroups": "analysis.failure_groups",
    "QueryResult": "analysis.session",
    "check_async": "api.asynchronous",
    "rerun_async": "api.asynchronous",
    "resume_async": "api.asynchronous",
    "run_async": "api.asynchronous",
    "submit_async": "api.asynchronous",
    "doctor": "api.doctor",
    "EarlierReports": "api.reports",
    "check_reports": "api.reports",
    "write_reports": "api.reports",
    "check": "api.runs",
    "compile": "api.runs",
    "rerun": "api.runs",
    "resume": "api.runs",
    "run": "api.runs",
    "schema": "api.runs",
    "RowView": "api.store",
    "Store": "api.store",
    "open_store": "api.store",
    "Submission": "api.submissions",
    "SubmissionStatus": "api.submissions",
    "find_submission": "api.submissions",
    "submit": "api.submissions",
    "SubmittedRun": "api.submitted_run",
    "Compilation": "compiler.compile",
    "ClusterError": "errors",
    "DatasetError": "errors",
    "DefinitionError": "errors",
    "IntegrityError": "errors",
    "InterruptedRunError": "errors",
    "NothingSelectedError": "errors",
    "Position": "errors",
    "Problem": "errors",
    "QueryError": "errors",
    "ReqfloError": "errors",
    "RunConflictError": "errors",
    "SecretError": "errors",
    "Severity": "errors",
    "StoreError": "errors",
    "UsageError": "errors",
    "Damaged": "model.plan",
    "Durability": "model.plan",
    "Evidence": "model.plan",
    "Counts": "model.results",
    "Failure": "model.results",
    "Status": "model.results",
    "Verdict": "model.results",
    "Followed": "ray_cluster.submit",
    "Finding": "runner.prepare.doctor",
    "FindingLevel": "runner.prepare.doctor",
    "Backend": "runner.prepare.request",
    "Dataset": "runner.prepare.request",
    "Execution": "runner.prepare.request",
    "Journey": "runner.prepare.request",
    "Target": "runner.prepare.request",
    "Listener": "runner.progress.listener",
    "Progress": "runner.progress.listener",
    "RunOutcome": "runner.progress.listener",
    "SilentListener": "runner.progress.listener",
    "DEFAULT_STORE": "runs.folder.layout",
    "RunState": "runs.upkeep.history",
    "RunSummary": "runs.upkeep.history",
    "Pruned": "runs.upkeep.pruning",
    "FileFinding": "runs.upkeep.verify",
    "FindingKind": "runs.upkeep.verify",
    "VerifyReport": "runs.upkeep.verify",
}

__all__ = sorted(_PLACES)  # noqa: PLE0605 - a test checks that both lists are the same


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "testing":
        return import_module("reqflo_ray.testing")
    if name not in _PLACES:
        raise AttributeError(f"module `reqflo_ray` has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"reqflo_ray._internal.{_PLACES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return __all__
