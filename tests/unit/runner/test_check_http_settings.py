"""The run check judges HTTP settings as the transport does, all of them, at their places, before there is a run."""

from __future__ import annotations

import importlib.util
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import DefinitionError, Severity
from reqflo_ray._internal.http.addresses.tls import create_context
from reqflo_ray._internal.runner.prepare.checks.check import CheckedRun, RunSelection, check_run

JOURNEY = "journey: {name: j, steps: [{id: a, request: {url: 'http://api.example/'}}]}"


def checked(folder: Path, http: str, *, environment: str = "", sends_here: bool = True) -> CheckedRun:
    (folder / "reqflo.yaml").write_text(f"workspace:\n  http: {http}\n")
    (folder / "j.yaml").write_text(JOURNEY)
    (folder / "e.yaml").write_text("environment: {name: open, insecure: true}")
    compilation = compile_journey(load_workspace(folder), "j")
    selection = RunSelection(environment=environment)
    return check_run(compilation, compilation.workspace, selection, sends_here=sends_here)


def test_a_workspace_that_names_the_engine_of_earlier_versions_still_runs(tmp_path: Path) -> None:
    found = checked(tmp_path, "{engine: aiohttp}")
    assert found.http.engine == "httptools"
    [problem] = found.problems
    assert (problem.code, problem.severity, str(problem.position)) == (
        "retired_engine",
        Severity.WARNING,
        "reqflo.yaml:2:18",
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two certificates, each with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    folder = tmp_path_factory.mktemp("pair")
    for name in ("one", "two"):
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        made += ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "1"]
        subprocess.run(made, cwd=folder, check=True, capture_output=True)
    return folder


def test_relative_files_lie_in_the_workspace_wherever_the_command_is_called(
    tmp_path: Path, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.pem", "one.key"):
        shutil.copy(pair / name, tmp_path / name)
    monkeypatch.chdir("/")
    found = checked(tmp_path, "{ca_file: one.pem, client_certificate: one.pem, client_key: one.key}")
    assert found.problems == ()
    assert found.http.ca_file == found.http.client_certificate == str(tmp_path / "one.pem")
    assert create_context(found.http).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("http", "places"),
    [
        ("{ca_file: no.pem}", ["2:19"]),
        ("{ca_file: .}", ["2:19"]),
        ("{ca_file: j.yaml, client_certificate: no.pem}", ["2:19", "2:47"]),
        ("{client_certificate: j.yaml, client_key: no.key}", ["2:30"]),
        ("{client_key: no.key}", ["2:22"]),
        ("{ca_file: no.pem, proxy: 'socks5://h'}", ["2:19", "2:34"]),
    ],
)
def test_every_setting_that_a_transport_would_refuse_is_told(tmp_path: Path, http: str, places: list[str]) -> None:
    found = checked(tmp_path, http).problems
    assert [str(problem.position) for problem in found] == [f"reqflo.yaml:{place}" for place in places]
    assert {problem.code for problem in found} <= {"invalid_tls_settings", "unsupported_proxy"}


def test_a_key_of_another_certificate_is_told(tmp_path: Path, pair: Path) -> None:
    found = checked(tmp_path, f"{{client_certificate: {pair}/one.pem, client_key: {pair}/two.key}}").problems
    assert [problem.cause for problem in found] == ["the key does not belong to the certificate"]


def test_what_is_found_is_what_a_transport_says(tmp_path: Path) -> None:
    found = checked(tmp_path, "{ca_file: no.pem}")
    with pytest.raises(DefinitionError) as caught:
        create_context(found.http)
    assert (caught.value.code, caught.value.message) == (found.problems[0].code, found.problems[0].message)


def test_authorities_that_nobody_asks_for_are_not_looked_at(tmp_path: Path) -> None:
    found = checked(tmp_path, "{ca_file: no.pem}", environment="open").problems
    assert [problem.code for problem in found] == ["insecure_environment"]


def test_files_of_other_machines_are_left_to_them(tmp_path: Path) -> None:
    assert checked(tmp_path, "{ca_file: no.pem}", sends_here=False).problems == ()


def test_an_engine_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (problem,) = checked(tmp_path, "{engine: httpx}").problems
    assert (problem.code, str(problem.position)) == ("unknown_http_engine", "reqflo.yaml:2:18")
    assert problem.message == "the HTTP engine `httpx` is not installed"
