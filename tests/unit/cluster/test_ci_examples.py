"""The CI examples call commands that exist, and their script ends with the run's own exit code."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from cluster_files import ROOT, all_manifests, documents
from deployment_rules import job_spec, pods

from reqflo_ray._internal.cli.main import COMMANDS
from reqflo_ray._internal.cli.options.groups import flat

_CI = ROOT / "cluster" / "ci"
_SCRIPT = _CI / "run-journey.sh"
_STAND_IN = f"""\
#!{sys.executable}
import os, signal, sys
from pathlib import Path

def told(line):
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(line + "\\n")

def ask(number, frame):
    told("asked to stop")
    os._exit(143)

signal.signal(signal.SIGTERM, ask)
told(" ".join(sys.argv[1:]))
code = os.environ["CODES"].split(",")[len(Path(os.environ["CALLS"]).read_text().splitlines()) - 1]
if code == "waits":
    # Blocked before anybody can send it: one that came between a look for signals and the wait would be slept through.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    Path(os.environ["CALLS"] + ".waiting").touch()
    if signal.sigtimedwait([signal.SIGTERM], 60):
        ask(signal.SIGTERM, None)
sys.exit(int(code))
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], subprocess.Popen[bytes]]:
    """Starts the script with a `reqflo-ray` that ends with one code after the other."""
    stand_in = tmp_path / "reqflo-ray"
    stand_in.write_text(_STAND_IN, encoding="utf-8")
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}

    def begin(codes: str) -> subprocess.Popen[bytes]:
        command = [str(_SCRIPT), "ci-1", "place-order", "--env", "two words"]
        return subprocess.Popen(command, env={**environment, "CODES": codes}, cwd=tmp_path, stderr=subprocess.DEVNULL)

    return begin


@pytest.mark.parametrize(
    ("codes", "expected", "calls"),
    [
        ("0", 0, 1),
        ("1", 1, 1),
        ("2", 2, 1),
        ("5", 5, 1),
        ("143", 143, 1),
        ("3,0", 0, 2),
        ("3,3,1", 1, 3),
        ("3,3,3", 3, 3),
    ],
)
def test_the_script_tries_again_only_what_could_not_be_finished(
    start: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path, codes: str, expected: int, calls: int
) -> None:
    code = start(codes).wait(timeout=30)
    made = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()

    assert code == expected
    reports = "--report junit=junit.xml --report html=report.html --report markdown=summary.md"
    assert made == [f"submit place-order --env two words --run-id ci-1 --output result.json {reports}"] * calls


def test_a_script_that_is_asked_to_end_asks_the_run_to_stop(
    start: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    process = start("waits")
    while not (tmp_path / "calls.waiting").exists():
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=30) == 143
    assert "asked to stop" in (tmp_path / "calls").read_text(encoding="utf-8")


def test_the_script_needs_a_run_id_and_a_journey(tmp_path: Path) -> None:
    ended = subprocess.run([str(_SCRIPT), "ci-1"], cwd=tmp_path, capture_output=True, check=False)

    assert ended.returncode == 2
    assert b"usage" in ended.stderr


# What the script leaves, by its own command line.
_REPORTS = set(re.findall(r"(?:--output |--report \w+=)(\S+)", _SCRIPT.read_text(encoding="utf-8")))
_SUBCOMMANDS = "run|submit|check|stop|status|logs|resume|prune|doctor"


def _command_lines() -> Iterator[tuple[str, str]]:
    """Every command line of reqflo-ray in `cluster/`, less its first word, with the file where it stands."""
    for file, document in all_manifests():
        if job := job_spec(document):
            yield file, job["entrypoint"].removeprefix("exec reqflo-ray ")
        if document["kind"] == "CronJob":
            [pod] = pods(document)
            yield file, shlex.join(pod.spec["containers"][0]["command"][1:])
    for path in sorted(path for path in ROOT.glob("cluster/**/*") if path.suffix in (".yml", ".md")):
        # A command goes on after a backslash, and in a folded scalar before an option.
        text = re.sub(r"\\?\n\s+(?=--)", " ", path.read_text(encoding="utf-8"))
        text = text.replace('ci/run-journey.sh "$RUN_ID"', "reqflo-ray submit --run-id x")
        for found in re.finditer(rf"reqflo-ray ((?:{_SUBCOMMANDS}) [^`'\";|&#\n]+)", text):
            yield path.name, found[1]


def _parsed(command_line: str) -> dict[str, Any]:
    name, *arguments = shlex.split(command_line)
    module = import_module(next(entry.module for entry in COMMANDS if entry.name == name))
    application = typer.Typer()
    application.command()(flat(getattr(module, name)))
    context = typer.main.get_command(application).make_context(name, arguments)
    return dict(context.params)


def test_every_command_line_is_one_that_reqflo_ray_takes() -> None:
    lines = list(_command_lines())

    assert {file for file, _ in lines} >= {"rayjob.yaml", "cronjob.yaml", "github-actions.yml", "gitlab-ci.yml"}
    for file, line in lines:
        assert _parsed(line), f"{file}: {line}"


@pytest.mark.parametrize("wrong", ["run a --shop x", "submit a --concurrency many", "stop", "check a --env"])
def test_a_command_line_that_it_does_not_take_is_found(wrong: str) -> None:
    with pytest.raises(typer.TyperException):
        _parsed(wrong)


def test_github_runs_the_script_in_our_image_with_least_rights() -> None:
    [workflow] = documents(_CI / "github-actions.yml")
    [job] = workflow["jobs"].values()
    steps = {step.get("name", step.get("uses")): step for step in job["steps"]}

    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert job["timeout-minutes"] > 0
    assert "RAY_AUTH_TOKEN" not in job["env"], "only the steps that need the token see it"
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    published = steps["Publish the reports and every row's result"]
    assert published["if"] == steps["Show the summary"]["if"] == "always()"
    assert set(published["with"]["path"].split()) | {"summary.md"} == _REPORTS
    assert "summary.md >>" in steps["Show the summary"]["run"]
    assert steps["Stop a cancelled run"]["if"] == "cancelled()"
    assert all("${{" not in step.get("run", "") for step in job["steps"]), "an expression in a script is an injection"


def test_gitlab_publishes_whatever_happened_and_stops_what_was_cancelled() -> None:
    [pipeline] = documents(_CI / "gitlab-ci.yml")
    job = pipeline["place-order"]

    assert job["stage"] in pipeline["stages"]
    artifacts = job["artifacts"]
    assert artifacts["when"] == "always"
    assert {*artifacts["paths"], artifacts["reports"]["junit"], "summary.md"} == _REPORTS
    assert any("stop" in line and "canceled" in line for line in job["after_script"])
    assert "variables" not in pipeline, "a token belongs into the project's settings"


def test_both_examples_run_in_the_image_of_the_cluster(deployed: Any) -> None:
    [workflow] = documents(_CI / "github-actions.yml")
    [pipeline] = documents(_CI / "gitlab-ci.yml")

    assert workflow["jobs"]["place-order"]["container"]["image"] == deployed.image
    assert pipeline["default"]["image"]["name"] == deployed.image


@pytest.mark.parametrize("path", sorted(_CI.glob("*.yml")), ids=lambda path: path.name)
def test_the_examples_are_yaml_for_every_reader(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
