"""A run whose login must not be repeated, with cookies, is killed between login and use: it goes on with what lies
sealed in its journals. Real processes, real HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disturbed_run import COMMAND, eventually
from example_workspace import child_environment
from leaky_api import encodings
from threaded_api import QuietHandler, ThreadedApi

import reqflo_ray
from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.runner.progress.listener import RunOutcome

pytestmark = pytest.mark.timeout(120)

ROWS = 5
KILLED = 3  # so many rows are in flight at least
COLUMNS = "row_index, row_key, status, error_code, requests, retries, resent, resent_sensitive"

WORKSPACE = """\
workspace: {name: bank, defaults: {environment: local}}
---
environment: {name: local, services: {bank: {base_url: "URL"}}}
---
journey:
  name: pay
  cookies: true
  inputs: [{name: user, required: true}]
  steps:
    - id: login
      request: {service: bank, method: POST, url: /login, body: {json: {user: "{{ inputs.user }}"}}}
      outputs: {token: {path: "$.body.token", sensitive: true}}
      on_interrupt: ON_INTERRUPT
    - id: account
      request: {service: bank, url: /account, headers: {X-Token: "{{ steps.login.outputs.token }}"}}
      outputs: {owner: "$.body.owner"}
    - id: again
      request: {service: bank, url: "/account/{{ steps.account.outputs.owner }}"}
"""


class Bank(ThreadedApi):
    """Hands out a token and a session to whoever logs in, and tells the account of whoever has both of one login. While
    it holds, accounts are not told. `logins` are the users, in order."""

    def __init__(self) -> None:
        self.logins: list[str] = []
        self.held = 0
        self._sessions: dict[str, str] = {}
        self._lock = threading.Lock()
        self._released = threading.Event()
        super().__init__(_handler(self))

    def release(self) -> None:
        self._released.set()

    def log_in(self, user: str) -> tuple[str, str]:
        """A token and a session."""
        with self._lock:
            self.logins.append(user)
            number = len(self.logins)
            token, session = f"cnry/token+{number:04d}~qq", f"cnry.session-{number:04d}~zz"
            self._sessions[session] = user
            return token, session

    def owner(self, token: str | None, cookie: str) -> str:
        """Whose session it is; "" for nobody's, or if the token is of another login."""
        if not self._released.is_set():
            with self._lock:
                self.held += 1
            self._released.wait(60)
        session = cookie.removeprefix("session=")
        if token is not None and token[-6:-3] != session[-6:-3]:
            return ""
        return self._sessions.get(session, "")

    def secrets(self) -> list[str]:
        """All that was handed out and nobody may read."""
        numbers = range(1, len(self.logins) + 1)
        return [f"cnry/token+{number:04d}~qq" for number in numbers] + list(self._sessions)


def _handler(bank: Bank) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:
            user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["user"]
            token, session = bank.log_in(user)
            self.answer(200, {"token": token}, ("Set-Cookie", f"session={session}; HttpOnly"))

        def do_GET(self) -> None:
            token = self.headers["X-Token"] or "" if self.path == "/account" else None
            owner = bank.owner(token, self.headers["Cookie"] or "")
            self.answer(200 if owner else 403, {"owner": owner})

    return Handler


@pytest.fixture
def bank() -> Iterator[Bank]:
    with Bank() as bank:
        yield bank


