"""A store of one user is closed to others; one of a group lets its users go on with each other's runs.

Needs root, to be several users.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

ANN, BOB, TEAM = 12345, 12346, 12399
REPOSITORY = Path(__file__).parents[2]
ROWS = 5
COUNT = "select count(*) as n from results"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")

JOURNEY = """
journey:
  name: j
  inputs: [{name: ref}]
  steps:
    - id: login
      request: {service: s, method: POST, url: /login, headers: {Authorization: "Bearer {{ secrets.TOKEN }}"}}
      outputs: [{name: session, path: body.session, sensitive: true}]
    - id: use
      request: {service: s, url: "/use/{{ inputs.ref }}", headers: {X-Session: "{{ steps.login.outputs.session }}"}}
      assertions: [{type: status_code, expected: 200}]
"""


class _Api(BaseHTTPRequestHandler):
    seen: ClassVar[list[str]] = []
    is_open: ClassVar[threading.Event] = threading.Event()
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.seen.append(self.path)
        if self.path == "/use/3":
            self.is_open.wait(60)
        self._answer()

    def _answer(self) -> None:
        body = b'{"session": "made-up-session-value"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    _Api.seen.clear()
    _Api.is_open.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    _Api.is_open.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def place(api: str) -> Iterator[Path]:
    """A folder that all users may enter, with a workspace: the tester's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="users-", dir="/tmp"))
    folder.chmod(0o755)
    workspace = folder / "workspace"
    workspace.mkdir(mode=0o755)
    (workspace / "reqflo.yaml").write_text(
        "workspace: {name: w, defaults: {environment: e}}\n---\n"
        f"environment: {{name: e, services: {{s: {{base_url: '{api}'}}}}}}\n"
    )
    (workspace / "j.yaml").write_text(JOURNEY)
    (workspace / "rows.csv").write_text("ref\n" + "".join(f"{number}\n" for number in range(ROWS)))
    (folder / "store").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def python() -> str:
    """An interpreter that other users may run, with this product."""
    for candidate in (sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"):
        try:
            if _run(candidate, ANN, TEAM, "--version")[0] == 0:
                return candidate
        except OSError:
            continue
    pytest.skip("no interpreter that another user may run")


def _begin(python: str, user: int, group: int, *arguments: str) -> subprocess.Popen[str]:
    packages = [str(REPOSITORY), *(entry for entry in sys.path if entry.endswith("site-packages"))]
    return subprocess.Popen(
        [python, "-m", "reqflo_ray", *arguments],
        user=user,
        group=group,
        extra_groups=[group],
        umask=0o077,
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(packages), "NO_COLOR": "1", "TOKEN": "made-up-token", "HOME": "/"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(python: str, user: int, group: int, *arguments: str) -> tuple[int, str]:
    process = _begin(python, user, group, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def _kill_in_the_middle(python: str, place: Path) -> None:
    """Ann begins a run, and dies with the fourth row under way."""
    workspace = str(place / "workspace")
    process = _begin(
        python, ANN, TEAM, "run", "j", "--workspace", workspace, "--data", f"{workspace}/rows.csv", "--run-id", "r",
        "--store", str(place / "store"), "--backend", "local", "--concurrency", "1", "--workers", "1",
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while "/use/3" not in _Api.seen:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    _Api.is_open.set()


def test_a_user_of_the_same_group_goes_on_with_the_run_of_another(
    place: Path, python: str, eventually: Callable[..., Any]
) -> None:
    store = place / "store"
    os.chown(store, 0, TEAM)
    store.chmod(0o2770)
    _kill_in_the_middle(python, place)
    assert (store / "runs/r/sealing.key").stat().st_uid == ANN

    code, told = _run(python, BOB, TEAM, "resume", "r", "--store", str(store))
    assert code == 0, told
    # What was completed is not sent again, also where only the key of the other user tells what it brought.
    assert sorted(_Api.seen) == sorted(["/use/0", "/use/1", "/use/2", "/use/3", "/use/3", "/use/4"])
    assert not (store / "runs/r/sealing.key").exists()
    assert {path.stat().st_uid for path in store.rglob("*")} == {ANN, BOB}
    for path in store.rglob("*"):
        assert path.stat().st_gid == TEAM
        assert stat.S_IMODE(path.stat().st_mode) == (0o2770 if path.is_dir() else 0o640), path

    code, told = _run(python, ANN, TEAM, "sql", COUNT, "--run", "r", "--store", str(store), "--format", "json")
    assert (code, json.loads(told)) == (0, [{"n": ROWS}])
    assert _run(python, ANN, TEAM, "prune", "--keep", "0", "--store", str(store))[0] == 0
    assert list((store / "runs").iterdir()) == []


def test_the_store_of_one_user_is_closed_to_others(place: Path, python: str) -> None:
    store = place / "store"
    os.chown(store, ANN, TEAM)
    store.chmod(0o755)
    _kill_in_the_middle(python, place)
    code, told = _run(python, BOB, TEAM, "resume", "r", "--store", str(store))
    assert (code, "store_not_permitted" in told) == (3, True), told
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.rglob("*")} == {0o600, 0o700}
