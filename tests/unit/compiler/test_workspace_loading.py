"""Which files form a workspace, and which errors in them are reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.errors import DefinitionError, UsageError

Maker = Callable[[Mapping[str, str]], Workspace]

STEP = "steps: [{id: a, request: {url: /a}}]"


def codes(workspace: Workspace) -> list[str]:
    return [problem.code for problem in workspace.problems]


def test_a_folder_without_the_marker_is_not_a_workspace(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_workspace(tmp_path)
    assert caught.value.code == "no_workspace"


def test_a_folder_or_file_below_belongs_to_the_workspace(make_workspace: Maker) -> None:
    workspace = make_workspace({"journeys/a.yaml": f"journey: {{name: a, {STEP}}}"})
    assert load_workspace(workspace.root / "journeys" / "a.yaml").root == workspace.root


def test_all_kinds_of_definitions_are_found_in_any_file_and_folder(make_workspace: Maker) -> None:
    workspace = make_workspace(
        {
            "x/y/all.yml": f"journey: {{name: a, {STEP}}}\n---\ntemplate: {{key: t, url: /t}}\n---\n"
            "templates: [{key: u, url: /u}]\n---\ntemplates: {v: {url: /v}}\n---\ncase: {name: c, journey: a}\n---\n"
            "preset: {name: p}\noverlay: {name: o, journey: a, steps: {a: {skip: true}}}\n",
        }
    )
    assert codes(workspace) == []
    assert [definition.name for definition in workspace.definitions()] == ["a", "t", "u", "v", "local", "c", "p", "o"]


def test_hidden_folders_and_nested_workspaces_are_skipped(make_workspace: Maker) -> None:
    workspace = make_workspace(
        {
            ".reqflo/x.yaml": "journey: [",
            ".github/w.yaml": "on: push",
            "other/reqflo.yaml": "workspace: {name: other}",
            "other/j.yaml": "journey: [",
        }
    )
    assert codes(workspace) == []
    assert workspace.journeys == []


def test_a_misspelled_root_key_beside_a_valid_one_is_an_error(make_workspace: Maker) -> None:
    (problem,) = make_workspace({"a.yaml": "preset: {name: p}\njurney: {name: a}"}).problems
    assert (problem.code, problem.hint) == ("unknown_key", "did you mean `journey`?")
    assert str(problem.position) == "a.yaml:2:1"


def test_a_portable_bundle_is_refused_with_its_own_code(make_workspace: Maker) -> None:
    assert codes(make_workspace({"a.yaml": "apiVersion: reqflo.dev/v1\nkind: Journey\n"})) == ["bundle_not_supported"]


def test_a_link_out_of_the_workspace_is_refused(
    make_workspace: Maker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.yaml"
    outside.write_text("preset: {name: p}")
    workspace = make_workspace({})
    (workspace.root / "link.yaml").symlink_to(outside)
    again = load_workspace(workspace.root)
    assert codes(again) == ["path_outside_workspace"]
    assert again.presets == []


def test_errors_in_all_files_are_reported_together(make_workspace: Maker) -> None:
    workspace = make_workspace({"a.yaml": "journey: [", "b.yaml": "case: 1\ncase: 2", "reqflo.yaml": "- 1"})
    assert sorted(codes(workspace)) == ["duplicate_key", "wrong_type", "yaml_syntax"]


def test_settings_outside_the_marker_are_refused(make_workspace: Maker) -> None:
    assert codes(make_workspace({"a.yaml": "workspace: {name: b}"})) == ["wrong_value"]


def test_settings_have_defaults_and_short_forms(make_workspace: Maker) -> None:
    settings = make_workspace(
        {
            "reqflo.yaml": "workspace:\n  secrets: {source: gcp, gcp: {project: my-project}}\n"
            "  http: {read_timeout: 1.5s}\n  runner: {rate: 0.5, row_timeout: 2m}\n"
        }
    ).settings
    assert settings.secrets.project == "my-project"
    assert (settings.http.read_timeout, settings.http.connect_timeout) == (1500, 5000)
    assert (settings.runner.rate, settings.runner.row_timeout, settings.runner.workers) == (0.5, 120_000, None)
    again = make_workspace({"reqflo.yaml": "workspace: {secrets: {source: file, file: {folder: secrets}}}"}).settings
    assert again.secrets.folder == "secrets"


@pytest.mark.parametrize(
    ("settings", "code", "place"),
    [
        ("{http: {engine: curl}}", "wrong_value", "reqflo.yaml:1:28"),
        ("{http: {read_timeout: 30}}", "wrong_type", "reqflo.yaml:1:34"),
        ("{http: {read_timeout: soon}}", "wrong_value", "reqflo.yaml:1:34"),
        ("{http: {timeout: 3s}}", "unknown_key", "reqflo.yaml:1:20"),
        ('{http: {proxy: "http://me:pass@proxy"}}', "wrong_value", "reqflo.yaml:1:27"),
        ("{http: {proxy: proxy:3128}}", "wrong_value", "reqflo.yaml:1:27"),
        ("{http: {proxy: 3128}}", "wrong_type", "reqflo.yaml:1:27"),
        ("{http: {proxy: {}}}", "missing_key", "reqflo.yaml:1:27"),
        ('{http: {proxy: "http://{{ env.proxy }}"}}', "wrong_value", "reqflo.yaml:1:27"),
        ('{http: {proxy: {url: "http://me@h"}}}', "wrong_value", "reqflo.yaml:1:33"),
        ('{http: {proxy: {url: "http://h", password: hunter2}}}', "wrong_value", "reqflo.yaml:1:55"),
        ('{http: {proxy: {url: "http://h", user: me}}}', "unknown_key", "reqflo.yaml:1:45"),
        ('{http: {proxy: {url: "http://h", bypass: [a, "http://b"]}}}', "wrong_value", "reqflo.yaml:1:57"),
        ('{http: {proxy: {url: "http://h", bypass: 10.0.0.0/99}}}', "wrong_value", "reqflo.yaml:1:53"),
        ("{runner: {workers: 0}}", "wrong_value", "reqflo.yaml:1:31"),
        ("{runner: {workers: true}}", "wrong_value", "reqflo.yaml:1:31"),
        ('{runner: {workers: "3:2"}}', "wrong_value", "reqflo.yaml:1:31"),
        ("{runner: {workers: some}}", "wrong_value", "reqflo.yaml:1:31"),
        ("{http: {max_in_flight_per_host: 0}}", "wrong_value", "reqflo.yaml:1:44"),
        ("{secrets: {source: vault}}", "wrong_value", "reqflo.yaml:1:31"),
    ],
)
def test_invalid_settings_are_reported_at_their_place(
    make_workspace: Maker, settings: str, code: str, place: str
) -> None:
    (problem,) = make_workspace({"reqflo.yaml": f"workspace: {settings}"}).problems
    assert (problem.code, str(problem.position)) == (code, place)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://h:1", ("http://h:1", "", "", ())),
        ("none", ("none", "", "", ())),
        ('""', ("", "", "", ())),
        ('"http://me@h"', ("http://h", "me", "", ())),
        ('"http://a%40b:{{ secrets.P }}@h:1"', ("http://h:1", "a@b", "{{ secrets.P }}", ())),
        (
            '"https://{{ secrets.U }}:{{ secrets.P }}@[::1]"',
            ("https://[::1]", "{{ secrets.U }}", "{{ secrets.P }}", ()),
        ),
        ('{url: "http://h", bypass: "a, b"}', ("http://h", "", "", ("a, b",))),
        ('{url: "http://h", username: me, bypass: [a, .b]}', ("http://h", "me", "", ("a", ".b"))),
    ],
)
def test_a_proxy_is_a_url_or_a_mapping(make_workspace: Maker, written: str, read: tuple[object, ...]) -> None:
    files = {
        "reqflo.yaml": f"workspace: {{http: {{proxy: {written}}}}}",
        "e.yaml": f"environment: {{name: e, proxy: {written}}}",
    }
    workspace = make_workspace(files)
    environment = next(each for each in workspace.environments if each.name == "e")
    assert (workspace.problems, environment.problems) == ((), ())
    assert environment.model is not None
    for proxy in (workspace.settings.http.proxy, environment.model.proxy):
        assert proxy is not None
        assert (proxy.url, proxy.username, proxy.password, proxy.bypass) == read


@pytest.mark.parametrize(("text", "workers"), [("3", 3), ("auto", "auto"), ("2:8", "2:8")])
def test_workers_must_be_a_number_a_range_or_auto(make_workspace: Maker, text: str, workers: int | str) -> None:
    settings = make_workspace({"reqflo.yaml": f"workspace: {{runner: {{workers: {text}}}}}"}).settings
    assert settings.runner.workers == workers


def test_an_unknown_key_gets_a_suggestion_from_the_keys_of_its_place(make_workspace: Maker) -> None:
    (problem,) = make_workspace({"reqflo.yaml": "workspace: {http: {red_timeout: 3s}}"}).problems
    assert problem.hint == "did you mean `read_timeout`?"


@pytest.mark.parametrize("url", ["shop.example", "ftp://x", "http://me:secret@x", "http://x?a=b", "//x", "http://"])
def test_a_base_url_must_be_an_absolute_url_without_credentials(make_workspace: Maker, url: str) -> None:
    workspace = make_workspace({"e.yaml": f'environment: {{name: e, services: {{s: {{base_url: "{url}"}}}}}}'})
    (found,) = [definition for definition in workspace.environments if definition.name == "e"]
    assert [problem.code for problem in found.problems] == ["wrong_value"]


def test_a_mistake_in_another_definition_is_only_a_warning(make_workspace: Maker) -> None:
    workspace = make_workspace(
        {"a.yaml": f"journey: {{name: a, {STEP}}}", "b.yaml": f"journey: {{name: b, stepz: 1, {STEP}}}"}
    )
    found = compile_journey(workspace, "a").problems
    assert [(problem.code, problem.severity) for problem in found] == [("unknown_key", "warning")]
    with pytest.raises(DefinitionError) as caught:
        compile_journey(workspace, "b")
    assert [problem.code for problem in caught.value.problems] == ["unknown_key"]


def test_a_workspace_file_that_cannot_be_parsed_blocks_every_journey(make_workspace: Maker) -> None:
    workspace = make_workspace({"a.yaml": f"journey: {{name: a, {STEP}}}", "b.yaml": "journey: ["})
    with pytest.raises(DefinitionError) as caught:
        compile_journey(workspace, "a")
    assert str(caught.value.position).startswith("b.yaml:1:")


def test_a_journey_is_found_by_name_or_file(make_workspace: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace({"journeys/a.yaml": f"journey: {{name: a, {STEP}}}"})
    assert compile_journey(workspace, "a").digest == compile_journey(workspace, "journeys/a.yaml").digest
    monkeypatch.chdir(workspace.root / "journeys")
    assert compile_journey(workspace, "a.yaml").artifact.journey.name == "a"


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [
        ("plase-order", "unknown_journey", "did you mean `place-order`?"),
        ("zzz", "unknown_journey", "known: `place-order`, `twice`"),
        ("twice", "ambiguous_journey", "rename all but one"),
        ("two.yaml", "ambiguous_journey", "name one of `twice`, `twice`"),
        ("empty.yaml", "unknown_journey", "name a YAML file"),
        ("nowhere.yaml", "unknown_journey", "known: `place-order`, `twice`"),
    ],
)
def test_an_unknown_or_ambiguous_journey_is_refused_with_the_known_names(
    make_workspace: Maker, name: str, code: str, hint: str
) -> None:
    workspace = make_workspace(
        {
            "one.yaml": f"journey: {{name: place-order, {STEP}}}",
            "two.yaml": f"journey: {{name: twice, {STEP}}}\n---\njourney: {{name: twice, {STEP}}}",
            "empty.yaml": "preset: {name: p}",
        }
    )
    with pytest.raises(DefinitionError) as caught:
        compile_journey(workspace, name)
    assert caught.value.code == code
    assert caught.value.hint.startswith(hint)
