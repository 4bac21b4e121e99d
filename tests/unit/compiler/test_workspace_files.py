"""Which files of a folder belong to a workspace; all others never block a journey."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.files import Selection, may_hold_ours, was_meant
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.errors import DefinitionError, UsageError

Maker = Callable[[Mapping[str, str]], Workspace]

JOURNEY = "journey: {name: a, steps: [{id: a, request: {url: /a}}]}"
FOREIGN = {
    "cfn.yaml": "Resources:\n  Queue:\n    Properties:\n      environment: !Ref Stage\n",
    "charts/templates/deployment.yaml": "{{- if .Values.on }}\nspec:\n  template:\n    {{ include x }}\n{{- end }}\n",
    "compose.yml": "services: {db: {image: x, environment: {A: b}}}\n",
    "openapi.yaml": "openapi: 3.1.0\npaths: {}\n",
    "list.yaml": "- template: x\n- case: y\n",
    "twice.yaml": "a: 1\na: 2\nb: {template: x}\n",
    "scalar.yaml": "just text that says template: twice: over\n",
    "tabs.yaml": "jobs:\n\ttemplate: x\n",
    "nested.yaml": "template" + "[" * 5000 + "\nb: {case: 1}\n",
    "bomb.yaml": "a: &a [x, x]\nb: &b [*a, *a]\nc: {case: [" + "*b, " * 200 + "]}\n",
    "large.yaml": "a: {template: 1}\n" + "# filler\n" * 130_000,
    "many.yaml": "---\na: {template: 1}\n" * 1100,
    "several.yaml": "kind: Deployment\nspec: {template: {}}\n---\n{{ .Values.more }}: [\n",
    "sops.yaml": "data: !!binary aGVsbG8=\nspec: {case: x}\n",
}
_DEPTH = 400


def codes(workspace: Workspace) -> list[tuple[str, str]]:
    return [(problem.severity.value, problem.code) for problem in workspace.problems]


def load_with(make_workspace: Maker, **files: bytes) -> Workspace:
    """Return a workspace with the journey `a` and these files, with `_` for a dot in their names."""
    root = make_workspace({"a.yaml": JOURNEY}).root
    for name, data in files.items():
        (root / name.replace("_", ".")).write_bytes(data)
    return load_workspace(root)


def is_whole(workspace: Workspace) -> bool:
    return compile_journey(workspace, "a").artifact.journey.name == "a"


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_tool_is_skipped(make_workspace: Maker, name: str) -> None:
    workspace = make_workspace({"a.yaml": JOURNEY, name: FOREIGN[name]})
    assert codes(workspace) == []
    assert is_whole(workspace)


def test_files_of_other_tools_are_skipped_without_a_finding(make_workspace: Maker) -> None:
    assert codes(make_workspace({"a.yaml": JOURNEY, **FOREIGN})) == []


@pytest.mark.parametrize("data", [b"x\x80\x81case: x", os.urandom(5000), b"\0" * 5000, b"a: \xff\nb: {case: 1}", b""])
def test_bytes_that_are_not_text_are_skipped(make_workspace: Maker, data: bytes) -> None:
    workspace = load_with(make_workspace, x_yaml=data)
    assert codes(workspace) == []
    assert is_whole(workspace)


@pytest.mark.parametrize(
    "text",
    [
        "journey: [",
        "journey:\n\tname: b\n",
        "# a comment\n---\njourney:\n  name: !Ref b\n",
        "kind: Deployment\n---\njourney: {name: b\n",
        "templates:\n  - {key: t, url: /t}\n  - {key: u, url: /u\n",
        '{\n  "environment": {"name": "e",\n',
        '"preset": {name: p\n',
        "apiVersion: reqflo.dev/v1\nkind: [\n",
        "overlay:\n  name: o\n  name: p\n",
        "workspace: {a: &a [*a]}\n",
        "case:\n  name: " + "x" * 2**20,
        "journey:\n  deep: " + "[" * 100,
    ],
)
def test_a_workspace_file_that_cannot_be_parsed_is_an_error(make_workspace: Maker, text: str) -> None:
    workspace = make_workspace({"a.yaml": JOURNEY, "sub/b.yaml": text})
    (problem,) = workspace.problems
    assert problem.severity == "error"
    assert problem.position is not None
    assert problem.position.file == "sub/b.yaml"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_a_workspace_file_in_another_encoding_is_an_error(make_workspace: Maker, encoding: str) -> None:
    workspace = load_with(make_workspace, b_yaml="journey: {name: größer}".encode(encoding))
    assert codes(workspace) == [("error", "yaml_encoding")]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("jurney: {name: b}", "did you mean `journey`?"),
        ("Journey: {name: b}", "did you mean `journey`?"),
        ("# ours\n---\njourneys:\n  name: b\n", "did you mean `journey`?"),
        ("environments: [{", "did you mean `environment`?"),
        ("name: app\nenvironment: {sdk: '>=3'}\n", "remove the key, or move it to another file."),
        ("environment: production\nimage: x\n", "remove the key, or move it to another file."),
    ],
)
def test_a_document_with_a_similar_root_key_is_skipped_with_a_warning(
    make_workspace: Maker, text: str, hint: str
) -> None:
    workspace = make_workspace({"a.yaml": JOURNEY, "x.yaml": text})
    (problem,) = workspace.problems
    assert (problem.severity, problem.code) == ("warning", "unknown_document")
    assert problem.hint.startswith(hint)
    assert problem.position is not None
    assert problem.position.file == "x.yaml"
    assert is_whole(workspace)


@pytest.mark.parametrize(
    "text",
    ["journey: {name: b}\nsteps: []\n", "environment: {name: e}\nurl: x\n", "templates: [{key: t, url: /t}]\nx: 1\n"],
)
def test_an_unknown_key_beside_a_definition_is_an_error(make_workspace: Maker, text: str) -> None:
    assert ("error", "unknown_key") in codes(make_workspace({"x.yaml": text}))


def test_a_journey_that_is_not_found_may_be_in_a_skipped_file(make_workspace: Maker) -> None:
    workspace = load_with(make_workspace, b_yaml=b"  journey:\n    name: [b\n", c_yaml=b"{{ template: x }")
    with pytest.raises(DefinitionError) as caught:
        compile_journey(workspace, "b")
    assert [problem.code for problem in caught.value.problems] == ["unknown_journey", "passed_over"]
    assert "`b.yaml`, `c.yaml`" in caught.value.problems[1].message
    assert "passed_over" not in [problem.code for problem in compile_journey(workspace, "a").problems]


# Names of something other than a regular file


def make_fifo(place: Path) -> None:
    os.mkfifo(place)


def make_socket(place: Path) -> None:
    folder = os.open(place.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/{place.name}")  # its own path may be too long
    os.close(folder)


STRANGE: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "a FIFO": (make_fifo, "it is a FIFO"),
    "a socket": (make_socket, "it is a socket"),
    "a link to nowhere": (lambda place: place.symlink_to("nowhere"), "a link to a file that does not exist"),
    "a link to itself": (lambda place: place.symlink_to(place.name), "a link that leads to itself"),
    "a link below a file": (lambda place: place.symlink_to("a.yaml/b"), "Not a directory"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_not_a_regular_file_is_skipped_with_its_name(make_workspace: Maker, kind: str) -> None:
    make, why = STRANGE[kind]
    root = make_workspace({"a.yaml": JOURNEY, "sub/b.yaml": ""}).root
    make(root / "gone.yaml")
    make(root / "sub" / "gone.yml")
    workspace = load_workspace(root)
    assert codes(workspace) == [("warning", "unreadable_file")] * 2
    for name, problem in zip(("gone.yaml", "sub/gone.yml"), workspace.problems, strict=True):
        assert problem.message.startswith(f"`{name}` is skipped: ")
    assert why in workspace.problems[0].message
    assert is_whole(workspace)


def test_devices_and_links_to_folders_are_skipped(make_workspace: Maker) -> None:
    root = make_workspace({"a.yaml": JOURNEY, "sub/b.yaml": JOURNEY.replace("name: a", "name: b")}).root
    (root / "zero.yaml").symlink_to("/dev/zero")
    (root / "again.yaml").symlink_to("sub")
    (root / "sub" / "up").symlink_to("..")
    (root / "folder.yaml").mkdir()
    workspace = load_workspace(root)
    assert codes(workspace) == [("warning", "path_outside_workspace")]
    assert [definition.name for definition in workspace.journeys] == ["a", "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read_is_skipped_with_its_name(make_workspace: Maker) -> None:
    root = make_workspace({"a.yaml": JOURNEY, "b.yaml": "x: 1", "sub/c.yaml": ""}).root
    (root / "b.yaml").chmod(0)
    (root / "sub").chmod(0)
    try:
        workspace = load_workspace(root)
    finally:
        (root / "sub").chmod(0o700)
    assert codes(workspace) == [("warning", "unreadable_file")] * 2
    assert is_whole(workspace)


def test_a_folder_deeper_than_the_stack_is_searched(make_workspace: Maker) -> None:
    root = make_workspace({"a.yaml": JOURNEY}).root
    here = os.open(root, os.O_RDONLY)
    try:
        for _ in range(_DEPTH):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(_DEPTH)
        try:
            workspace = load_workspace(root)
        finally:
            sys.setrecursionlimit(usual)
        assert is_whole(workspace)
    finally:
        os.close(here)
        subprocess.run(["rm", "-r", root / "d"], check=True)  # Python's shutil.rmtree recurses too


def test_names_that_are_not_text_are_shown_escaped(make_workspace: Maker) -> None:
    root = make_workspace({"a.yaml": JOURNEY}).root
    folder = os.path.join(os.fsencode(root), b"caf\xe9")
    os.mkdir(folder)
    with open(os.path.join(folder, b"\xff.yaml"), "wb") as file:
        file.write(JOURNEY.replace("name: a", "name: b").encode())
    with open(os.path.join(folder, b"\xfe.yaml"), "wb") as file:
        file.write(b"journey: [")
    workspace = load_workspace(root)
    (problem,) = workspace.problems
    assert str(problem.position).startswith("caf\\xe9/\\xfe.yaml:1:")
    os.remove(os.path.join(folder, b"\xfe.yaml"))
    compilation = compile_journey(load_workspace(root), os.path.join(os.fsdecode(folder), "\udcff.yaml"))
    assert compilation.artifact.journey.name == "b"
    assert compilation.sources == {"a": "caf\\xe9/\\xff.yaml:1"}


def test_a_workspace_in_a_folder_whose_name_is_not_text_has_a_name(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9")))
    root.mkdir()
    (root / "reqflo.yaml").write_text("workspace: {}")
    assert load_workspace(root).name == "caf\\xe9"


@pytest.mark.parametrize("kind", STRANGE)
def test_a_marker_that_is_not_a_file_is_named(tmp_path: Path, kind: str) -> None:
    STRANGE[kind][0](tmp_path / "reqflo.yaml")
    with pytest.raises(UsageError) as caught:
        load_workspace(tmp_path)
    assert caught.value.code == "no_workspace"
    assert "reqflo.yaml` is not a file" in caught.value.cause


@pytest.mark.parametrize("path", ["loop", "loop/x", "nowhere/x", "a\0b"])
def test_a_path_that_does_not_exist_is_not_a_workspace(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError) as caught:
        load_workspace(tmp_path / path)
    assert caught.value.code == "no_workspace"


@pytest.mark.parametrize("kind", [kind for kind in STRANGE if kind != "a link below a file"])
def test_a_body_file_that_is_not_a_regular_file_is_an_error(make_workspace: Maker, kind: str) -> None:
    root = make_workspace({"j.yaml": "journey: {name: j, steps: [{id: a, request: {url: /a, body: {file: x}}}]}"}).root
    STRANGE[kind][0](root / "x")
    with pytest.raises(DefinitionError) as caught:
        compile_journey(load_workspace(root), "j")
    (problem,) = caught.value.problems
    assert problem.code == "file_not_found"
    assert problem.position is not None
    assert problem.position.file == "j.yaml"


def test_a_body_may_be_a_link_to_a_file_whose_name_is_not_text(make_workspace: Maker) -> None:
    root = make_workspace({"j.yaml": "journey: {name: j, steps: [{id: a, request: {url: /a, body: {file: x}}}]}"}).root
    with open(os.path.join(os.fsencode(root), b"\xff.bin"), "wb") as file:
        file.write(b"data")
    os.symlink(b"\xff.bin", os.path.join(os.fsencode(root), b"x"))
    assert compile_journey(load_workspace(root), "j").artifact.files == {"\\xff.bin": b"data"}


def test_an_invalid_name_of_a_body_file_is_an_error_at_its_place(make_workspace: Maker) -> None:
    written = 'journey: {name: j, steps: [{id: a, request: {url: /a, body: {file: "a\\0b"}}}]}'
    with pytest.raises(DefinitionError) as caught:
        compile_journey(make_workspace({"j.yaml": written}), "j")
    assert caught.value.code == "file_not_found"


# include and exclude


TREE = ("a.yaml", "journeys/b.yaml", "journeys/old/c.yaml", "charts/d.yaml", "x/charts/e.yaml", "x/y/f.yml")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ("{}", "abcdef"),
        ("{exclude: [charts]}", "abcef"),
        ("{exclude: [charts/]}", "abcef"),
        ("{exclude: [./charts, x/y]}", "abce"),
        ('{exclude: ["**/charts"]}', "abcf"),
        ('{exclude: ["*.yaml"]}', "bcdef"),
        ('{exclude: ["**/*.yaml"]}', "f"),
        ('{exclude: ["journeys/*/*"]}', "abdef"),
        ('{exclude: ["journeys/**"]}', "adef"),
        ('{exclude: ["[jx]*", "?.yaml"]}', "d"),
        ("{include: [journeys]}", "bc"),
        ("{include: [journeys, a.yaml]}", "abc"),
        ("{include: [journeys], exclude: [journeys/old]}", "b"),
        ('{include: ["**/*.yml"]}', "f"),
        ("{include: [nothing]}", ""),
        ("{exclude: [reqflo.yaml]}", "abcdef"),
    ],
)
def test_reqflo_yaml_selects_the_files_that_are_read(make_workspace: Maker, settings: str, names: str) -> None:
    files = {name: JOURNEY.replace("name: a", f"name: {Path(name).stem}") for name in TREE}
    workspace = make_workspace({"reqflo.yaml": f"workspace: {settings}", "environments.yaml": "", **files})
    assert codes(workspace) == []
    assert sorted(definition.name for definition in workspace.journeys) == list(names)


@pytest.mark.parametrize("pattern", ["", "/abs", "../up", "a/../b", "a\\\\b", ".", "./"])
@pytest.mark.parametrize("key", ["include", "exclude"])
def test_a_pattern_that_leads_out_of_the_workspace_is_refused(make_workspace: Maker, key: str, pattern: str) -> None:
    (problem,) = make_workspace({"reqflo.yaml": f'workspace: {{{key}: ["{pattern}"]}}'}).problems
    assert (problem.code, str(problem.position)) == ("wrong_value", "reqflo.yaml:1:23")


def test_an_excluded_file_may_be_invalid(make_workspace: Maker) -> None:
    files = {"reqflo.yaml": "workspace: {exclude: [old]}", "old/a.yaml": "journey: [", "a.yaml": JOURNEY}
    assert codes(make_workspace(files)) == []


def test_a_folder_without_selected_files_is_not_entered() -> None:
    selection = Selection(include=("journeys/*/x.yaml", "**/deep"), exclude=("journeys/old",))
    assert Selection(include=("journeys",)).enters(("journeys", "a", "b"))
    assert not Selection(include=("journeys",)).enters(("node_modules",))
    assert selection.enters(("anything",))
    assert not selection.enters(("journeys", "old", "x"))


# The search of the text never skips what the parser would have found

KEYS = st.sampled_from(["journey", "template", "templates", "environment", "case", "preset", "overlay", "workspace"])
FORMS = st.sampled_from(
    ["{}: {{}}", '"{}": 1', "'{}' : [1]", "a: 1\n{}:\n  b: 2", "# c\n---\n{}: x", '{{"{}"\n: 1}}', "? {}\n: x", "{} :"]
)


@given(key=KEYS, form=FORMS, begin=st.sampled_from(["", "\ufeff", "\n", "%YAML 1.2\n---\n", "x: y\n---\n"]))
def test_text_with_a_root_key_is_always_parsed(key: str, form: str, begin: str) -> None:
    assert may_hold_ours((begin + form.format(key)).encode())


@pytest.mark.parametrize("form", ["# c\r{}:\r  name: q\r  steps: [\r", "? {}\n: {{name: x, steps: [\n", '"{}" : [\r\n'])
def test_a_root_key_is_recognized_however_it_is_written(form: str) -> None:
    assert was_meant(form.format("journey").encode())
    assert not was_meant(form.format("journal").encode())


@given(key=KEYS, rest=st.text(max_size=40))
def test_a_line_that_begins_with_a_root_key_is_never_skipped(key: str, rest: str) -> None:
    assert was_meant(f"{key}: {rest}".encode("utf-8", "surrogatepass"))
    assert not was_meant(f"  {key}: x\nx{key}: y\n{key}s_: z\n".encode())


def test_a_missing_folder_does_not_mean_the_workspace_around_it(tmp_path: Path) -> None:
    (tmp_path / "reqflo.yaml").write_text("workspace: {name: around}")
    (tmp_path / "below").mkdir()
    assert load_workspace(tmp_path / "below").name == "around"
    with pytest.raises(UsageError) as caught:
        load_workspace(tmp_path / "nope")
    assert (caught.value.code, caught.value.cause) == ("no_workspace", "there is no such file or folder")
