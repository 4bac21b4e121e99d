"""No file that a run reads may be one that is written from it, whatever names lead to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.runner.prepare.files_read import files_of_request, files_of_workspace, need_free
from reqflo_ray._internal.runner.prepare.request import Dataset, Journey

REQFLO = """\
workspace:
  name: t
  include: [journeys]
  secrets: {source: file, folder: keys, names: {DEEP: {file: deep/KEY}}}
  http: {ca_file: FOLDER/ca.pem, client_certificate: FOLDER/me.pem, client_key: FOLDER/key.pem}
"""
JOURNEY = """\
journey:
  name: a
  steps:
    - id: one
      request: {method: POST, url: "http://127.0.0.1/", body: {file: bodies/order.xml}}
    - id: two
      request:
        method: POST
        url: "http://127.0.0.1/"
        body: {multipart: {picture: {file: bodies/picture.png}, text: {value: notes.txt}}}
---
template: {key: x, method: POST, body: {file: bodies/template.bin}}
"""
READ = (
    *("reqflo.yaml", "journeys/a.yaml", "journeys/broken.yml", "bodies/order.xml", "bodies/picture.png"),
    *(
        "bodies/template.bin",
        "keys/TOKEN",
        "keys/deep/KEY",
        "ca.pem",
        "me.pem",
        "key.pem",
        "rows.csv",
        "more/1.csv",
        "given.json",
    ),
)
FREE = ("notes.txt", "keys.txt", "more/1.txt", "junit.xml", ".reqflo/report.html", "bodies/other.xml")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, as the current folder, with all kinds of files that a run reads, and some that it does not."""
    monkeypatch.chdir(tmp_path)
    texts = {"reqflo.yaml": REQFLO.replace("FOLDER", str(tmp_path)), "journeys/a.yaml": JOURNEY}
    texts["journeys/broken.yml"] = "journey: {{\n"
    for name in (*READ, *FREE, ".reqflo/runs/r1/run.json", ".reqflo/artifacts/x.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(texts.get(name, "held"))
    return tmp_path


def need(output: Path | str) -> None:
    journey, data = Journey(artifact="given.json"), Dataset(["rows.csv", "more/*.csv", "gs://bucket/x.csv"])
    need_free([Path(output)], files_of_request(journey, data, load_workspace(Path("."))), ".reqflo")


def as_it_is(folder: Path, name: str) -> Path:
    return Path(name)


def absolute(folder: Path, name: str) -> Path:
    return folder / "bodies" / ".." / name


def linked(folder: Path, name: str) -> Path:
    (folder / "out").symlink_to(folder / name)
    return folder / "out"


def linked_folder(folder: Path, name: str) -> Path:
    (folder / "elsewhere").symlink_to(folder)
    return folder / "elsewhere" / name


def hard_linked(folder: Path, name: str) -> Path:
    os.link(folder / name, folder / "out")
    return Path("out")


@pytest.mark.parametrize("spelling", [as_it_is, absolute, linked, linked_folder, hard_linked])
@pytest.mark.parametrize("name", [*READ, ".reqflo/runs/r1/run.json", ".reqflo/artifacts/x.json"])
def test_what_a_run_reads_is_refused_whatever_it_is_called(
    workspace: Path, name: str, spelling: Callable[[Path, str], Path]
) -> None:
    with pytest.raises(UsageError) as caught:
        need(spelling(workspace, name))
    assert (caught.value.code, caught.value.exit_code) == ("output_is_input", 2)
    assert (workspace / name).exists()


@pytest.mark.parametrize("name", [*FREE, "new.xml", "missing/new.xml", "junit.yaml"])
def test_what_a_run_does_not_read_may_be_written(workspace: Path, name: str) -> None:
    there = (workspace / name).exists()
    need(name)
    assert (workspace / name).exists() is there, "to look changes nothing"


@pytest.mark.parametrize("name", [".reqflo/runs/r1/new.xml", ".reqflo/order/x", "./.reqflo/../.reqflo/runs/x.xml"])
def test_nothing_new_is_made_among_the_files_of_a_store(workspace: Path, name: str) -> None:
    with pytest.raises(UsageError, match="a file of the store"):
        need(name)


def test_names_in_a_workspace_are_relative_to_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace / "more")
    reads = list(files_of_request(Journey(), Dataset.of(None), load_workspace(workspace)))
    for name in ("bodies/order.xml", "keys/TOKEN"):
        with pytest.raises(UsageError, match="it is "):
            need_free([workspace / name], reads)


def test_a_file_that_a_link_of_the_workspace_leads_to_is_read(workspace: Path) -> None:
    (workspace / "kept.txt").write_text("journey: {name: b, steps: []}\n")
    (workspace / "journeys" / "b.yaml").symlink_to("../kept.txt")
    with pytest.raises(UsageError, match=r"b\.yaml"):
        need("kept.txt")


@pytest.mark.parametrize("variable", ["GOOGLE_APPLICATION_CREDENTIALS", "SSL_CERT_FILE"])
def test_a_file_that_the_environment_names_is_read(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(workspace / "notes.txt"))
    with pytest.raises(UsageError, match=f"the file that {variable} names"):
        need("notes.txt")


def test_yaml_of_a_workspace_is_never_written_whichever_is_used(workspace: Path) -> None:
    for name in ("reqflo.yaml", "journeys/a.yaml"):
        with pytest.raises(UsageError, match="a file of a workspace"):
            need_free([workspace / name], ())


def test_the_workspace_is_not_looked_at_for_a_file_that_is_new(workspace: Path) -> None:
    need_free([workspace / "new.json"], files_of_workspace(workspace / "no such folder", "a"))
    with pytest.raises(UsageError, match="is not a workspace"):
        need_free([workspace / "notes.txt"], files_of_workspace(Path("/proc"), "a"))


def test_what_standard_input_reads_is_read(workspace: Path) -> None:
    kept = os.dup(0)
    try:
        with (workspace / "notes.txt").open("rb") as question:
            os.dup2(question.fileno(), 0)
        with pytest.raises(UsageError, match="standard input"):
            need_free([workspace / "notes.txt"], ())
        need_free([workspace / "junit.xml"], ())
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_what_could_not_be_written_is_refused_as_well(workspace: Path) -> None:
    with pytest.raises(UsageError) as caught:
        need(workspace / "notes.txt" / "junit.xml")
    assert caught.value.code == "output_not_writable"
