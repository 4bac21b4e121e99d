"""Questions about runs of which something is damaged: refused by name, or answered without it, and then said."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.analysis.catalog import read_catalog
from reqflo_ray._internal.analysis.session import Session, open_session
from reqflo_ray._internal.errors import IntegrityError, QueryError, StoreError
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.results import checked_files
from reqflo_ray._internal.storage.local import LocalStorage

RESULTS, STEPS = layout.results(1, 1), layout.steps(1, 1)
SKIP = Damaged.SKIP


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _swap(path: Path) -> None:
    """Another whole file of the run in its place."""
    path.write_bytes(path.with_name(path.name.replace("00001", "00000")).read_bytes())


def _make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _make_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _leave_a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


HARMS = [_flip, _cut, _append, _zero, _swap, Path.unlink, _make_a_folder, _make_a_pipe, _leave_a_dangling_link]


def _path(runs: RunMaker, run_id: str, name: str) -> Path:
    return Path(runs.storage.uri, "runs", run_id, name)


def _answers(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.query(sql).rows())


@pytest.fixture(scope="module")
def originals(run_maker: type[RunMaker], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores, each with run `r1`, which has two shards of five rows of which one failed, and run `other`."""
    folder = tmp_path_factory.mktemp("originals")
    for kind in ("finished", "unfinished"):
        runs = run_maker(LocalStorage(folder / kind))
        runs.finish("other", shards=1, rows=3)
        if kind == "finished":
            runs.finish("r1", shards=2, rows=5, fail_every=5)
        else:
            begun = runs.begin("r1")
            runs.stage(begun, 3)
            for shard in range(2):
                runs.commit(begun, shard, 5, fail_every=5)
    return folder


@pytest.fixture(params=["finished", "unfinished"])
def two_shards(request: pytest.FixtureRequest, run_maker: type[RunMaker], originals: Path, tmp_path: Path) -> RunMaker:
    """A copy of one of them."""
    return run_maker(LocalStorage(shutil.copytree(originals / request.param, tmp_path / "store")))


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", [RESULTS, STEPS])
def test_a_damaged_file_refuses_the_question_by_its_name(
    two_shards: RunMaker, harm: Callable[[Path], None], name: str
) -> None:
    harm(_path(two_shards, "r1", name))
    for chosen in (None, ["r1"]):
        with pytest.raises(IntegrityError) as caught:
            open_session(two_shards.storage, chosen)
        error = caught.value
        assert (error.code, error.exit_code) == ("damaged_file", 3)
        assert error.message == f"`{name}` of run `r1` is damaged, missing, or unreadable"
        assert error.cause and "verify r1" in error.hint and "--damaged=skip" in error.hint


@pytest.mark.parametrize("harm", HARMS)
def test_with_skip_a_damaged_file_is_left_out_and_the_answer_says_so(
    two_shards: RunMaker, harm: Callable[[Path], None]
) -> None:
    harm(_path(two_shards, "r1", RESULTS))
    with open_session(two_shards.storage, ["r1"], damaged=SKIP) as session:
        answer = session.query("SELECT row_index FROM results")
        assert [row for (row,) in answer.rows()] == [0, 1, 2, 3, 4]
        assert _answers(session, "SELECT count(*) FROM steps") == [(30,)]
        assert _answers(session, "SELECT rows, rows_unreadable FROM runs") == [(10, 5)]
        (problem,) = answer.problems
    assert f"`r1`: 1 damaged file is left out, with 5 rows: `{RESULTS}` (it" in problem.message
    assert "verify r1" in problem.hint


def test_other_runs_are_answered_when_the_question_names_them(two_shards: RunMaker) -> None:
    _flip(_path(two_shards, "r1", RESULTS))
    with open_session(two_shards.storage, ["other"]) as session:
        assert _answers(session, "SELECT count(*) FROM results") == [(3,)]
        assert not session.problems


def test_all_damaged_files_are_named_up_to_a_bound(runs: RunMaker) -> None:
    runs.finish("r1", shards=12, rows=1)
    for number in range(12):
        _path(runs, "r1", layout.results(number, 1)).unlink()
        _flip(_path(runs, "r1", layout.steps(number, 1)))
    with pytest.raises(IntegrityError) as caught:
        open_session(runs.storage)
    assert caught.value.message == "24 files of run `r1` are damaged, missing, or unreadable"
    lines = caught.value.cause.splitlines()
    assert len(lines) == 21 and lines[-1] == "and 4 more"
    assert "`results/shard-00000.a0001.parquet` of run `r1`: it is missing (see `manifest.json`)" in lines
    assert "`steps/shard-00000.a0001.parquet` of run `r1`: its SHA-256 differs (see `manifest.json`)" in lines
    with open_session(runs.storage, damaged=SKIP) as session:
        assert _answers(session, "SELECT count(*) FROM results") == [(0,)]
        assert "24 damaged files are left out, with 12 rows" in session.problems[0].message
        assert "and 21 more" in session.problems[0].message


