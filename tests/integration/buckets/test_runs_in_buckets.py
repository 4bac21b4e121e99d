"""Runs whose store is a bucket: from the dataset in it to SQL over the results, and all that asks or changes it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bucket_fixtures import Bucket
from disturbed_run import DATASET
from gcs_server import GcsServer
from run_arguments import run_arguments

import reqflo_ray
from reqflo_ray import Target
from reqflo_ray._internal.analysis.session import open_session
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.main import run_command_line
from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.errors import DatasetError, IntegrityError, QueryError, RunConflictError, UsageError
from reqflo_ray._internal.model.plan import Damaged, Plan
from reqflo_ray._internal.model.results import Commit, Counts, ShardOutcome, ShardSummary, Status
from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.reports.formats import FORMATS
from reqflo_ray._internal.runner.execute.shard import run_shard
from reqflo_ray._internal.runner.execute.worker.worker import open_worker
from reqflo_ray._internal.runner.prepare.preparation import prepare
from reqflo_ray._internal.runner.prepare.record import make_record
from reqflo_ray._internal.runner.prepare.staging import staging
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.results import checked_files
from reqflo_ray._internal.runs.staging.rows import read_plan
from reqflo_ray._internal.storage.bucket import ObjectStorage
from reqflo_ray._internal.storage.open import open_storage

ROWS = 8


@pytest.fixture
def workspace(example: Callable[[str], Path]) -> Path:
    """The workspace of the journey, which calls `shop`."""
    return example("orders")


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Some orders."""
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(DATASET.read_text().splitlines()[: ROWS + 1]) + "\n")
    return path


def _request(workspace: Path, store: str, data: str, **options: Any) -> dict[str, Any]:
    return run_arguments(
        **{
            "name": "place-order",
            "workspace": workspace,
            "source": data,
            "key": "order_ref",
            "store": store,
            "run_id": "r1",
            "backend": "local",
            "concurrency": 8,
            **options,
        }
    )


def _put(bucket: Bucket, name: str, data: bytes) -> str:
    open_storage(bucket.uri).write(name, data)
    return f"{bucket.uri}/{name}"


def test_a_run_from_data_in_a_bucket_to_its_prune(
    bucket: Bucket, workspace: Path, orders: Path, shop: DemoServer, tmp_path: Path
) -> None:
    data = _put(bucket, "input/orders-1.csv", orders.read_bytes())
    request = _request(workspace, bucket.uri, data.replace("-1.csv", "-*.csv"))
    outcome = reqflo_ray.run(**request)
    assert outcome.exit_code == 0 and outcome.complete and outcome.verdict.counts.rows == ROWS
    assert outcome.results_path == f"{bucket.uri}/runs/r1"
    assert len(shop.ledger()["requests"]) == 3 * ROWS

    assert reqflo_ray.run(**request).resumed and reqflo_ray.resume("r1", target=Target(store=bucket.uri)).exit_code == 0
    assert len(shop.ledger()["requests"]) == 3 * ROWS, "a finished run sends nothing"

    store = reqflo_ray.open_store(bucket.uri)
    assert [(run.run_id, run.state.value) for run in store.runs()] == [("r1", "finished")]
    assert list(store.query("select status, count(*) from results group by 1").rows()) == [("passed", ROWS)]
    reqflo_ray.write_reports("r1", [(name, tmp_path / name) for name in FORMATS], store=bucket.uri)
    assert len(json.loads((tmp_path / "json").read_text())["rows"]) == ROWS
    assert (tmp_path / "junit").read_text().count("<testcase ") == ROWS
    assert list(store.query("select count(*) from steps where run_id = 'r1' and step_id = 'create'").rows()) == [
        (ROWS,)
    ]
    assert store.row("r1", "0", step="create").steps[0]["http_response_status_code"] == 201
    report = store.verify("latest")
    assert report.ok and report.rows == ROWS
    folder = RunFolder(open_storage(bucket.uri), "r1")
    assert not {"journal", "attempts", "epochs", "stop", "sealing.key"} & set(folder.storage.list("runs/r1"))

    again = reqflo_ray.rerun("r1", target=Target(store=bucket.uri, backend="local"))
    assert again.exit_code == 0 and len(shop.ledger()["requests"]) == 6 * ROWS

    folder.write_file("results/shard-00000.a0001.parquet", b"\0" * 10)
    assert {finding.kind for finding in store.verify("r1").findings} == {"damaged"}
    assert set(store.prune(keep=0).runs) == {"r1", again.run_id}
    assert open_storage(bucket.uri).list("") == ["input"]


