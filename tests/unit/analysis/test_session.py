"""Questions in SQL: what the views hold, what is left out, and that nothing else can be done."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyarrow import parquet
from sample_runs import RunMaker

from reqflo_ray._internal.analysis.session import Session, open_session
from reqflo_ray._internal.errors import IntegrityError, QueryError, UsageError
from reqflo_ray._internal.storage.local import LocalStorage

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def full(run_maker: type[RunMaker], tmp_path_factory: pytest.TempPathFactory) -> LocalStorage:
    """A store with a finished run, one with failures, and an unfinished one. Tests leave it as it is."""
    runs = run_maker(LocalStorage(tmp_path_factory.mktemp("full") / "store"))
    runs.finish("good", rows=5, created_at="2026-11-22T10:00:00Z")
    runs.finish("bad", rows=5, fail_every=5, created_at="2026-11-22T11:00:00+01:00", journey="other", presets=("p",))
    folder = runs.begin("unfinished")
    runs.stage(folder, 3)
    runs.commit(folder, 1, 4)
    runs.write(folder, 2, 4)  # of an attempt that has not committed
    folder.storage.create(folder.path("sealing.key"), b"00ff")
    storage: LocalStorage = runs.storage
    return storage


@pytest.fixture(scope="module")
def session(full: LocalStorage) -> Iterator[Session]:
    with open_session(full, now=NOW) as opened:
        yield opened


@pytest.fixture
def ask(session: Session) -> Ask:
    return lambda sql: list(session.query(sql).rows())


# What can be asked


def test_runs_have_a_line_each(ask: Ask) -> None:
    assert ask("SELECT run_id, state, status, exit_code, rows, failed, journey, presets FROM runs ORDER BY run_id") == [
        ("bad", "finished", "failed", 1, 10, 2, "other", ["p"]),
        ("good", "finished", "passed", 0, 10, 0, "place-order", []),
        ("unfinished", "running", None, None, 4, 0, "place-order", []),
    ]


def test_instants_of_runs_are_utc(ask: Ask) -> None:
    ((created, started, finished),) = ask("SELECT created_at, started_at, finished_at FROM runs WHERE run_id = 'bad'")
    assert created == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert started == created
    assert finished == datetime(2026, 11, 22, 10, 45, 2, 500_000, tzinfo=UTC)


def test_results_have_a_line_per_row_that_counts(ask: Ask) -> None:
    assert ask("SELECT run_id, count(*), min(row_index), max(row_index) FROM results GROUP BY 1 ORDER BY 1") == [
        ("bad", 10, 0, 9),
        ("good", 10, 0, 9),
        ("unfinished", 4, 4, 7),
    ]
    assert ask("SELECT row_key, error_code, failed_step FROM results WHERE status = 'failed' ORDER BY row_index") == [
        ("ref-000000", "assertion_failed", "read"),
        ("ref-000005", "assertion_failed", "read"),
    ]
    assert ask(
        "SELECT inputs->>'order_ref', shard, duration_ms FROM results WHERE run_id='good' AND row_index = 7"
    ) == [("ref-000007", 1, 12.345)]


def test_steps_hold_the_evidence(ask: Ask) -> None:
    ((order, kind, length, binary),) = ask(
        """SELECT http_response_body->>'$.order.id', http_response_headers['content-type'],
                  http_response_body_bytes = strlen(http_response_body), http_response_body_binary
           FROM steps WHERE run_id = 'good' AND row_key = 'ref-000003' AND step_id = 'create'"""
    )
    assert order.startswith("ord-")
    assert (kind, length, binary) == ("application/json", True, None)
    assert ask("SELECT step_id, count(*) FROM steps WHERE run_id = 'good' GROUP BY 1 ORDER BY 1") == [
        ("create", 10),
        ("read", 10),
        ("token", 10),
    ]


def test_types_are_easy_to_ask(session: Session) -> None:
    result = session.query("SELECT started_at, duration_ms, wait_ms, http_request_headers, outputs FROM steps LIMIT 0")
    assert result.types == ("TIMESTAMP WITH TIME ZONE", "DOUBLE", "DOUBLE", "MAP(VARCHAR, VARCHAR)", "VARCHAR")


def test_assertions_are_unnested(ask: Ask) -> None:
    assert ask(
        """SELECT type, operator, expected, actual, status, soft, message, position FROM assertions
           WHERE run_id = 'bad' AND status = 'failed' AND row_index = 5"""
    ) == [("status_code", "equals", "200", "500", "failed", False, "status is 500, expected 200", 1)]
    assert ask("SELECT path, soft, origin, id FROM assertions WHERE path IS NOT NULL LIMIT 1") == [
        ("$.order.total", True, "template", "total")
    ]
    assert ask("SELECT count(*) FROM assertions WHERE run_id = 'good'") == [(20,)]


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        ('{"a":"cut \\ud83d"}', "cut \\ud83d"),
        ('{"a":"\\ude00\\ud83d"}', "\\ude00\\ud83d"),
        (r'{"a":"\\\ud83d"}', r"\\ud83d"),
        ('{"a":"\\ud83d\\ude00\\ud83d"}', "\U0001f600\\ud83d"),
        (r'{"a":"\\ud83d"}', r"\ud83d"),
        ('{"a":"\U0001f600 \\u0000"}', "\U0001f600 \x00"),
    ],
)
def test_one_half_of_a_surrogate_pair_does_not_fail_a_question_about_all_rows(
    kept: str, asked: str, storage: LocalStorage, runs: RunMaker, shard_records: Any
) -> None:
    results, steps = shard_records(0, 2)
    odd = msgspec.structs.replace(steps[2].assertions[0], actual=kept, expected=kept)
    steps[1] = msgspec.structs.replace(steps[1], outputs=kept)
    steps[2] = msgspec.structs.replace(steps[2], assertions=(odd,))
    results[0] = msgspec.structs.replace(results[0], inputs=kept)
    folder = runs.begin("odd")
    runs.stage(folder, 1)
    assert folder.commit(runs.write_records(folder, 0, results, steps))
    with open_session(storage, now=NOW) as session:
        for question in (
            "SELECT outputs->>'a' FROM steps WHERE outputs IS NOT NULL ORDER BY row_index",
            "SELECT inputs->>'a' FROM results ORDER BY row_index",
            "SELECT json(actual)->>'a' FROM assertions WHERE type = 'status_code' ORDER BY row_index",
            "SELECT json(expected)->>'a' FROM assertions WHERE type = 'status_code' ORDER BY row_index",
        ):
            assert [value for (value,) in session.query(question).rows()] == [asked, None], question
    # In the file it is what it was.
    (path,) = (Path(storage.uri) / "runs/odd/steps").iterdir()
    assert parquet.read_table(path).column("outputs").to_pylist()[1] == kept


def test_logs_are_unnested(ask: Ask) -> None:
    lines = ask("SELECT run_id, row_key, step_id, kind, text, logged_at FROM logs ORDER BY row_index")
    assert [line[:5] for line in lines] == [
        ("bad", "ref-000000", "read", "retry", "attempt 1 failed: connection_closed"),
        ("bad", "ref-000005", "read", "retry", "attempt 1 failed: connection_closed"),
    ]
    assert isinstance(lines[0][5], datetime)
    assert lines[0][5].utcoffset() == timedelta(0)


def test_two_runs_can_be_compared(ask: Ask) -> None:
    changed = ask(
        """SELECT b.row_key, a.status, b.status FROM results a JOIN results b USING (row_index)
           WHERE a.run_id = 'good' AND b.run_id = 'bad' AND a.status <> b.status ORDER BY 1"""
    )
    assert changed == [("ref-000000", "passed", "failed"), ("ref-000005", "passed", "failed")]


def test_no_column_needs_quotes(session: Session) -> None:
    for view in ("runs", "results", "steps", "assertions", "logs"):
        columns = session.query(f"FROM {view} LIMIT 0").columns
        assert session.query(f"SELECT {', '.join(columns)} FROM {view} LIMIT 0").columns == columns
        for column in columns:
            plan = session.query(f"SELECT t.{column} AS a, {column} AS b FROM {view} t WHERE t.{column} IS NOT NULL")
            assert plan.table["a"] == plan.table["b"], f"`{column}` means something else when it stands alone"


@pytest.mark.parametrize(
    "sql",
    [
        "FROM runs",
        "DESCRIBE steps",
        "SUMMARIZE results",
        "SHOW TABLES",
        "VALUES (1), (2)",
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x",
        "SELECT * FROM (PIVOT results ON status IN ('passed', 'failed') USING count(*))",
        "PIVOT results ON status IN ('passed') USING count(*)",
        "SELECT quantile_cont(duration_ms, [0.5, 0.95]) FROM steps",
        "SELECT now(), sum(requests), uuid(), 1::HUGEINT, INTERVAL 1 DAY FROM results",
        "SELECT 1; ",
        "SELECT 1 -- and a remark",
    ],
)
def test_all_kinds_of_questions_are_answered(ask: Ask, sql: str) -> None:
    assert ask(sql)


def test_only_the_runs_that_are_named_are_read(session: Session, full: LocalStorage) -> None:
    assert session.run_ids == ("bad", "good", "unfinished")
    with open_session(full, ["go", "good"], now=NOW) as one:
        assert one.run_ids == ("good",)
        assert list(one.query("SELECT DISTINCT run_id FROM steps").rows()) == [("good",)]
    with pytest.raises(UsageError):
        open_session(full, ["nothing"])


def test_only_the_files_of_a_run_are_opened(runs: RunMaker) -> None:
    runs.finish("r1", shards=1)
    runs.finish("r2", shards=1)
    with open_session(runs.storage) as session:
        file = runs.storage.root / "runs/r2/steps/shard-00000.a0001.parquet"
        file.write_bytes(b"\0" * file.stat().st_size)
        assert list(session.query("SELECT count(*) FROM steps WHERE run_id = 'r1'").rows()) == [(15,)]
        with pytest.raises(IntegrityError) as caught:
            session.query("SELECT count(*) FROM steps WHERE run_id = 'r2'")
    assert "`steps/shard-00000.a0001.parquet` of run `r2` was changed" in caught.value.message


@pytest.mark.parametrize("view", ["runs", "results", "steps", "assertions", "logs"])
def test_an_empty_store_has_empty_views(storage: LocalStorage, view: str) -> None:
    with open_session(storage) as session:
        result = session.query(f"SELECT * FROM {view}")
        assert len(result) == 0
        assert "run_id" in result.columns
    assert not storage.root.exists()


def test_an_empty_view_has_the_columns_and_types_of_a_full_one(session: Session, tmp_path: Path) -> None:
    with open_session(LocalStorage(tmp_path / "empty")) as empty:
        for view in ("runs", "results", "steps", "assertions", "logs"):
            assert list(session.query(f"DESCRIBE {view}").rows()) == list(empty.query(f"DESCRIBE {view}").rows())


def test_a_store_in_a_folder_with_a_strange_name_works(tmp_path: Path, runs: RunMaker) -> None:
    strange = type(runs)(LocalStorage(tmp_path / "it's [a] *store*? ä"))
    strange.finish("r1")
    with open_session(strange.storage) as session:
        assert list(session.query("SELECT count(*) FROM steps WHERE run_id = 'r1'").rows()) == [(30,)]


# What cannot be done


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_json('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM '/tmp/x.csv'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_duckdb('/tmp/x.db')",
        "SELECT * FROM read_text('{runs}/../../outside.txt')",
        "SELECT * FROM read_text('{runs}/good/../../../outside.txt')",
        "SELECT * FROM read_text('{store}/.gitignore')",
        "SELECT * FROM read_blob('{runs}/unfinished/sealing.key')",
        "SELECT * FROM read_text('{runs}/unfinished/sealing.key')",
        "SELECT * FROM read_csv('{runs}/unfinished/sealing.key')",
        "SELECT * FROM '{runs}/unfinished/sealing.key'",
        "SELECT * FROM read_blob('file://{runs}/unfinished/sealing.key')",
        "SELECT * FROM read_blob('{runs}/unfinished/results/../sealing.key')",
        "SELECT * FROM read_blob(['{runs}/good/results/shard-00000.a0001.parquet', '{runs}/unfinished/sealing.key'])",
        "SELECT * FROM read_blob('{runs}/unfinished/journal/00001/0001.log')",
        "SELECT * FROM read_text('{runs}/good/run.json')",
        "SELECT * FROM read_json('{runs}/good/verdict.json')",
        "SELECT * FROM read_json('{runs}/good/manifest.json')",
        "SELECT * FROM read_blob('{runs}/good/rows/shard-00000.parquet')",
        "SELECT * FROM read_parquet('{runs}/good/plan.parquet')",
        "SELECT * FROM read_parquet('{runs}/unfinished/results/shard-00002.a0001.parquet')",
        "SELECT * FROM parquet_metadata('{runs}/unfinished/results/shard-00002.a0001.parquet')",
        "SELECT * FROM read_parquet('{runs}/*/results/*.parquet')",
        "SELECT * FROM glob('{runs}/**')",
        "SELECT * FROM glob('{runs}/unfinished/*')",
        "SELECT * FROM read_csv('https://127.0.0.1:9/x')",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "SELECT * FROM duckdb_secrets()",
        "SELECT getenv('HOME')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/x''')",
        "WITH x AS (INSERT INTO runs (run_id) VALUES ('x') RETURNING *) SELECT * FROM x",
        "WITH x AS (DELETE FROM runs RETURNING *) SELECT * FROM x",
        "SELECT * FROM enable_logging()",
        "SELECT nextval('x')",
        "SELECT * FROM storage",
    ],
)
def test_a_question_reaches_nothing_but_the_runs(session: Session, full: LocalStorage, sql: str) -> None:
    (full.root.parent / "outside.txt").write_text("outside")
    with pytest.raises(QueryError) as caught:
        session.query(sql.format(store=full.uri, runs=f"{full.uri}/runs"))
    assert caught.value.exit_code == 2
    assert list(session.query("SELECT count(*) FROM runs").rows()) == [(3,)], "the session goes on"


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '/tmp/reqflo-test.csv'",
        "COPY (SELECT 1) TO '{runs}/good/manifest.json'",
        "COPY runs FROM '/etc/passwd'",
        "ATTACH '/tmp/reqflo-test.db'",
        "ATTACH ':memory:' AS other",
        "DETACH memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET threads = 1",
        "SET enable_external_access = true",
        "SET VARIABLE steps_files = ['/etc/passwd']",
        "RESET lock_configuration",
        "CREATE TABLE x AS SELECT 1",
        "CREATE SECRET (TYPE s3)",
        "CREATE MACRO runs() AS 1",
        "DROP VIEW steps",
        "DELETE FROM runs",
        "INSERT INTO runs (run_id) VALUES ('x')",
        "UPDATE runs SET run_id = 'x'",
        "EXPORT DATABASE '/tmp/reqflo-test'",
        "IMPORT DATABASE '/tmp/reqflo-test'",
        "CALL pragma_version()",
        "CHECKPOINT",
        "VACUUM",
        "USE memory",
        "BEGIN",
        "COMMIT",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "EXPLAIN ANALYZE SELECT 1",
        "PIVOT results ON status USING count(*)",
    ],
)
def test_only_questions_are_possible(session: Session, full: LocalStorage, sql: str) -> None:
    before = (full.root / "runs/good/manifest.json").read_bytes()
    with pytest.raises(QueryError) as caught:
        session.query(sql.format(runs=f"{full.uri}/runs"))
    assert caught.value.code == "select_only"
    assert (full.root / "runs/good/manifest.json").read_bytes() == before
    assert not any(Path("/tmp").glob("reqflo-test*"))
    assert list(session.query("SELECT count(*) FROM runs").rows()) == [(3,)]


@pytest.mark.parametrize("sql", ["", " ; ", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; DROP VIEW steps"])
def test_one_statement_at_a_time(session: Session, sql: str) -> None:
    with pytest.raises(QueryError) as caught:
        session.query(sql)
    assert caught.value.code == "one_statement"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT statuss FROM results", "statuss"),
        ("SELECT * FROM result", "result"),
        ("SELECT nope(1)", "nope"),
        ("SELECT nope('Too many open files')", "nope"),  # what the system says of another thing
    ],
)
def test_a_wrong_question_says_what_there_is(session: Session, sql: str, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        session.query(sql)
    assert caught.value.code == "query_error"
    assert says in caught.value.message
    assert "runs, results, steps, assertions, logs" in caught.value.hint


def test_python_variables_cannot_be_read(session: Session) -> None:
    import pyarrow as pa

    hidden = pa.table({"a": [1]})
    with pytest.raises(QueryError):
        session.query("SELECT * FROM hidden")
    assert hidden.num_rows == 1


def test_a_streamed_answer_is_in_the_order_of_rows_and_in_pieces(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reqflo_ray._internal.analysis.session.STREAMED_ROWS", 3)
    pieces = list(session.stream("SELECT row_index FROM results WHERE run_id = 'good'"))
    assert [row for piece in pieces for row in piece.rows()] == [(number,) for number in range(10)]
    assert max(map(len, pieces)) <= 3 and pieces[0].columns == ("row_index",)


def test_a_session_answers_after_a_stream_that_was_left(session: Session) -> None:
    stream = session.stream("SELECT * FROM range(1_000_000)")
    next(stream)
    assert isinstance(stream, Generator)
    stream.close()
    assert list(session.query("SELECT 1").rows()) == [(1,)]


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "CREATE TABLE x (a INTEGER)", "SELECT nope(1)"])
def test_a_stream_refuses_what_a_question_refuses(session: Session, sql: str) -> None:
    with pytest.raises(QueryError):
        list(session.stream(sql))


def test_asking_writes_nothing(session: Session, full: LocalStorage) -> None:
    def everything() -> list[str]:
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(full.root) for name in names)

    before, here = everything(), sorted(os.listdir())
    session.query("SELECT s1.* FROM steps s1 CROSS JOIN steps s2 ORDER BY s1.http_response_body")
    assert everything() == before
    assert sorted(os.listdir()) == here


def test_a_folder_whose_name_begins_alike_is_not_open(session: Session, full: LocalStorage) -> None:
    full.write("runsx/text.txt", b"text")
    with pytest.raises(QueryError):
        session.query(f"SELECT * FROM read_text('{full.uri}/runsx/text.txt')")
