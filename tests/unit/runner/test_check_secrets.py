"""The run check looks for secrets: where the settings say, and whether a value could stand for anything else."""

from __future__ import annotations

import pytest
from checked_runs import COLUMNS, STEP, Checker, check_orders, codes, only, orders, uses

from reqflo_ray._internal.errors import DefinitionError, Severity
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.runner.prepare.checks.check import RunSelection, check_run
from reqflo_ray._internal.secrets.sources import SecretLook


def test_a_skipped_steps_secret_is_not_needed() -> None:
    assert check_orders("no-token", columns=COLUMNS).secrets == {}


def test_a_sensitive_value_is_not_shown(check: Checker) -> None:
    journey = "  inputs: [{name: x, type: integer, sensitive: true}]\n" + STEP
    files = {"p.yaml": "preset: {name: p, values: {x: hush-hush}}"}
    for checked in (check(journey, files, presets=("p",)), check(journey, overrides={"x": "hush-hush"})):
        assert "hush" not in str(checked.problems)


def test_a_missing_secret_is_an_error_where_it_can_be_told() -> None:
    compilation = orders()

    def probe(reference: SecretReference) -> SecretLook:
        return SecretLook(f"`{reference.key}` is not set")

    checked = check_run(compilation, compilation.workspace, RunSelection(columns=COLUMNS), look_at_secret=probe)
    problem = only(checked)
    assert (problem.code, problem.cause) == ("missing_secret", "`SHOP_CLIENT_SECRET` is not set")
    assert str(problem.position) == "journeys/place-order.yaml:26:25"
    with pytest.raises(DefinitionError):
        checked.raise_errors()


def test_a_secret_that_looks_like_what_answers_are_full_of_is_warned_of() -> None:
    compilation = orders()

    def probe(reference: SecretReference) -> SecretLook:
        return SecretLook(likeness="an ordinary word")

    checked = check_run(compilation, compilation.workspace, RunSelection(columns=COLUMNS), look_at_secret=probe)
    problem = only(checked)
    assert (problem.code, problem.severity) == ("common_value", Severity.WARNING)
    assert problem.message == "the value of the secret `SHOP_CLIENT_SECRET` looks like an ordinary word"
    assert str(problem.position) == "journeys/place-order.yaml:26:25"


@pytest.mark.parametrize(
    ("value", "warned"), [("1", True), ("pending", True), ("4111111111111111", False), ("", False)]
)
def test_a_given_sensitive_value_that_may_stand_anywhere_is_warned_of(check: Checker, value: str, warned: bool) -> None:
    declared = "  inputs: [{name: pin, type: string, sensitive: true}]\n" + uses("inputs.pin")
    problems = check(declared, overrides={"pin": value}).problems
    in_rows = check(declared, columns=("pin",), sampled={"pin": ["4111111111111111", value, value]}).problems
    assert [problem.code for problem in in_rows] == [problem.code for problem in problems]
    assert [problem.code for problem in problems] == (["common_value"] if warned else [])
    assert all("pin" in problem.message and problem.severity is Severity.WARNING for problem in problems)


@pytest.mark.parametrize(
    ("secrets", "reference"),
    [
        ("{}", SecretReference(name="S", source=SecretSource.ENV, key="S")),
        ("{names: {S: {env: OTHER}}}", SecretReference(name="S", source=SecretSource.ENV, key="OTHER")),
        (
            "{names: {S: {hosts: ['*.x']}}}",
            SecretReference(name="S", source=SecretSource.ENV, key="S", hosts=("*.x",)),
        ),
        (
            "{source: gcp, project: p}",
            SecretReference(name="S", source=SecretSource.GCP, key="projects/p/secrets/S", version="latest"),
        ),
        (
            "{source: gcp, gcp: {project: p}, names: {S: {secret: s, version: '3'}}}",
            SecretReference(name="S", source=SecretSource.GCP, key="projects/p/secrets/s", version="3"),
        ),
        (
            "{source: gcp, names: {S: {secret: projects/q/secrets/s}}}",
            SecretReference(name="S", source=SecretSource.GCP, key="projects/q/secrets/s", version="latest"),
        ),
        (
            "{source: file, folder: /run/secrets}",
            SecretReference(name="S", source=SecretSource.FILE, key="/run/secrets/S"),
        ),
    ],
)
def test_a_secret_is_found_where_the_settings_say(check: Checker, secrets: str, reference: SecretReference) -> None:
    files = {
        "reqflo.yaml": f"workspace: {{secrets: {secrets}}}",
        "e.yaml": "environment: {name: e, services: {s: {base_url: http://x}}}",
    }
    checked = check(uses("secrets.S"), files, environment="e")
    assert checked.problems == ()
    assert checked.secrets == {"S": reference}


def test_a_folder_of_secret_files_is_below_the_workspace(check: Checker) -> None:
    files = {"reqflo.yaml": "workspace: {secrets: {source: file, folder: secrets, names: {S: {file: s.txt}}}}"}
    key = check(uses("secrets.S"), files, environment="local").secrets["S"].key
    assert key == f"{check.folder.resolve().as_posix()}/secrets/s.txt"


@pytest.mark.parametrize("secrets", ["{source: gcp}", "{source: file}"])
def test_a_source_of_secrets_that_is_not_set_up_is_an_error(check: Checker, secrets: str) -> None:
    files = {
        "reqflo.yaml": f"workspace: {{secrets: {secrets}}}",
        "e.yaml": "environment: {name: e, services: {s: {base_url: http://x}}}",
    }
    assert codes(check(uses("secrets.S"), files, environment="e")) == [("error", "missing_secret")]
