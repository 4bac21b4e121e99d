"""Stores that earlier versions wrote are read for ever, and a run that one of them began is finished by any later one.

Each folder of `tests/data/stores/` was written once, by the version that it is named after, and is never written again.
`finished` holds a run with one failed row; `interrupted` one whose driver was killed twice: five shards are committed,
three have only journals. The address of the API is a secret of that run, so that it may listen anywhere.
"""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from example_workspace import CLIENT_SECRET
from proxy_server import ProxyServer, proxy_in_thread
from threaded_api import QuietHandler, ThreadedApi

import reqflo_ray
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.model.journal import Completion
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.reports.formats import FORMATS

STORES = Path(__file__).parents[1] / "data" / "stores"
VERSIONS = sorted(folder.name for folder in STORES.iterdir())
FINISHED, INTERRUPTED = "nightly-1", "nightly-2"
ROWS, COMMITTED_ROWS = 24, 15


class Shop(ThreadedApi):
    """Answers what the runs ask for, and keeps the customers of the orders that arrive."""

    def __init__(self) -> None:
        ordered = self.ordered = list[str]()

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/auth/token":
                    self.answer(200, {"access_token": "made-up-token"})
                else:
                    ordered.append(body["customer_id"])
                    self.answer(201, {"order": {"id": f"order-of-{body['customer_id']}"}})

            def do_GET(self) -> None:
                self.answer(200, {"order": {"customer_id": "somebody"}})

        super().__init__(Handler)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with Shop() as shop:
        monkeypatch.setenv("SHOP_URL", shop.url)
        monkeypatch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)
        yield shop


@pytest.fixture(params=VERSIONS)
def finished(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A copy of the store with the finished run."""
    return str(shutil.copytree(STORES / request.param / "finished", tmp_path / "store"))


@pytest.fixture(params=VERSIONS)
def interrupted(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A copy of the store with the interrupted run."""
    return str(shutil.copytree(STORES / request.param / "interrupted", tmp_path / "store"))


def acknowledged_orders(store: str) -> set[str]:
    """The customers whose order the journals acknowledge."""
    journals = (Path(store) / "runs" / INTERRUPTED / "journal").rglob("*.log")
    records = [record for path in journals for record in read_journal(path.read_bytes()).records]
    done = {record.row for record in records if isinstance(record, Completion) and record.step == "create"}
    return {f"c-{row + 1}" for row in done}


def test_there_are_stores_of_earlier_versions() -> None:
    assert VERSIONS == ["v0.1.0"]


def test_a_finished_run_is_listed_queried_and_verified(finished: str) -> None:
    store = reqflo_ray.open_store(finished)
    [run] = store.runs()
    assert run.verdict is not None
    assert (run.run_id, run.state, run.verdict.exit_code, run.counts.failed) == (FINISHED, "finished", 1, 1)
    answer = store.query("select status, count(*) from results group by 1 order by 1").rows()
    assert list(answer) == [("failed", 1), ("passed", ROWS - 1)]
    row = store.row("latest", "ref-5")
    assert row.result["failed_step"] == "read"
    assert [step["step_id"] for step in row.steps] == ["token", "create", "read"]
    report = store.verify("latest")
    assert report.ok and report.complete and report.rows == ROWS


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_a_finished_run_is_reported(finished: str, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "report"
    reqflo_ray.write_reports(FINISHED, [(kind, target)], store=finished)
    assert "ref-5" in html.unescape(target.read_text())


def test_resuming_a_finished_run_exits_as_it_did_and_changes_nothing(finished: str, shop: Shop) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path(finished).rglob("*") if path.is_file()}

    before = files()
    assert reqflo_ray.resume(FINISHED, target=reqflo_ray.Target(store=finished)).exit_code == 1
    assert not shop.ordered and files() == before


def test_an_interrupted_run_is_queried_and_verified_as_far_as_it_came(interrupted: str) -> None:
    store = reqflo_ray.open_store(interrupted)
    [run] = store.runs()
    assert (run.run_id, run.verdict, run.counts.rows) == (INTERRUPTED, None, COMMITTED_ROWS)
    assert list(store.query("select count(*) from results").rows()) == [(COMMITTED_ROWS,)]
    report = store.verify(INTERRUPTED)
    assert report.ok and not report.complete and report.rows == COMMITTED_ROWS


def test_an_interrupted_run_is_finished_without_sending_what_was_acknowledged(interrupted: str, shop: Shop) -> None:
    finish(interrupted, shop)


def test_a_run_of_the_aiohttp_engine_goes_on_with_the_default_one(interrupted: str, shop: Shop) -> None:
    with proxy_in_thread(ProxyServer()) as proxy:
        path = Path(interrupted, "runs", INTERRUPTED, "run.json")
        text = path.read_text()
        assert '"engine": "httptools"' in text and '"proxy": ""' in text
        text = text.replace('"engine": "httptools"', '"engine": "aiohttp"')
        path.write_text(text.replace('"proxy": ""', f'"proxy": "http://127.0.0.1:{proxy.port}"'))
        finish(interrupted, shop)
        assert f"POST {shop.url}/orders" in proxy.asked


def finish(interrupted: str, shop: Shop) -> None:
    done = acknowledged_orders(interrupted)
    assert len(done) > COMMITTED_ROWS, "some rows must be only journaled"
    target = reqflo_ray.Target(store=interrupted, backend="local")
    outcome = reqflo_ray.resume(INTERRUPTED, target=target, take_over=True)
    assert outcome.complete and outcome.verdict is not None
    assert (outcome.exit_code, outcome.verdict.status) == (1, Status.FAILED)
    counts = outcome.verdict.counts
    assert (counts.rows, counts.passed, counts.failed) == (ROWS, ROWS - 1, 1)
    customers = {f"c-{row + 1}" for row in range(ROWS)}
    assert sorted(shop.ordered) == sorted(customers - done), "acknowledged orders went out again, or rows were lost"
    assert reqflo_ray.open_store(interrupted).verify(INTERRUPTED).ok
