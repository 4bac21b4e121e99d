from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from reqflo_ray._internal.engine.program import prepare
from reqflo_ray._internal.engine.render import render_request
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.model.artifact import Artifact, HttpStep, SetVariableStep, Variable, canonical_bytes, decode
from reqflo_ray._internal.model.plan import Environment, Row, RunRecord
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import Literal, Namespace, Node, Reference, StepReference, Text

Ref = Callable[[str], Reference]
NodeOf = Callable[[str], Node]


def test_an_artifact_means_the_same_after_it_was_stored(
    reference_artifact: Artifact, run_record: Callable[..., RunRecord]
) -> None:
    row = Row(index=0, key="", values={"order_ref": "r", "customer_id": "c", "total": 198.7})
    fingerprints = set()
    for artifact in (reference_artifact, decode(canonical_bytes(reference_artifact))):
        program = prepare(artifact, run_record())
        scope = Scope(program, row)
        scope.conclude("token", Status.PASSED, {"outputs.access_token": "t"})
        fingerprints.add(render_request(program.steps[1], scope, {}).fingerprint)
    assert len(fingerprints) == 1


def test_secrets_are_found_through_variables_environment_and_assignments(
    reference_artifact: Artifact, run_record: Callable[..., RunRecord], ref: Ref, node_of: NodeOf
) -> None:
    assign = SetVariableStep(id="set", values=(("assigned", node_of("{{ secrets.C }}")),))
    reference = reference_artifact.steps[1]
    assert isinstance(reference, HttpStep)
    create = msgspec.structs.replace(
        reference,
        request=msgspec.structs.replace(
            reference.request,
            headers=(("A", ref("variables.declared")), ("B", ref("variables.assigned")), ("C", ref("env.key"))),
        ),
    )
    artifact = msgspec.structs.replace(
        reference_artifact,
        variables=(Variable(name="declared", default=node_of("{{ secrets.A }}")), Variable(name="assigned")),
        steps=(assign, create),
    )
    run = run_record(environment=Environment(values={"key": node_of("{{ secrets.B }}")}))
    program = prepare(artifact, run)
    assert program.steps[0].secrets == ("C",)
    assert program.steps[1].secrets == ("A", "B", "C")
    assert program.steps[1].needs == ("variables.assigned",)
    assert program.assigned_secrets == {"assigned": ("C",)}


def test_what_a_step_needs_goes_through_variables(
    run_record: Callable[..., RunRecord], ref: Ref, reference_artifact: Artifact
) -> None:
    default = Text(("Bearer ", StepReference("token", "outputs.access_token")))
    note = SetVariableStep(id="set", values=(("x", ref("variables.auth")),))
    artifact = msgspec.structs.replace(
        reference_artifact,
        variables=(Variable(name="auth", default=default),),
        steps=(reference_artifact.steps[0], note),
    )
    program = prepare(artifact, run_record())
    assert program.steps[1].needs == ("steps.token.outputs.access_token",)
    assert program.tainted == frozenset({"variables.x"})


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_cycle_of_definitions_does_not_hang_the_preparation(
    names: tuple[str, ...], reference_artifact: Artifact, run_record: Callable[..., RunRecord]
) -> None:
    following = (*names[1:], names[0])
    variables = tuple(
        Variable(name=name, default=Reference(Namespace.VARIABLES, target))
        for name, target in zip(names, following, strict=True)
    )
    artifact = msgspec.structs.replace(
        reference_artifact,
        variables=variables,
        steps=(SetVariableStep(id="s", values=(("z", Reference(Namespace.VARIABLES, "a")), ("y", Literal(1)))),),
    )
    assert prepare(artifact, run_record()).steps[0].secrets == ()
