"""What the repository says of itself agrees: versions, paths in CONTRIBUTING, and what its workflow and hooks run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# Paths as CONTRIBUTING writes them; those with capitals are placeholders.
PATHS = sorted(set(re.findall(r"`([a-z_]+/[a-z_/]*(?:\.(?:py|md))?)`", CONTRIBUTING)))


def load(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    versions = re.findall(r"^## ([0-9][\w.]*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == PROJECT["version"]
    assert versions == sorted(versions, reverse=True)


def test_each_category_of_the_changelog_is_one_of_keep_a_changelog() -> None:
    categories = re.findall(r"^### (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert set(categories) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_workflow_tests_every_python_that_the_project_names() -> None:
    named = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", name)]
    assert load(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", "CONTRIBUTING.md", ".ci/run"])
def test_every_make_target_that_is_named_exists(path: str) -> None:
    named = set(re.findall(r"(?:run: |^|`)make ([a-z]+)", (ROOT / path).read_text(), re.MULTILINE))
    assert named and named <= MAKE_TARGETS


def test_every_job_of_the_workflow_ends_and_has_no_rights_but_to_read() -> None:
    workflow = load(".github/workflows/ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert all(0 < job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_the_hooks_run_what_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    hooks = [hook["entry"] for hook in load(".pre-commit-config.yaml")["repos"][0]["hooks"]]
    for tool in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert any(tool in hook for hook in hooks) and f"$(BIN)/{tool}" in makefile


def test_the_bug_form_asks_for_the_output_of_doctor() -> None:
    fields = {field["id"]: field for field in load(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert "reqflo-ray doctor" in fields["doctor"]["attributes"]["label"]
    assert fields["doctor"]["validations"]["required"]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_in_contributing_exists(path: str) -> None:
    roots = (ROOT, ROOT / "reqflo_ray" / "_internal")
    assert any((root / path).exists() for root in roots)
