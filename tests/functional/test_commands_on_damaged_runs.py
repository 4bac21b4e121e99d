"""Bits of result files that were changed: every command that reads them refuses the file by its name, or says that it
leaves it out."""

from __future__ import annotations

import html
import io
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.runs.results import checked_files
from reqflo_ray._internal.storage.local import LocalStorage

STORES = Path(__file__).parents[1] / "data" / "stores" / "v0.1.0"
RUNS = {"finished": "nightly-1", "interrupted": "nightly-2"}
STATUSES = "select status, count(*) from results group by 1 order by 1"

Line = tuple[str, ...]


@pytest.fixture(params=sorted(RUNS))
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a run, in a copy of its store."""
    store = shutil.copytree(STORES / request.param, tmp_path / "store")
    return Path(store, "runs", RUNS[request.param])


@pytest.fixture
def ask(command: Callable[..., Any], run: Path) -> Callable[..., Any]:
    """Runs a command line on that store."""
    return lambda *line: command(*line, "--store", str(run.parents[1]))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where commands write their files."""
    folder = tmp_path / "written"
    folder.mkdir()
    return folder


def _lines(run: Path, place: Path) -> Iterator[Line]:
    """Everything that reads results, in every format."""
    for format_ in ("table", "csv", "json"):
        yield "sql", STATUSES, "--run", run.name, "--format", format_
    yield "sql", STATUSES, "--output", str(place / "answer.parquet")
    yield "sql", "select count(*) from runs"
    yield "sql", "select count(*) from runs", "--run", "all"
    yield "show", run.name
    yield "show", run.name, "--json"
    yield "show", run.name, "--row", "0"
    for format_ in ("junit", "html", "markdown", "json", "ctrf"):
        yield "report", run.name, f"{format_}={place / f'report.{format_}'}"


def _taken(place: Path) -> str:
    """What is in the files that a command has written; they are gone then."""
    told = ""
    for path in sorted(place.iterdir()):
        told += repr(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_text("utf-8")
        path.unlink()
    return told


@pytest.mark.parametrize("seed", range(2))
def test_a_flipped_bit_is_refused_by_the_name_of_its_file_or_said_to_be_left_out(
    run: Path, ask: Callable[..., Any], place: Path, seed: int
) -> None:
    chance = random.Random(f"{run.name} {seed}")
    path = chance.choice([path for part in ("results", "steps") for path in sorted((run / part).iterdir())])
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    for line in _lines(run, place):
        refused = ask(*line)
        assert (refused.code, _taken(place)) == (3, ""), line
        if "--json" in line:  # the refusal is a document too, and nothing but that
            assert [problem["code"] for problem in refused.json["problems"]] == ["damaged_file"]
            assert refused.json.keys() == {"ok", "exit_code", "problems"} and not refused.json["ok"]
        else:
            assert refused.out == "", line
        assert "error[damaged_file]" in refused.err and path.name in refused.err and run.name in refused.err, line
        answer = ask(*line, "--damaged", "skip")
        # Where a row is among what is left out, there is no answer, and the error says why.
        told = html.unescape(answer.out + _taken(place)) if answer.code == 0 else answer.err
        assert answer.code == (2 if "--row" in line and not answer.out else 0), line
        assert "left out" in told and path.name in told, line
    assert ask("verify", run.name).code == 3


@pytest.mark.parametrize("run", ["finished"], indirect=True)
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        # Each still reads as what it was, and says something else.
        ("verdict.json", b'"failed": 1', b'"failed": 0'),
        ("run.json", b"place-order", b"place-ordes"),
        ("manifest.json", b'"rows": 3', b'"rows": 2'),
    ],
)
def test_a_changed_document_refuses_questions_about_its_run_and_hides_no_other(
    run: Path, ask: Callable[..., Any], place: Path, name: str, old: bytes, new: bytes
) -> None:
    path = run / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    for line in [
        ("sql", STATUSES, "--run", run.name),
        ("show", run.name),
        ("report", run.name, f"json={place / 'r.json'}"),
    ]:
        for option in [(), ("--damaged", "skip")]:
            refused = ask(*line, *option)
            assert (refused.code, refused.out, _taken(place)) == (3, "", ""), line
            assert name in refused.err and run.name in refused.err, line
    others = ask("sql", "select count(*) as runs from runs", "--run", "all", "--format", "json")
    assert others.code == 0 and others.json[0]["runs"] == 0
    assert f"run `{run.name}` is left out" in others.json[0]["left_out"] and name in others.json[0]["left_out"]


@pytest.mark.parametrize("run", ["finished"], indirect=True)
def test_a_bit_that_turns_the_only_failed_row_green_for_parquet_is_refused(
    run: Path, ask: Callable[..., Any], place: Path
) -> None:
    [path] = [path for path in (run / "results").iterdir() if "failed" in pq.read_table(path)["status"].to_pylist()]
    original, green = path.read_bytes(), 0
    group = pq.ParquetFile(path).metadata.row_group(0)
    [column] = [group.column(at) for at in range(group.num_columns) if group.column(at).path_in_schema == "status"]
    start = column.dictionary_page_offset or column.data_page_offset
    for at in range(8 * start, 8 * (start + column.total_compressed_size)):
        changed = bytearray(original)
        changed[at // 8] ^= 1 << at % 8
        try:
            statuses = set(pq.read_table(io.BytesIO(changed), columns=["status"])["status"].to_pylist())
        except Exception:
            continue
        if statuses == {"passed"}:
            green += 1
            path.write_bytes(changed)
            for line in (("sql", STATUSES), ("report", run.name, f"junit={place / 'junit.xml'}")):
                assert ask(*line).code == 3 and not _taken(place)
    assert green, "no bit did: this test has shown nothing"


@pytest.mark.parametrize("run", ["finished"], indirect=True)
def test_what_is_remembered_of_a_run_is_no_part_of_it(
    run: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked_files, "WORTH_REMEMBERING", 0)
    monkeypatch.setattr(checked_files, "SETTLED_AFTER_SECONDS", 0)
    assert ask("sql", STATUSES).code == 0
    assert (run / "checked.json").exists()
    for line in [("verify", run.name), ("runs",), ("sql", STATUSES), ("show", run.name)]:
        assert ask(*line).code == 0
    assert ask("resume", run.name).code == 1, "as the run did"
    assert ask("prune", "--keep", "0").code == 0 and not run.exists()


@pytest.mark.parametrize("run", ["finished"], indirect=True)
def test_a_store_that_may_only_be_read_answers_all_the_same(
    run: Path, ask: Callable[..., Any], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: LocalStorage, path: str, *_: object) -> bool:
        raise StoreError(f"cannot write `{path}`", code="store_not_permitted", cause="Read-only file system")

    monkeypatch.setattr(checked_files, "WORTH_REMEMBERING", 0)
    for way in ("create", "create_from", "write"):
        monkeypatch.setattr(LocalStorage, way, refuse)
    for line in list(_lines(run, place))[::4]:
        assert ask(*line).code == 0, line
