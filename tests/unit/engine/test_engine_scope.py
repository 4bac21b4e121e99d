from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reqflo_ray._internal.engine.scope import RowFault, Scope
from reqflo_ray._internal.model.artifact import Capture, CaptureRoot, Input, SetVariableStep, Variable, VariableSource
from reqflo_ray._internal.model.plan import Environment, InputSource, InputValue, Service
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import (
    UNSET,
    Literal,
    Namespace,
    Node,
    ObjectNode,
    Reference,
    StepReference,
    ValueType,
)

MakeScope = Callable[..., Scope]
NodeOf = Callable[[str], Node]
Ref = Callable[[str], Reference]


def given_value(node: Node) -> InputValue:
    return InputValue(node=node, source=InputSource.SET)


SOURCES = ("row", "given", "own", "default", "environment")


@given(present=st.sets(st.sampled_from(SOURCES)), kind=st.sampled_from(["input", "variable", "environment", "me"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_highest_source_that_is_there_always_wins(make_scope: MakeScope, present: set[str], kind: str) -> None:
    default = Literal("default") if "default" in present else None
    values: dict[str, Node] = {}
    if "environment" in present:
        values["x"] = Literal("environment")
    if "own" in present:
        values["key"] = Literal("own")
    declared: dict[str, Any]
    if kind == "input":
        declared, namespace = {"inputs": (Input(name="x", default=default),)}, Namespace.INPUTS
    else:
        source = {"environment": VariableSource.ENVIRONMENT, "me": VariableSource.ME}.get(
            kind, VariableSource.DECLARATION
        )
        declared = {"variables": (Variable(name="x", source=source, key="key", default=default),)}
        namespace = Namespace.VARIABLES
    scope = make_scope(
        **declared,
        row={"x": "row"} if "row" in present else {},
        given={"x": given_value(Literal("given"))} if "given" in present else {},
        environment=Environment(values=values),
        me={"key": "own"} if "own" in present else {},
    )
    chain = [name for name in SOURCES if name in present and (name != "own" or kind in ("environment", "me"))]
    found = scope.resolve(Reference(namespace, "x"))
    assert found.value == (chain[0] if chain else UNSET)
    assert found.masked is found.value
    assert (f"{namespace}.x" in scope.unset) is (not chain)


def test_null_in_the_row_is_a_value(make_scope: MakeScope, ref: Ref) -> None:
    scope = make_scope(inputs=(Input(name="x", default=Literal("d")),), row={"x": None})
    assert scope.resolve(ref("inputs.x")).value is None


def test_a_required_value_that_nobody_supplies_is_missing(make_scope: MakeScope, ref: Ref) -> None:
    scope = make_scope(inputs=(Input(name="x", required=True),))
    with pytest.raises(RowFault, match=r"missing_value: `inputs\.x`"):
        scope.resolve(ref("inputs.x"))


def test_a_name_that_nobody_declares_is_missing(make_scope: MakeScope, ref: Ref) -> None:
    with pytest.raises(RowFault, match=r"missing_value: `variables\.y`"):
        make_scope().resolve(ref("variables.y"))


def test_what_the_environment_or_me_says_is_converted_to_the_declared_type(make_scope: MakeScope, ref: Ref) -> None:
    scope = make_scope(
        variables=(
            Variable(name="limit", source=VariableSource.ENVIRONMENT, type=ValueType.INTEGER),
            Variable(name="rate", source=VariableSource.ME, type=ValueType.NUMBER),
            Variable(name="tags", type=ValueType.JSON, default=Literal('["a"]')),
            Variable(name="word", type=ValueType.JSON, default=Literal("just text")),
        ),
        environment=Environment(values={"limit": Literal("10")}),
        me={"rate": "0.50"},
    )
    assert scope.resolve(ref("variables.limit")).value == 10
    assert scope.resolve(ref("variables.rate")).value == Decimal("0.50")
    assert scope.resolve(ref("variables.tags")).value == ["a"]
    assert scope.resolve(ref("variables.word")).value == "just text"


def test_a_value_of_the_wrong_type_is_a_fault_that_quotes_it(make_scope: MakeScope, ref: Ref, node_of: NodeOf) -> None:
    scope = make_scope(
        inputs=(Input(name="n", type=ValueType.INTEGER),),
        given={"n": given_value(node_of("{{ env.n }}"))},
        environment=Environment(values={"n": Literal("1.5")}),
    )
    with pytest.raises(RowFault, match=r"invalid_value: `inputs.n`: `1.5` is not an integer"):
        scope.resolve(ref("inputs.n"))


def test_a_secret_of_the_wrong_type_is_a_fault_that_does_not_quote_it(
    make_scope: MakeScope, ref: Ref, node_of: NodeOf
) -> None:
    scope = make_scope(
        inputs=(Input(name="n", type=ValueType.INTEGER, default=node_of("{{ secrets.N }}")),),
        secrets={"N": "hunter2"},
    )
    with pytest.raises(RowFault, match="invalid_value") as caught:
        scope.resolve(ref("inputs.n"))
    assert "hunter2" not in str(caught.value)


def test_services_and_values_of_the_environment_are_reached_by_name(make_scope: MakeScope, ref: Ref) -> None:
    scope = make_scope(
        environment=Environment(
            services={
                "shop-api": Service(base_url=Literal("http://h"), config={"v": ObjectNode((("a", Literal(1)),))})
            },
            values={"region": Literal("eu")},
        )
    )
    assert scope.resolve(ref("env.region")).value == "eu"
    assert scope.resolve(ref("env.shop-api.v")).value == {"a": 1}
    assert scope.resolve(ref("env.shop-api.v.a")).value == 1
    assert scope.resolve(ref("env.shop-api.other")).value is UNSET
    assert scope.resolve(ref("env.shop-api")).value is UNSET
    assert scope.resolve(ref("env.nothing.at.all")).value is UNSET


def test_run_row_and_me_have_values_of_their_own(make_scope: MakeScope, ref: Ref) -> None:
    scope = make_scope(me={"user": "ada"})
    found = [scope.resolve(ref(text)).value for text in ("run.id", "row.index", "row.key", "me.user", "me.x", "run.x")]
    assert found == ["run-1", 3, "k3", "ada", UNSET, UNSET]


def test_a_path_into_a_value_finds_what_is_there_or_nothing(make_scope: MakeScope) -> None:
    scope = make_scope(inputs=(Input(name="a"),), row={"a": {"b": [{"c": None}]}})

    def find(*path: str | int) -> Any:
        return scope.resolve(Reference(Namespace.INPUTS, "a", path)).value

    assert find("b", 0, "c") is None
    assert find("b", 1) is UNSET
    assert find("b", "0") is UNSET
    assert find("b", 0, "c", "d") is UNSET


def test_values_that_are_defined_by_themselves_are_a_fault(make_scope: MakeScope, ref: Ref, node_of: NodeOf) -> None:
    scope = make_scope(
        variables=(
            Variable(name="a", default=node_of("{{ variables.b }}!")),
            Variable(name="b", default=node_of("{{ variables.a }}?")),
        )
    )
    with pytest.raises(RowFault, match="reference_cycle"):
        scope.resolve(ref("variables.a"))


def test_an_environment_that_is_defined_by_itself_is_a_fault(make_scope: MakeScope, ref: Ref, node_of: NodeOf) -> None:
    scope = make_scope(environment=Environment(values={"a": node_of("x{{ env.a }}")}))
    with pytest.raises(RowFault, match="reference_cycle"):
        scope.resolve(ref("env.a"))


def test_text_with_a_part_that_is_unset_is_a_fault(make_scope: MakeScope, ref: Ref, node_of: NodeOf) -> None:
    scope = make_scope(inputs=(Input(name="a"),), variables=(Variable(name="t", default=node_of("a {{ inputs.a }}")),))
    with pytest.raises(RowFault, match=r"missing_value: `inputs\.a`"):
        scope.resolve(ref("variables.t"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "<x>"), (None, "<null>"), (True, "<true>"), (False, "<false>"), (7, "<7>"), (198.72, "<198.72>"),
        (Decimal("198.70"), "<198.70>"), (1e22, "<1e+22>"), ([1, "a"], '<[1,"a"]>'), ({"a": None}, '<{"a":null}>'),
    ],
)  # fmt: skip
def test_inside_of_text_values_are_written_as_json_writes_them(
    make_scope: MakeScope, ref: Ref, node_of: NodeOf, value: Any, text: str
) -> None:
    scope = make_scope(
        inputs=(Input(name="a"),),
        variables=(Variable(name="t", default=node_of("<{{ inputs.a }}>")),),
        row={"a": value},
    )
    assert scope.resolve(ref("variables.t")).value == text


def test_data_is_never_read_as_a_template(make_scope: MakeScope, ref: Ref, node_of: NodeOf) -> None:
    scope = make_scope(
        inputs=(Input(name="a"),),
        variables=(Variable(name="t", default=node_of("<{{ inputs.a }}>")),),
        row={"a": "{{ secrets.X }}"},
        secrets={"X": "hunter2"},
    )
    assert scope.resolve(ref("variables.t")).value == "<{{ secrets.X }}>"


def test_a_sensitive_input_is_masked_and_noted_with_all_its_parts(make_scope: MakeScope, ref: Ref) -> None:
    scope = make_scope(
        inputs=(Input(name="card", sensitive=True),),
        row={"card": {"number": "4111", "cvc": 123, "valid": True, "note": None, "tags": ["gold", ""]}},
    )
    assert scope.resolve(ref("inputs.card")).masked == "[sensitive:inputs.card]"
    assert scope.resolve(ref("inputs.card.number")).masked == "[sensitive:inputs.card.number]"
    assert {("inputs.card.number", "4111"), ("inputs.card.cvc", "123"), ("inputs.card.tags.0", "gold")} == set(
        scope.take_sensitive()
    )
    assert scope.take_sensitive() == []
    assert scope.inputs() == {"card": "[sensitive:inputs.card]"}


def test_what_is_made_of_something_sensitive_is_masked_in_that_part_only(
    make_scope: MakeScope, ref: Ref, node_of: NodeOf
) -> None:
    scope = make_scope(
        inputs=(Input(name="pin", sensitive=True), Input(name="name")),
        variables=(
            Variable(
                name="login",
                default=ObjectNode((("who", ref("inputs.name")), ("with", node_of("pin={{ inputs.pin }}")))),
            ),
        ),
        row={"pin": "90210", "name": "ada"},
    )
    found = scope.resolve(ref("variables.login"))
    assert found.value == {"who": "ada", "with": "pin=90210"}
    assert found.masked == {"who": "ada", "with": "pin=[sensitive:inputs.pin]"}
    assert scope.resolve(ref("variables.login.with")).masked == "pin=[sensitive:inputs.pin]"
    assert scope.resolve(ref("variables.login.who")).masked == "ada"
    noted = dict(scope.take_sensitive())
    assert noted["inputs.pin"] == "90210"
    assert "ada" not in noted.values()


def test_a_secret_in_a_variable_keeps_its_name_and_parts_of_json_are_noted(
    make_scope: MakeScope, ref: Ref, node_of: NodeOf
) -> None:
    scope = make_scope(
        variables=(
            Variable(name="auth", default=node_of("Basic {{ secrets.A }}")),
            Variable(name="config", type=ValueType.JSON, default=node_of("{{ secrets.B }}")),
        ),
        secrets={"A": "aaaa", "B": '{"password": "pppp"}'},
    )
    auth = scope.resolve(ref("variables.auth"))
    assert (auth.value, auth.masked, auth.secrets) == ("Basic aaaa", "Basic {{ secrets.A }}", ("A",))
    password = scope.resolve(ref("variables.config.password"))
    assert (password.value, password.secrets) == ("pppp", ("B",))
    assert "pppp" not in str(password.masked)
    assert "pppp" in dict(scope.take_sensitive()).values()
    assert "pppp" not in repr(password)


def test_a_secret_that_was_not_loaded_is_unavailable(make_scope: MakeScope, ref: Ref) -> None:
    with pytest.raises(RowFault, match=r"secret_unavailable: .*secrets\.X"):
        make_scope().resolve(ref("secrets.X"))


def test_an_assigned_variable_beats_all_sources_and_its_dependants_follow(
    make_scope: MakeScope, ref: Ref, node_of: NodeOf
) -> None:
    step = SetVariableStep(id="set", values=(("a", Literal("new")),))
    scope = make_scope(
        step,
        variables=(Variable(name="a"), Variable(name="b", default=node_of("b-{{ variables.a }}"))),
        row={"a": "row"},
    )
    assert scope.resolve(ref("variables.b")).value == "b-row"
    scope.assign({"a": "new", "undeclared": 1})
    assert scope.resolve(ref("variables.a")).value == "new"
    assert scope.resolve(ref("variables.b")).value == "b-new"
    assert scope.resolve(ref("variables.undeclared")).value == 1


def test_an_assigned_value_is_converted_to_the_declared_type(make_scope: MakeScope, ref: Ref) -> None:
    scope = make_scope(variables=(Variable(name="n", type=ValueType.INTEGER),))
    scope.assign({"n": "12"})
    assert scope.resolve(ref("variables.n")).value == 12
    with pytest.raises(RowFault, match="invalid_value"):
        scope.assign({"n": "x"})


def test_a_secret_that_was_assigned_to_a_variable_is_still_hidden_and_named(
    make_scope: MakeScope, ref: Ref, node_of: NodeOf
) -> None:
    step = SetVariableStep(id="set", values=(("a", node_of("Bearer {{ secrets.X }}")),))
    scope = make_scope(step, variables=(Variable(name="a"),), secrets={"X": "hunter2"})
    scope.assign({"a": "Bearer hunter2"})
    found = scope.resolve(ref("variables.a"))
    assert (found.masked, found.secrets) == ("[sensitive:variables.a]", ("X",))
    assert ("variables.a", "Bearer hunter2") in scope.take_sensitive()


def test_captures_of_a_step_that_passed_are_found_and_those_left_out_are_unset(make_scope: MakeScope) -> None:
    scope = make_scope()
    with pytest.raises(RowFault, match=r"unresolved_dependency.*has not run"):
        scope.resolve(StepReference("s", "body.a"))
    scope.conclude("s", Status.PASSED, {"body.a": [1]})
    assert scope.resolve(StepReference("s", "body.a")).value == [1]
    assert scope.resolve(StepReference("s", "body.b")).value is UNSET
    scope.conclude("s", Status.PASSED, {"body.a": [2]})
    assert scope.resolve(StepReference("s", "body.a")).value == [2]


def test_a_capture_that_is_declared_sensitive_is_masked_and_noted(
    make_scope: MakeScope, make_step: Callable[..., Any]
) -> None:
    capture = Capture(key="body.pin", root=CaptureRoot.BODY, path=("pin",), sensitive=True)
    scope = make_scope(make_step(captures=(capture,)))
    scope.conclude("s", Status.PASSED, {"body.pin": "90210"})
    assert scope.take_sensitive() == [("steps.s.body.pin", "90210")]
    assert scope.resolve(StepReference("s", "body.pin")).masked == "[sensitive:steps.s.body.pin]"


def test_inputs_that_cannot_be_had_are_not_shown(make_scope: MakeScope) -> None:
    scope = make_scope(
        inputs=(Input(name="a", required=True), Input(name="b"), Input(name="c", default=Literal(1))),
        variables=(Variable(name="v", default=Literal(2)),),
    )
    assert scope.inputs() == {"c": 1}
