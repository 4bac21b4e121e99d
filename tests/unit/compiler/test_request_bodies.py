"""Request bodies of all kinds, and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from reqflo_ray._internal.compiler.compile import Compilation, compile_journey
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.errors import DefinitionError, Problem
from reqflo_ray._internal.model.artifact import Body, BodyKind, HttpStep, MultipartPart
from reqflo_ray._internal.model.values import Literal, Namespace, ObjectNode, Reference, Text

Compiler = Callable[..., Compilation]
OnlyProblem = Callable[..., Problem]
Maker = Callable[[Mapping[str, str]], Workspace]

X = Reference(Namespace.INPUTS, "x")


def journey(body: str) -> str:
    step = f"{{id: a, request: {{method: POST, url: /a, body: {body}}}}}"
    return f"journey:\n  name: j\n  inputs: [{{name: x}}]\n  steps:\n    - {step}\n"


def body_of(compilation: Compilation) -> Body | None:
    (step,) = compilation.artifact.steps
    assert isinstance(step, HttpStep)
    return step.request.body


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ("{json: {a: 1, b: [x]}}", Body(kind=BodyKind.JSON, value=Literal({"a": 1, "b": ["x"]}))),
        ("{json: null}", Body(kind=BodyKind.JSON, value=Literal(None))),
        ("{json: 1.50}", Body(kind=BodyKind.JSON, value=Literal(Decimal("1.50")))),
        ('{json: "{{ inputs.x }}"}', Body(kind=BodyKind.JSON, value=X)),
        ('{form: {a: "{{ inputs.x }}"}}', Body(kind=BodyKind.FORM, value=ObjectNode((("a", X),)))),
        ('{text: "a {{ inputs.x }}"}', Body(kind=BodyKind.TEXT, value=Text(("a ", X)))),
        ("{text: a, content_type: text/csv}", Body(kind=BodyKind.TEXT, value=Literal("a"), content_type="text/csv")),
        (
            '{multipart: {a: 1, b: {value: "{{ inputs.x }}", content_type: text/x}}}',
            Body(
                kind=BodyKind.MULTIPART,
                parts=(
                    MultipartPart(name="a", value=Literal(1)),
                    MultipartPart(name="b", value=X, content_type="text/x"),
                ),
            ),
        ),
        (
            "{multipart: [{name: a, value: 1}, {name: a, value: 2}]}",
            Body(
                kind=BodyKind.MULTIPART,
                parts=(MultipartPart(name="a", value=Literal(1)), MultipartPart(name="a", value=Literal(2))),
            ),
        ),
    ],
)
def test_a_body_is_compiled_with_its_kind(compiled: Compiler, written: str, body: Body) -> None:
    assert body_of(compiled(journey(written))) == body


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{}", "invalid_template"),
        ("{json: {}, text: a}", "invalid_template"),
        ("{jsn: {}}", "unknown_key"),
        ("{text: 12}", "wrong_type"),
        ("{form: [1]}", "wrong_type"),
        ("{multipart: [{name: a}]}", "invalid_template"),
        ("{multipart: [{name: a, value: 1, file: x}]}", "invalid_template"),
        ("{file: missing.bin}", "file_not_found"),
        ("{file: /etc/hostname}", "path_outside_workspace"),
        ("{file: ../../etc/passwd}", "path_outside_workspace"),
        ("{file: environments.yaml/x}", "file_not_found"),
        ('{json: {"{{ inputs.x }}": 1}}', "invalid_expression"),
    ],
)
def test_a_body_that_cannot_be_sent_is_refused(only_problem: OnlyProblem, written: str, code: str) -> None:
    assert only_problem(journey(written)).code == code


def test_files_are_in_the_artifact_under_their_paths(make_workspace: Maker) -> None:
    workspace = make_workspace(
        {"j.yaml": journey("{multipart: {f: {file: data/../data/a.bin, filename: b}}}"), "data/a.bin": "bytes"}
    )
    compilation = compile_journey(workspace, "j")
    assert compilation.artifact.files == {"data/a.bin": b"bytes"}
    body = body_of(compilation)
    assert body is not None
    assert body.parts == (MultipartPart(name="f", file="data/a.bin", filename="b"),)


def test_a_link_out_of_the_workspace_is_not_followed(make_workspace: Maker, tmp_path: Path) -> None:
    workspace = make_workspace({"j.yaml": journey("{file: link.bin}")})
    (workspace.root / "link.bin").symlink_to("/etc/hostname")
    with pytest.raises(DefinitionError) as caught:
        compile_journey(load_workspace(tmp_path), "j")
    assert caught.value.code == "path_outside_workspace"


def test_a_file_that_is_too_large_is_refused(make_workspace: Maker) -> None:
    workspace = make_workspace({"j.yaml": journey("{file: big.bin}")})
    with (workspace.root / "big.bin").open("wb") as file:
        file.truncate(8 * 2**20 + 1)
    with pytest.raises(DefinitionError) as caught:
        compile_journey(workspace, "j")
    assert caught.value.code == "file_too_large"


def test_the_contents_of_a_file_change_the_digest(make_workspace: Maker) -> None:
    first = compile_journey(make_workspace({"j.yaml": journey("{file: a.bin}"), "a.bin": "1"}), "j").digest
    second = compile_journey(make_workspace({"j.yaml": journey("{file: a.bin}"), "a.bin": "2"}), "j").digest
    assert first != second


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("body: {form: {a: 1}}", Body(kind=BodyKind.FORM, value=Literal({"a": 1, "v": 2}))),
        (
            "body: {multipart: {a: 1}}",
            Body(
                kind=BodyKind.MULTIPART,
                parts=(MultipartPart(name="a", value=Literal(1)), MultipartPart(name="v", value=Literal(2))),
            ),
        ),
        ("tags: []", Body(kind=BodyKind.JSON, value=Literal({"v": 2}))),
    ],
)
def test_a_body_value_becomes_a_field_of_the_body(compiled: Compiler, body: str, expected: Body) -> None:
    template = f"template: {{key: t, method: POST, url: /a, {body}, values: [{{name: v, in: body}}]}}"
    text = "journey: {name: j, steps: [{id: a, template: t, values: {v: 2}}]}"
    assert body_of(compiled(text, t=template)) == expected


def test_a_value_cannot_be_inserted_into_a_text_body(only_problem: OnlyProblem) -> None:
    template = "template: {key: t, method: POST, url: /a, body: {text: x}, values: [{name: v, in: body}]}"
    problem = only_problem("journey: {name: j, steps: [{id: a, template: t, values: {v: 2}}]}", t=template)
    assert problem.code == "invalid_template"


def test_optional_body_values_that_are_not_set_make_no_body(compiled: Compiler) -> None:
    template = "template: {key: t, method: POST, url: /a, values: [{name: v, in: body}]}"
    assert body_of(compiled("journey: {name: j, steps: [{id: a, template: t}]}", t=template)) is None