def test_damage_of_several_runs_is_told_at_once(runs: RunMaker) -> None:
    for run_id in ("r1", "r2"):
        runs.finish(run_id)
        _flip(_path(runs, run_id, RESULTS))
    with pytest.raises(IntegrityError, match="2 files of runs `r1`, `r2` are damaged") as caught:
        open_session(runs.storage)
    assert "of run `r1`" in caught.value.cause and "of run `r2`" in caught.value.cause


@pytest.mark.parametrize("name", [layout.RECORD, layout.MANIFEST, layout.VERDICT])
@pytest.mark.parametrize("damaged", Damaged)
def test_a_run_whose_documents_cannot_be_read_is_refused_when_it_is_named(
    runs: RunMaker, name: str, damaged: Damaged
) -> None:
    runs.finish("r1")
    path = _path(runs, "r1", name)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StoreError, match=name) as caught:
        open_session(runs.storage, ["r1"], damaged=damaged)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", [layout.MANIFEST, layout.VERDICT, layout.RECORD])
def test_a_run_whose_documents_cannot_be_read_never_hides_the_others(runs: RunMaker, name: str) -> None:
    runs.finish("r1")
    runs.finish("r2").write_file(name, b"{")
    with open_session(runs.storage) as session:
        assert session.run_ids == ("r1",)
        answer = session.query("SELECT DISTINCT run_id FROM results")
    assert list(answer.rows()) == [("r1",)]
    (problem,) = answer.problems
    assert problem.code == "unreadable_run"
    assert problem.message.startswith(f"run `r2` is left out: `{name}` of run `r2`")


def test_what_the_manifest_lists_is_checked_against_it_also_where_it_can_be_read(runs: RunMaker) -> None:
    runs.finish("r1", rows=5, fail_every=5)
    path = _path(runs, "r1", layout.RECORD)
    path.write_bytes(path.read_bytes().replace(b"place-order", b"place-ordes"))
    with pytest.raises(IntegrityError, match=r"run\.json"):
        open_session(runs.storage, ["r1"])


def test_a_damaged_commit_of_an_unfinished_run_is_refused_or_left_out(runs: RunMaker) -> None:
    folder = runs.begin("r1")
    runs.stage(folder, 2)
    for shard in range(2):
        runs.commit(folder, shard, 5)
    _path(runs, "r1", layout.commit(1)).write_bytes(b"{")
    with pytest.raises(IntegrityError, match=r"commits/00001\.json"):
        open_session(runs.storage, ["r1"])
    with open_session(runs.storage, ["r1"], damaged=SKIP) as session:
        assert _answers(session, "SELECT count(*) FROM results") == [(5,)]
        assert _answers(session, "SELECT rows FROM runs") == [(5,)]
        assert "`commits/00001.json`" in session.problems[0].message


def test_no_single_bit_of_a_results_file_changes_an_answer(runs: RunMaker) -> None:
    """A seeded sample over all files and questions; DuckDB alone answers wrongly for about one in seven of them."""
    runs.finish("r1", shards=2, rows=20, fail_every=20)
    paths = [
        _path(runs, "r1", name) for number in range(2) for name in (layout.results(number, 1), layout.steps(number, 1))
    ]
    chance = random.Random(11)
    for _ in range(60):
        path = chance.choice(paths)
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(IntegrityError) as caught:
            open_session(runs.storage)
        assert path.name in caught.value.message
        path.write_bytes(whole)
    with open_session(runs.storage) as session:
        assert _answers(session, "SELECT status, count(*) FROM results GROUP BY 1 ORDER BY 1") == [
            ("failed", 2),
            ("passed", 38),
        ]


# What changes while it is being asked


def test_a_file_that_is_changed_after_it_was_checked_is_named(runs: RunMaker) -> None:
    runs.finish("r1")
    with open_session(runs.storage) as session:
        _zero(_path(runs, "r1", RESULTS))
        with pytest.raises(IntegrityError) as caught:
            session.query("SELECT count(*) FROM results WHERE status = 'failed'")
    assert caught.value.message == f"`{RESULTS}` of run `r1` was changed during the query"