def test_the_command_line_works_with_a_bucket_and_says_what_is_wrong(
    s3_bucket: Bucket, workspace: Path, orders: Path
) -> None:
    def command(*line: str) -> tuple[int, str, str]:
        import io

        out, err = io.BytesIO(), io.BytesIO()
        streams = [io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in (out, err)]
        code = run_command_line(line, Terminal(out=streams[0], err=streams[1], environment={}))
        return code, out.getvalue().decode(), err.getvalue().decode()

    run = ("run", "place-order", "--workspace", str(workspace), "--data", str(orders), "--key", "order_ref")
    code, _, err = command(
        *run, "--backend", "local", "--store", s3_bucket.uri, "--run-id", "cli", "--durability", "process"
    )
    assert code == 0, err
    assert f"results: {s3_bucket.uri}/runs/cli" in err
    code, out, _ = command("sql", "select count(*) as n from steps", "--store", s3_bucket.uri, "--format", "json")
    assert code == 0 and json.loads(out) == [{"n": 3 * ROWS}]
    assert command("verify", "cli", "--store", s3_bucket.uri)[0] == 0
    code, _, err = command(*run, "--backend", "local", "--store", "s3://nowhere/x")
    assert code == 3 and "error[no_such_bucket]" in err and "nowhere" in err
    code, _, err = command(*run, "--store", "s3://key:canary@bucket/x")
    assert code == 2 and "error[credentials_in_uri]" in err and "canary" not in err
    code, _, err = command("runs", "--store", "az://container/x")
    assert code == 2 and "error[unsupported_store]" in err and "s3://" in err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("input/missing.csv", "there is no file"),
        ("input/missing-*.csv", "no file matches"),
        ("in*/x.csv", "last part"),
        ("../nowhere/x.csv", "leads out"),
    ],
)
def test_data_that_is_not_in_the_bucket_is_an_error_before_anything_is_sent(
    bucket: Bucket, workspace: Path, shop: DemoServer, name: str, says: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        reqflo_ray.run(**_request(workspace, bucket.uri, f"{bucket.uri}/{name}"))
    told = repr([(problem.message, problem.cause) for problem in caught.value.problems])
    assert says in told
    assert shop.ledger()["total"] == 0


def test_data_at_an_address_with_credentials_is_refused_and_not_repeated(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        reqflo_ray.run(**_request(workspace, str(tmp_path / "store"), "s3://key:canary@bucket/x.csv"))
    assert caught.value.code == "credentials_in_uri" and "canary" not in repr(vars(caught.value))


def test_parquet_and_gzip_are_read_where_they_lie(bucket: Bucket, workspace: Path, orders: Path) -> None:
    import gzip

    import pyarrow as pa
    from pyarrow import csv, parquet

    table = csv.read_csv(orders)
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, row_group_size=3)
    for name, data in (("o.parquet", sink.getvalue().to_pybytes()), ("o.csv.gz", gzip.compress(orders.read_bytes()))):
        request = _request(workspace, bucket.uri, _put(bucket, f"input/{name}", data), run_id=name.replace(".", "-"))
        assert reqflo_ray.run(**request).verdict.counts.passed == ROWS


# What a question may reach


def test_a_question_reaches_the_tables_of_its_store_and_nothing_else(
    bucket: Bucket, workspace: Path, orders: Path, tmp_path: Path
) -> None:
    reqflo_ray.run(**_request(workspace, bucket.uri, str(orders)))
    other = f"{bucket.uri}-other"
    open_storage(other).write("runs/r1/x.txt", b"canary")
    open_storage(bucket.uri).write("x.txt", b"canary")
    open_storage(bucket.uri).write("runs/r1/x.txt", b"canary")
    open_storage(bucket.uri).write("runs/r1/sealing.key", b"canary")
    open_storage(bucket.uri).write("runs/r1/results/shard-00000.a0009.parquet", b"canary")
    (tmp_path / "x.txt").write_text("canary")
    [table, *_] = open_storage(bucket.uri).list("runs/r1/steps")
    places = (
        f"{bucket.uri}/x.txt",
        f"{bucket.uri}/runs/../x.txt",
        f"{bucket.uri}/runs/r1/x.txt",
        f"{bucket.uri}/runs/r1/*.txt",
        f"{bucket.uri}/runs/r1/sealing.key",
        f"{bucket.uri}/runs/r1/run.json",
        f"{bucket.uri}/runs/r1/results/../sealing.key",
        f"{bucket.uri}/runs/r1/results/shard-00000.a0009.parquet",
        f"{bucket.uri}/runs/r1/results/*",
        f"{other}/runs/r1/x.txt",
        f"{bucket.scheme}://other/x.txt",
        f"{tmp_path}/x.txt",
        "/etc/passwd",
        "https://127.0.0.1:9/x",
    )
    with open_session(open_storage(bucket.uri)) as session:
        assert len(session.query(f"select * from read_parquet('{bucket.uri}/runs/r1/steps/{table}')")) > 0
        for place, function in itertools.product(places, ("read_text", "read_blob", "read_csv", "glob")):
            with contextlib.suppress(QueryError):
                assert len(session.query(f"select * from {function}('{place}')")) == 0, (function, place)
        for sql in (f"copy (select 1) to '{bucket.uri}/runs/r1/y.parquet'", f"attach '{bucket.uri}/runs/r1/z.db'"):
            with pytest.raises(QueryError):
                session.query(sql)
    assert "y.parquet" not in open_storage(bucket.uri).list("runs/r1")


def test_a_question_reads_the_columns_it_needs_and_of_the_run_it_names_only(
    gs_bucket: Bucket, gcs_server: GcsServer, workspace: Path, orders: Path
) -> None:
    for run_id in ("r1", "r2"):
        reqflo_ray.run(**_request(workspace, gs_bucket.uri, str(orders), run_id=run_id))
    with open_session(open_storage(gs_bucket.uri), ["r1", "r2"]) as session:
        del gcs_server.requests[:]  # the files are checked
        assert list(session.query("select count(*) from steps where run_id = 'r2'").rows()) == [(3 * ROWS,)]
    read = {key for method, key in gcs_server.requests if method == "GET" and "/r1/steps/" in key}
    assert len(read) <= 1, "one file of the other run tells the columns; the rest is not opened"


def test_a_damaged_table_is_refused_or_left_out_and_what_was_whole_is_remembered(
    bucket: Bucket, workspace: Path, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked_files, "WORTH_REMEMBERING", 0)
    reqflo_ray.run(**_request(workspace, bucket.uri, str(orders)))
    storage, later = open_storage(bucket.uri), datetime.now(UTC) + timedelta(minutes=1)
    read: list[str] = []
    pieces = ObjectStorage.pieces

    def noting(self: ObjectStorage, path: str) -> Iterator[bytes]:
        read.append(path)
        return pieces(self, path)

    monkeypatch.setattr(ObjectStorage, "pieces", noting)
    for _ in range(2):
        with open_session(storage, now=later) as session:
            assert list(session.query("select count(*) from results").rows()) == [(ROWS,)]
    assert len(read) == len(set(read)), "each is read as a whole once"
    [table, *_] = storage.list("runs/r1/results")
    data = bytearray(storage.read(f"runs/r1/results/{table}"))
    data[len(data) // 2] ^= 1
    storage.write(f"runs/r1/results/{table}", bytes(data))
    with pytest.raises(IntegrityError, match=f"`results/{table}` of run `r1`"):
        open_session(storage, now=later)
    with open_session(storage, damaged=Damaged.SKIP, now=later) as session:
        assert "1 damaged file is left out" in session.query("select 1 from results").left_out
    storage.remove(f"runs/r1/results/{table}")
    with pytest.raises(IntegrityError, match=f"`results/{table}` of run `r1`"):
        open_session(storage, now=later)


# Who may commit


def _begin(workspace: Path, store: str, data: Path) -> RunFolder:
    """A run whose rows are staged, as its driver would leave it for the workers."""
    request = _request(workspace, store, str(data))
    prepared = prepare(request["journey"], request["data"], joins_cluster=False)
    record = make_record(request["journey"], request["data"], request["execution"], prepared, run_id="r1")
    storage = open_storage(store)
    folder = RunFolder(storage, "r1")
    save_artifact(storage, prepared.artifact)
    assert folder.create_run(record)
    assert folder.claim_epoch(Owner(), after=0) == 1
    staging(folder, lambda rows: Room(1, 1))(record, prepared.artifact)
    return folder


def test_of_two_attempts_that_race_for_a_commit_exactly_one_wins(bucket: Bucket) -> None:
    for shard in range(6):
        folders = [RunFolder(open_storage(bucket.uri), "r1") for _ in range(2)]
        numbers = [folder.claim_attempt(shard, 1) for folder in folders]
        assert numbers == [1, 2]
        summary = ShardSummary(shard=shard, attempt=2, counts=Counts())
        # The same attempt, twice: as when a worker is thought dead, started again and is not.
        commits = [Commit(shard=shard, attempt=2, epoch=1, files=(), summary=summary)] * 2
        start = threading.Barrier(2)
        won: list[bool] = []

        def commit(folder: RunFolder, commit: Commit, start: threading.Barrier = start, won: list[bool] = won) -> None:
            start.wait(20)
            won.append(folder.commit(commit))

        threads = [threading.Thread(target=commit, args=pair) for pair in zip(folders, commits, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(won) == [False, True]
        assert not folders[0].commit(msgspec.structs.replace(commits[0], attempt=1)), "it has a successor"
        assert folders[0].read_commit(shard) == commits[0]


def test_an_attempt_that_was_taken_over_sends_nothing_more_and_commits_nothing(
    bucket: Bucket, workspace: Path, orders: Path, shop: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _begin(workspace, bucket.uri, orders)
    plan = (read_plan(folder.storage, "r1") or Plan())[0]

    async def both() -> tuple[Any, Any, int]:
        async with open_worker(folder) as old, open_worker(folder) as new:
            claimed = asyncio.Event()
            loop = asyncio.get_running_loop()
            real = ObjectStorage.open_log

            def open_log(self: ObjectStorage, path: str) -> Any:
                # The old attempt is claimed, has read everything, and falls asleep until the new one is done.
                if path.endswith("0001.log"):
                    loop.call_soon_threadsafe(claimed.set)
                    assert awake.wait(60)
                return real(self, path)

            awake = threading.Event()
            monkeypatch.setattr(ObjectStorage, "open_log", open_log)
            sleeping = asyncio.ensure_future(run_shard(old, plan, 1))
            await claimed.wait()
            done = await run_shard(new, plan, 1)
            sent = shop.ledger()["total"]
            awake.set()
            return await sleeping, done, sent

    late, done, sent = asyncio.run(both())
    assert done.outcome is ShardOutcome.COMMITTED and done.summary.attempt == 2
    assert late.outcome is ShardOutcome.SUSPENDED
    assert shop.ledger()["total"] == sent == 3 * plan.rows
    commit = folder.read_commit(plan.shard)
    assert commit is not None and commit.attempt == 2


def test_a_run_that_somebody_drives_is_not_taken(s3_bucket: Bucket, workspace: Path, orders: Path) -> None:
    from reqflo_ray._internal.runs.folder.owner import this_process

    folder = _begin(workspace, s3_bucket.uri, orders)
    assert folder.claim_epoch(this_process(), after=1) == 2
    with pytest.raises(RunConflictError) as caught:
        reqflo_ray.resume("r1", target=Target(store=s3_bucket.uri, backend="local"))
    assert caught.value.code == "run_owned"
    outcome = reqflo_ray.resume("r1", target=Target(store=s3_bucket.uri, backend="local"), take_over=True)
    assert outcome.exit_code == 0 and outcome.verdict.status is Status.PASSED


def test_a_damaged_commit_is_not_trusted(s3_bucket: Bucket) -> None:
    folder = RunFolder(open_storage(s3_bucket.uri), "r1")
    folder.write_file("commits/00000.json", b"{")
    with pytest.raises(IntegrityError):
        list(folder.commits())
