"""The example `orders` is the reference of the format: it compiles unchanged, to the same bytes anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reqflo_ray._internal.compiler.compile import Compilation, compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.artifact import (
    Capture,
    CaptureRoot,
    HttpStep,
    NoteStep,
    OnInterrupt,
    canonical_bytes,
    decode,
)
from reqflo_ray._internal.model.values import Literal, Namespace, ObjectNode, Reference, StepReference, Text

ORDERS = Path(__file__).parents[3] / "examples" / "orders"


def compiled(*overlays: str) -> Compilation:
    return compile_journey(load_workspace(ORDERS), "place-order", overlays)


def test_the_example_compiles_without_findings() -> None:
    assert compiled().problems == ()
    assert compiled("no-token").problems == ()


def test_templates_are_inlined_with_their_values() -> None:
    _, create, read = compiled().artifact.steps
    assert isinstance(create, HttpStep)
    assert isinstance(read, HttpStep)
    token = StepReference("token", "outputs.access_token")
    assert create.request.headers == (("Authorization", Text(("Bearer ", token))),)
    assert create.request.body is not None
    assert isinstance(create.request.body.value, ObjectNode)
    assert [name for name, _ in create.request.body.value.fields] == ["customer_id", "total", "sku", "qty"]
    assert read.request.path == ("/orders/", StepReference("create", "outputs.order_id"))
    assert read.request.headers[1] == ("Accept", Literal("application/json"))


def test_template_assertions_precede_those_of_the_step() -> None:
    read = compiled().artifact.steps[2]
    assert isinstance(read, HttpStep)
    assert [assertion.origin for assertion in read.assertions] == ["template", "step", "step", "step"]
    assert read.assertions[3].expected == Literal(2000)
    assert read.assertions[3].soft


def test_steps_keep_the_values_that_later_steps_read() -> None:
    token, create, read = compiled().artifact.steps
    assert isinstance(token, HttpStep)
    assert isinstance(create, HttpStep)
    assert isinstance(read, HttpStep)
    assert token.captures == (
        Capture(key="outputs.access_token", root=CaptureRoot.OUTPUTS, path=("access_token",), sensitive=True),
    )
    assert [capture.key for capture in create.captures] == ["outputs.order_id"]
    assert read.captures == ()


def test_the_default_of_on_interrupt_follows_method_and_key() -> None:
    steps = [step for step in compiled().artifact.steps if isinstance(step, HttpStep)]
    assert [step.on_interrupt for step in steps] == [OnInterrupt.RESEND] * 3
    without_key = compiled("no-token").artifact.steps[1]
    assert isinstance(without_key, HttpStep)
    assert without_key.on_interrupt is OnInterrupt.FAIL


def test_the_example_requires_its_service_and_its_secret() -> None:
    requires = compiled().artifact.requires
    assert (requires.services, requires.secrets) == (("shop-api",), ("SHOP_CLIENT_SECRET",))


def test_the_overlay_skips_replaces_and_needs_no_secret() -> None:
    artifact = compiled("no-token").artifact
    token, create, read = artifact.steps
    assert isinstance(token, NoteStep)
    assert isinstance(read, NoteStep)
    assert token.skip
    assert read.skip
    assert isinstance(create, HttpStep)
    assert create.request.headers == (("Authorization", Literal("Bearer nonsense")),)
    assert [assertion.expected for assertion in create.assertions] == [Literal(401)]
    assert create.outputs == ()
    assert create.idempotency is None
    assert create.retry.count == 2
    assert artifact.requires.secrets == ()
    assert artifact.journey.overlays == ("no-token",)


def test_every_step_has_the_place_where_it_is_written() -> None:
    assert compiled().sources == {
        "token": "journeys/place-order.yaml:20",
        "create": "journeys/place-order.yaml:30",
        "read": "journeys/place-order.yaml:49",
    }


def test_the_same_source_compiles_to_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "deep"
    shutil.copytree(ORDERS, copy)
    other = compile_journey(load_workspace(copy), "place-order")
    assert canonical_bytes(other.artifact) == canonical_bytes(compiled().artifact)
    assert other.digest == compiled().digest
    assert str(tmp_path).encode() not in canonical_bytes(other.artifact)


def test_an_artifact_is_read_back_unchanged() -> None:
    artifact = compiled().artifact
    assert decode(canonical_bytes(artifact)) == artifact


def test_comments_and_the_order_of_keys_do_not_change_the_artifact(tmp_path: Path) -> None:
    shutil.copytree(ORDERS, tmp_path / "copy")
    file = tmp_path / "copy" / "journeys" / "place-order.yaml"
    text = file.read_text().replace("  name: place-order\n", "", 1).replace("journey:\n", "journey:\n  # a remark\n", 1)
    file.write_text(text + "\n  name: place-order\n")
    assert compile_journey(load_workspace(tmp_path / "copy"), "place-order").digest == compiled().digest


def test_an_input_is_referenced_by_name() -> None:
    create = compiled().artifact.steps[1]
    assert isinstance(create, HttpStep)
    assert create.assertions[2].expected == Reference(Namespace.INPUTS, "customer_id")


def test_an_unknown_overlay_is_refused_with_the_known_names() -> None:
    with pytest.raises(DefinitionError) as caught:
        compiled("no-tokn")
    assert (caught.value.code, caught.value.hint) == ("unknown_overlay", "did you mean `no-token`?")
