"""The run check: values that the environment, or what is known of who runs, does not have, told before a row runs."""

from __future__ import annotations

from typing import Any

import pytest
from checked_runs import STEP, Checker, codes, in_text, only, uses

from reqflo_ray._internal.secrets.sources import SecretLook

FROM_ENVIRONMENT = "  variables: [{name: tenant, source: environment}]\n"
FROM_ME = "  variables: [{name: token, source: me}]\n"


def test_a_variable_that_the_environment_lacks_is_an_error(check: Checker) -> None:
    problem = only(check(FROM_ENVIRONMENT + uses("variables.tenant")))
    assert (problem.code, str(problem.position)) == ("incompatible_environment", "j.yaml:3:15")
    assert (
        problem.message == "the environment `local` has no `tenant`, from which the variable `tenant` takes its value"
    )
    assert problem.hint == "known: `nested`, `region`, `shop.version`, `unused`"


@pytest.mark.parametrize("key", ["regin", "shop.verson", "region.x.y.z"])
def test_so_is_one_whose_key_it_lacks(check: Checker, key: str) -> None:
    declared = f"  variables: [{{name: tenant, source: environment, key: {key}}}]\n"
    checked = check(declared + uses("variables.tenant"))
    assert codes(checked) == ([] if key.startswith("region.") else [("error", "incompatible_environment")])


def test_one_is_found_by_way_of_other_declarations(check: Checker) -> None:
    declared = """  variables:
        - {name: tenant, source: environment}
        - {name: path, default: "/{{ variables.tenant }}"}
"""
    assert codes(check(declared + in_text("variables.path"))) == [("error", "incompatible_environment")]


@pytest.mark.parametrize(
    ("declared", "selection"),
    [
        ("{name: tenant, source: environment, default: acme}", {}),
        ("{name: tenant, source: environment, key: region}", {}),
        ("{name: tenant, source: environment, key: shop.version}", {}),
        ("{name: tenant, source: environment}", {"overrides": {"tenant": "acme"}}),
        ("{name: tenant, source: environment}", {"columns": ("tenant",)}),
        ("{name: region, source: environment}", {}),
    ],
)
def test_a_variable_that_has_a_value_is_none(check: Checker, declared: str, selection: dict[str, Any]) -> None:
    name = "region" if "name: region" in declared else "tenant"
    assert check(f"  variables: [{declared}]\n" + uses(f"variables.{name}"), **selection).problems == ()


def test_a_variable_that_no_step_reads_is_none(check: Checker) -> None:
    assert check(FROM_ENVIRONMENT + STEP).problems == ()
    assert check(FROM_ME + STEP).problems == ()


def test_a_row_must_supply_what_the_environment_lacks(check: Checker) -> None:
    assert check(FROM_ENVIRONMENT + uses("variables.tenant"), columns=("tenant",)).row_required == {"tenant"}
    assert check(FROM_ME + uses("variables.token"), columns=("token",)).row_required == {"token"}


def test_without_an_environment_the_hint_says_how_to_choose_one(check: Checker) -> None:
    journey = FROM_ENVIRONMENT + uses("variables.tenant").replace("'/a'", "'http://x.example/'")
    problem = only(check(journey, environment=""))
    assert (problem.code, problem.hint) == (
        "incompatible_environment",
        "choose one with `--env`; known: `bare`, `local`",
    )


def test_what_an_environment_that_cannot_be_used_lacks_is_not_told(check: Checker) -> None:
    problem = only(check(FROM_ENVIRONMENT + uses("variables.tenant"), environment="locl"))
    assert problem.code == "unknown_environment"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("token", "set the environment variable `REQFLO_ME_TOKEN`; known: `host`, `user`"),
        ("usr", "did you mean `user`? Or set the environment variable `REQFLO_ME_USR`"),
        ("Team", "write `team`, because keys of `me` are in lower case, and set `REQFLO_ME_TEAM`"),
    ],
)
def test_what_nobody_knows_of_who_runs_is_an_error_that_says_how_to_give_it(
    check: Checker, key: str, hint: str
) -> None:
    me = {"user": "someone", "host": "here"}
    declared = f"  variables: [{{name: v, source: me, key: {key}}}]\n"
    for journey in (declared + uses("variables.v"), uses(f"me.{key}")):
        problem = only(check(journey, me=me))
        assert (problem.code, problem.hint) == ("invalid_reference", hint)


@pytest.mark.parametrize("reference", ["env.nothing", "me.nothing", "secrets.NOTHING"])
def test_a_value_that_is_not_there_is_told_at_every_place(check: Checker, reference: str) -> None:
    steps = "".join(
        f"    - {{id: s{number}, request: {{url: /a, query: {{q: '{{{{ {reference} }}}}'}}}}}}\n" for number in range(5)
    )
    checked = check("  steps:\n" + steps, {"e.yaml": ENVIRONMENT}, me={}, probe=lambda _: SecretLook(reason="not set"))
    assert [str(problem.position) for problem in checked.problems] == [f"j.yaml:{line}:47" for line in range(4, 9)]


def test_a_service_that_is_not_there_is_told_at_every_step(check: Checker) -> None:
    steps = "  steps:\n" + "".join(
        f"    - {{id: s{number}, request: {{service: shp, url: /}}}}\n" for number in range(3)
    )
    found = [problem.position and problem.position.line for problem in check(steps).problems]
    assert found == [4, 5, 6]


ENVIRONMENT = "environment: {name: local, services: {shop: {base_url: 'http://x.example'}}}"