def test_a_file_that_vanishes_while_it_is_asked_is_named(runs: RunMaker) -> None:
    runs.finish("r1")
    with open_session(runs.storage) as session:
        _path(runs, "r1", RESULTS).unlink()
        with pytest.raises(StoreError) as caught:
            session.query("SELECT count(*) FROM results WHERE status = 'failed'")
        assert RESULTS in caught.value.message and caught.value.cause == "it is missing"
        with pytest.raises(StoreError, match="shard-00001"):
            list(session.stream("SELECT * FROM results"))


def test_a_run_that_is_deleted_while_it_is_asked_is_said_to_be(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    with open_session(runs.storage) as session:
        folder.discard()
        with pytest.raises(StoreError, match="run `r1` was deleted during the query") as caught:
            session.query("SELECT count(*) FROM results WHERE status = 'failed'")
    assert (caught.value.code, caught.value.exit_code) == ("run_deleted", 3)


def test_a_run_that_is_deleted_while_all_are_looked_at_is_none_of_them(
    runs: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.finish("r1")
    doomed = runs.finish("r2")
    real = LocalStorage.pieces

    def pieces(self: LocalStorage, path: str) -> Iterator[bytes]:
        if "/r2/results/" in path:
            doomed.discard()
        return real(self, path)

    monkeypatch.setattr(LocalStorage, "pieces", pieces)
    with open_session(runs.storage) as session:
        assert session.run_ids == ("r1",) and not session.problems


class UnreadableErrors:
    """A connection to DuckDB whose every error holds bytes that are no text."""

    def extract_statements(self, sql: str) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


def test_an_error_of_duckdb_that_is_no_text_is_one_of_ours(runs: RunMaker) -> None:
    runs.finish("r1")
    catalog = read_catalog(runs.storage, None, datetime.now(UTC), Damaged.REFUSE)
    session = Session(UnreadableErrors(), runs.storage, catalog)  # type: ignore[arg-type]
    with pytest.raises(QueryError):
        session.query("SELECT 1")
    _flip(_path(runs, "r1", STEPS))
    with pytest.raises(IntegrityError, match="steps/shard-00001"):
        session.query("SELECT 1")


def test_a_question_that_is_wrong_about_a_whole_file_is_only_that(runs: RunMaker) -> None:
    runs.finish("r1")
    with open_session(runs.storage) as session, pytest.raises(QueryError):
        session.query(f"SELECT * FROM read_json('{_path(runs, 'r1', RESULTS)}')")


# Which files may be read


@pytest.mark.parametrize("name", [RESULTS, STEPS])
@pytest.mark.parametrize("function", ["read_parquet", "read_blob", "parquet_metadata", "parquet_schema", "read_csv"])
def test_a_file_that_is_left_out_cannot_be_read_in_another_way(runs: RunMaker, name: str, function: str) -> None:
    runs.finish("r1")
    path = _path(runs, "r1", name)
    _flip(path)
    with open_session(runs.storage, damaged=SKIP) as session, pytest.raises(QueryError, match="Permission"):
        session.query(f"SELECT * FROM {function}('{path}')")


def test_a_run_that_is_not_asked_cannot_be_read_in_another_way(runs: RunMaker) -> None:
    for run_id in ("r1", "r2"):
        runs.finish(run_id)
    with open_session(runs.storage, ["r1"]) as session:
        question = "SELECT count(*) FROM read_parquet('{}')"
        assert _answers(session, question.format(_path(runs, "r1", RESULTS))) == [(5,)]
        with pytest.raises(QueryError, match="Permission"):
            session.query(question.format(_path(runs, "r2", RESULTS)))


# What is remembered


def test_a_question_after_the_first_still_finds_what_was_changed_since(
    runs: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size and modification time are as before: only the change time tells."""
    monkeypatch.setattr(checked_files, "WORTH_REMEMBERING", 0)
    later = datetime.now(UTC) + timedelta(minutes=1)
    runs.finish("r1")
    for _ in range(2):
        with open_session(runs.storage, now=later) as session:
            assert _answers(session, "SELECT count(*) FROM results") == [(10,)]
    assert _path(runs, "r1", layout.CHECKED).exists()
    path = _path(runs, "r1", RESULTS)
    before = path.stat()
    _flip(path)
    while (path.stat().st_mtime_ns, path.stat().st_ctime_ns != before.st_ctime_ns) != (before.st_mtime_ns, True):
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(IntegrityError, match=path.name):
        open_session(runs.storage, now=later)
