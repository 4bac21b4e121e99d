"""What `import reqflo_ray` offers is a listed set, each name from the place that defines it, and nothing besides."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

import reqflo_ray
from reqflo_ray import Dataset, Execution, Journey, Target

CALLS = [
    *("check", "check_async", "check_reports", "compile", "doctor", "find_submission", "open_store", "rerun"),
    *("rerun_async", "resume", "resume_async", "run", "run_async", "schema", "submit", "submit_async", "write_reports"),
]
ASKED = ["Backend", "Damaged", "Dataset", "Durability", "Evidence", "Execution", "Journey", "Target"]
ANSWERED = [
    *(
        "Compilation",
        "Counts",
        "EarlierReports",
        "Failure",
        "FailureGroup",
        "FailureGroups",
        "FileFinding",
        "Finding",
        "FindingKind",
        "FindingLevel",
    ),
    *("Followed", "Listener", "Position", "Problem"),
    *(
        "Progress",
        "Pruned",
        "QueryResult",
        "RowView",
        "RunOutcome",
        "RunState",
        "RunSummary",
        "Severity",
        "SilentListener",
    ),
    *("Status", "Store", "Submission", "SubmissionStatus", "SubmittedRun", "Verdict", "VerifyReport"),
]
ERRORS = [
    *("ClusterError", "DatasetError", "DefinitionError", "IntegrityError", "InterruptedRunError"),
    *("NothingSelectedError", "QueryError", "ReqfloError", "RunConflictError", "SecretError", "StoreError"),
    "UsageError",
]
CONSTANTS = ["DEFAULT_STORE"]
PUBLIC = sorted([*CALLS, *ASKED, *ANSWERED, *ERRORS, *CONSTANTS])

SOURCE = ast.parse(Path(reqflo_ray.__file__).read_text(encoding="utf-8"))


def said_to_type_checkers() -> dict[str, str]:
    """The module of each name that the source imports for type checkers."""
    [block] = [node for node in SOURCE.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    assert all(alias.asname == alias.name for node in imports for alias in node.names), "`X as X` is exported"
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def resolved_at_run_time() -> dict[str, str]:
    """The module of each name in the table that the package looks names up in."""
    [table] = [node.value for node in SOURCE.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)]
    return {name: f"reqflo_ray._internal.{place}" for name, place in ast.literal_eval(table).items()}


def test_what_is_public_is_this_list() -> None:
    assert sorted(reqflo_ray.__all__) == PUBLIC
    assert sorted(dir(reqflo_ray)) == PUBLIC


def test_type_checkers_are_told_what_is_true_at_run_time() -> None:
    assert said_to_type_checkers() == resolved_at_run_time()


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_comes_from_where_it_is_defined(name: str) -> None:
    place = resolved_at_run_time()[name]
    found = getattr(reqflo_ray, name)
    assert found is getattr(import_module(place), name)
    assert name in CONSTANTS or found.__module__ == place


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - set(CONSTANTS)))
def test_each_name_is_documented(name: str) -> None:
    found = getattr(reqflo_ray, name)
    assert found.__doc__ and not found.__doc__.startswith(f"{name}("), "a text of its own"
    members = [] if name in CALLS else [each for each in vars(found).items() if not each[0].startswith("_")]
    for called, member in members:
        if inspect.isfunction(member) or isinstance(member, property):
            assert inspect.getdoc(member), called


def test_to_import_it_loads_nothing_of_it() -> None:
    code = (
        "import sys, reqflo_ray\n"
        "print([name for name in vars(reqflo_ray) if not name.startswith('_')])\n"
        "print([name for name in sys.modules if name.startswith('reqflo_ray.')])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n[]\n"


def test_nothing_else_is_reached_once_all_is_loaded() -> None:
    for name in PUBLIC:
        getattr(reqflo_ray, name)
    assert {name for name in vars(reqflo_ray) if not name.startswith("_")} - {"testing"} == set(PUBLIC)


@pytest.mark.parametrize("name", ["runn", "RunRequest", "TYPE_CHECKING", "_api", "Run", ""])
def test_a_name_that_is_not_there_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match="reqflo_ray"):
        getattr(reqflo_ray, name)


@pytest.mark.parametrize(("kind", "most"), [(Journey, 8), (Dataset, 5), (Execution, 5), (Target, 5)])
def test_what_is_asked_for_is_said_in_few_fields_of_which_none_is_twice(kind: type, most: int) -> None:
    others = {
        each.name for other in (Journey, Dataset, Execution, Target) if other is not kind for each in fields(other)
    }
    own = {each.name for each in fields(kind)}
    assert len(own) <= most and not own & others