class Payments:
    """The run in `folder`, and what can be done to it."""

    def __init__(self, folder: Path, bank: Bank, on_interrupt: str = "fail") -> None:
        self.bank, self.store = bank, folder / "store"
        self.root = self.store / "runs" / "pay-1"
        (folder / "reqflo.yaml").write_text(WORKSPACE.replace("URL", bank.url).replace("ON_INTERRUPT", on_interrupt))
        (folder / "rows.csv").write_text("user\n" + "".join(f"user-{index}\n" for index in range(ROWS)))
        self._folder = folder

    def start(self) -> subprocess.Popen[str]:
        options = ("--data", "rows.csv", "--key", "user", "--run-id", "pay-1", "--store", str(self.store))
        return subprocess.Popen(
            [COMMAND, "run", "pay", *options, "--backend", "local", "--quiet"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=child_environment(),
            cwd=self._folder,
        )

    def kill_between_login_and_use(self) -> None:
        process = self.start()
        try:
            eventually(lambda: process.poll() is not None or self.is_between(), "rows that are logged in", 60)
            assert process.poll() is None, process.communicate()
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        self.bank.release()

    def is_between(self) -> bool:
        """Whether some rows are logged in, and none is logging in."""
        return self.bank.held >= KILLED and self.bank.held == len(self.bank.logins)

    def finish(self) -> RunOutcome:
        return reqflo_ray.resume("pay-1", target=reqflo_ray.Target(store=self.store, backend="local"))

    def rows(self, columns: str = COLUMNS) -> list[Any]:
        return list(reqflo_ray.open_store(str(self.store)).query(f"select {columns} from results order by 1").rows())

    def readable_secrets(self) -> list[str]:
        """Which of the bank's secrets can be read in any file of the store, in which form."""
        forms = [
            (secret, form, text.encode()) for secret in self.bank.secrets() for form, text in encodings(secret).items()
        ]
        return [
            f"{path}: {secret} as {form}"
            for path in self.store.rglob("*")
            if path.is_file()
            for data in [path.read_bytes()]
            for secret, form, text in forms
            if text in data
        ]


def test_a_killed_run_logs_in_nobody_again_and_ends_like_an_undisturbed_one(tmp_path: Path, bank: Bank) -> None:
    run = Payments(tmp_path, bank)
    run.kill_between_login_and_use()
    assert len(bank.logins) >= KILLED and (run.root / "sealing.key").exists()
    assert run.readable_secrets() == [], "while the run is unfinished"
    outcome = run.finish()
    assert (outcome.exit_code, outcome.complete) == (0, True)
    assert Counter(bank.logins) == {f"user-{index}": 1 for index in range(ROWS)}
    assert outcome.verdict is not None and outcome.verdict.counts.resent_sensitive == 0
    assert not (run.root / "sealing.key").exists()
    assert run.readable_secrets() == []
    (tmp_path / "whole").mkdir()
    with Bank() as other:
        other.release()
        whole = Payments(tmp_path / "whole", other)
        _, told = whole.start().communicate(timeout=60)
        assert Counter(other.logins) == Counter(bank.logins), told
        unchanged = "row_index, row_key, status, error_code, failed_step, inputs, resent_sensitive"
        assert run.rows(unchanged) == whole.rows(unchanged)


def test_where_the_key_was_removed_the_rows_end_inconclusive_and_say_why(tmp_path: Path, bank: Bank) -> None:
    run = Payments(tmp_path, bank)
    run.kill_between_login_and_use()
    (run.root / "sealing.key").unlink()
    killed = len(bank.logins)
    outcome = run.finish()
    assert (outcome.exit_code, outcome.complete, len(bank.logins)) == (3, True, ROWS)
    told = [row for row in run.rows("row_index, status, error_code, error_message") if row[1] != "passed"]
    assert [row[1:3] for row in told] == [("inconclusive", "sensitive_value_lost")] * killed
    assert all("sealing.key" in message for *_, message in told)


def test_where_the_key_was_removed_a_login_that_may_be_is_sent_again(tmp_path: Path, bank: Bank) -> None:
    run = Payments(tmp_path, bank, "resend")
    run.kill_between_login_and_use()
    (run.root / "sealing.key").unlink()
    killed = len(bank.logins)
    outcome = run.finish()
    assert (outcome.exit_code, outcome.complete, len(bank.logins)) == (0, True, ROWS + killed)
    assert outcome.verdict is not None and outcome.verdict.counts.resent_sensitive == killed
    assert not (run.root / "sealing.key").exists() and run.readable_secrets() == []


def test_a_damaged_key_is_refused_before_a_request_and_a_restored_one_goes_on(tmp_path: Path, bank: Bank) -> None:
    run = Payments(tmp_path, bank)
    run.kill_between_login_and_use()
    sent = len(bank.logins)
    key = run.root / "sealing.key"
    whole = key.read_bytes()
    assert reqflo_ray.open_store(str(run.store)).verify("pay-1").ok
    key.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    [finding] = reqflo_ray.open_store(str(run.store)).verify("pay-1").findings
    assert (finding.path, finding.kind) == ("sealing.key", "damaged")
    with pytest.raises(IntegrityError) as caught:
        run.finish()
    assert caught.value.code == "damaged_file" and "`sealing.key` of run `pay-1`" in caught.value.message
    assert len(bank.logins) == sent
    key.write_bytes(whole)
    assert (run.finish().exit_code, len(bank.logins)) == (0, ROWS)
