"""`check`, `compile`, `schema` and `init`: what is asked of a workspace before anything runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fake_api import FakeApi
from schema_check import need_accepted
from screens import CommandLine

import reqflo_ray
from reqflo_ray import Compilation, Dataset, Journey
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.errors import Problem


def test_check_says_ok_on_standard_output(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = ()
    answer = command_line("check", "place-order", "--env", "local", "--set", "a=1", "--strict")
    assert (answer.code, answer.out, answer.err) == (0, "ok: place-order can run\n", "")
    assert api.request().journey == Journey("place-order", environment="local", overrides={"a": "1"})
    assert api.request().data == Dataset(None, strict=True)


def test_check_with_warnings_only_is_ok(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = (Problem(code="undeclared_column", message="column `x`").as_warning(),)
    answer = command_line("check", "place-order")
    assert (answer.code, answer.out) == (0, "ok: place-order can run (1 warning)\n")
    assert answer.err == "warning[undeclared_column]: column `x`\n"


def test_check_with_errors_exits_2_and_shows_all(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = (Problem(code="a", message="one"), Problem(code="b", message="two"))
    answer = command_line("check", "place-order")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error[a]: one\n\nerror[b]: two\n\n2 errors\n"


def test_check_as_json_lists_the_problems(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = (Problem(code="a", message="one"),)
    answer = command_line("check", "place-order", "--json")
    assert answer.code == 2
    assert answer.json["ok"] is False
    assert answer.json["problems"][0]["code"] == "a"


def test_compile_prints_the_digest_and_writes_canonical_bytes(
    command_line: CommandLine, api: FakeApi, tmp_path: Path
) -> None:
    from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity, canonical_bytes, digest

    artifact = Artifact(journey=JourneyIdentity(name="place-order"))
    api.answer = Compilation(artifact=artifact, workspace=Workspace(root=tmp_path))
    path = tmp_path / "artifact.json"
    answer = command_line("compile", "place-order", "--overlay", "x", "-o", str(path))
    assert answer.out == digest(artifact) + "\n"
    assert path.read_bytes() == canonical_bytes(artifact)
    assert api.calls == [("compile", (Journey("place-order", overlays=("x",)),), {"outputs": [path]})]


def test_compile_needs_a_journey(command_line: CommandLine, api: FakeApi) -> None:
    answer = command_line("compile")
    assert answer.code == 2
    assert "JOURNEY" in answer.err


def test_schema_is_json(command_line: CommandLine, api: FakeApi) -> None:
    api.answer = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    assert command_line("schema").json == api.answer


def test_init_makes_a_workspace_and_says_what_to_do_next(command_line: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "my shop"
    answer = command_line("init", str(folder))
    assert answer.code == 0
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "data/orders.csv",
        "environments/environments.yaml",
        "journeys/place-order.yaml",
        "reqflo.schema.json",
        "reqflo.yaml",
        "templates/shop-api.yaml",
    ]
    assert len(answer.out.splitlines()) == 6
    assert f"cd '{folder}'" in answer.err
    assert "reqflo-ray run place-order --data data/orders.csv --key order_ref" in answer.err


def test_the_workspace_of_init_compiles_without_a_warning(command_line: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("reqflo_ray._internal.compiler.compile", reason="the compiler is not there")
    from reqflo_ray._internal.compiler.compile import compile_journey
    from reqflo_ray._internal.compiler.workspace.load import load_workspace

    command_line("init", str(tmp_path))
    compilation = compile_journey(load_workspace(tmp_path), "place-order")
    assert compilation.problems == ()
    assert [step.id for step in compilation.artifact.steps] == ["token", "create", "read"]


def test_every_yaml_file_of_init_names_the_schema_beside_it(command_line: CommandLine, tmp_path: Path) -> None:
    command_line("init", str(tmp_path))
    assert json.loads((tmp_path / "reqflo.schema.json").read_text()) == reqflo_ray.schema()
    files = list(tmp_path.rglob("*.yaml"))
    assert len(files) == 4
    for file in files:
        modeline = file.read_text().splitlines()[0]
        named = modeline.removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / named).samefile(tmp_path / "reqflo.schema.json")
        need_accepted([file])


def test_the_command_that_updates_the_schema_prints_what_init_wrote(command_line: CommandLine, tmp_path: Path) -> None:
    command_line("init", str(tmp_path))
    assert command_line("schema").out == (tmp_path / "reqflo.schema.json").read_text()


def test_init_overwrites_nothing(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "reqflo.yaml").write_text("mine")
    answer = command_line("init", str(tmp_path))
    assert answer.code == 2
    assert "error[workspace_exists]" in answer.err
    assert (tmp_path / "reqflo.yaml").read_text() == "mine"
    assert os.listdir(tmp_path) == ["reqflo.yaml"]


def test_init_into_a_place_that_is_a_file_is_refused(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = command_line("init", str(tmp_path / "file"))
    assert answer.code == 2
    assert "error[output_not_writable]" in answer.err
