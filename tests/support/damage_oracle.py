"""What every command says of a run, and the law by which it is judged when a file of that run is damaged.

There are two ends: the same answer as undamaged, or a refusal that names the file. A third is documented for journals
alone: what the damage may concern is told, row by row. Nothing else is allowed, least of all another answer.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from damaged_runs import COMMITTED_ROWS, ROWS_OF_SHARD, RUN, Original
from gated_shop import Arrival
from pyarrow import parquet

import reqflo_ray
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.main import run_command_line
from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.model.journal import Completion, Intent
from reqflo_ray._internal.reports.formats import FORMATS

SAME, REFUSED, TOLD, FORGOTTEN = "same", "refused", "told", "as a crash"
ENDS: Final = (SAME, REFUSED, TOLD, FORGOTTEN)

_REFUSED_WITH: Final = 3
_FAULT_OF_OURS: Final = re.compile(r"Traceback|internal[ _]error")
# Of a run that is carried out now: when it ended is no part of the answer.
_PRESENT: Final = re.compile(r'"(finished_at|started_at|duration_ms|run_id)": [^\n]*')
_RESULT_COLUMNS: Final = ("row_index", "row_key", "status", "error_code", "failed_step", "inputs")
_STEP_COLUMNS: Final = (
    *("row_index", "row_key", "step_id", "attempt", "status", "error_code", "http_request_method", "url_full"),
    *("http_request_body", "http_response_status_code", "http_response_body", "outputs", "idempotency_key"),
)


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit code, its data, and all that it told people. Of one that sends: what arrived at
    the API, and `rows`, what the run holds afterwards, by row. `left` are files that it wrote for others to believe."""

    code: int
    data: str
    said: str
    sent: Counter[Arrival] = field(default_factory=Counter)
    rows: Mapping[int, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a command works: a copy of a store, a folder for what it writes, and the run's original."""

    store: Path
    folder: Path
    original: Original


@dataclass(frozen=True)
class Command:
    """A command that reads a run. `sends`: it also carries one out. `changes`: the store is another one afterwards."""

    name: str
    call: Callable[[Place], Answer]
    judge: Callable[[Answer, Answer, str], str]
    changes: bool = False

    def __str__(self) -> str:
        return self.name


def command_line(*arguments: str) -> Answer:
    """What a command line of this very process answers."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(stream, encoding="utf-8", write_through=True) for stream in (out, err)]
    terminal = Terminal(out=streams[0], err=streams[1], environment={"NO_COLOR": "1"}, columns=200)
    code = run_command_line(arguments, terminal)
    shown = [stream.getvalue().decode() for stream in (out, err)]
    return Answer(code, shown[0], "\n".join(reversed(shown)))


# The law


def judge(before: Answer, after: Answer, name: str) -> str:
    """`same`, `refused`, or what is wrong with the answer that a damaged file called `name` got."""
    if _FAULT_OF_OURS.search(after.said):
        return f"it broke: {_excerpt(after)}"
    refusal = _refusal(after, name)
    if refusal == REFUSED and after.data != before.data:
        return REFUSED if not after.left else f"refused, and yet it wrote {after.left}"
    if (after.code, after.data) == (before.code, before.data):
        return SAME
    if after.code == _REFUSED_WITH:
        return refusal
    return f"exit {after.code} and another answer: {_excerpt(after)} ({_first_difference(before, after)})"


def judge_listing(before: Answer, after: Answer, name: str) -> str:
    """As `judge`. A list of many runs goes on: the damaged one is marked, and nothing is said of the others but what is
    true."""
    end = judge(before, after, name)
    if end in ENDS or not _may_be_told(after, name):
        return end
    try:
        then, now = ({line["run_id"]: line for line in json.loads(answer.data)} for answer in (before, after))
    except ValueError:
        return end
    if now.get(RUN, {}).get("state") != "damaged":
        return end
    others = [run for run in then if run != RUN and then[run] != now.get(run)]
    return f"it hides or changes {others}" if others else REFUSED


def judge_all_runs(before: Answer, after: Answer, name: str) -> str:
    """As `judge`. An answer over all runs leaves one out that cannot be read, and says so in each of its lines."""
    end = judge(before, after, name)
    if end in ENDS or after.code != 0 or not _may_be_told(after, name):
        return end
    then, now = ({line["run_id"]: line for line in json.loads(answer.data)} for answer in (before, after))
    others = [run for run in then if run != RUN and {**then[run], "left_out": now[run].get("left_out")} != now[run]]
    if RUN in now or others or not all(name in line["left_out"] for line in now.values()):
        return f"it hides or changes {others or RUN}"
    return REFUSED


def judge_pruning(before: Answer, after: Answer, name: str) -> str:
    """As `judge`; data is what is left of the store. To keep a run that cannot be read, and say so, is a refusal."""
    gone = set(before.data.split()) - set(after.data.split())
    if gone:
        return f"it deleted {gone}, which it keeps of an undamaged store"
    end = judge(before, after, name)
    return REFUSED if end not in ENDS and _may_be_told(after, name) else end


def _may_be_told(answer: Answer, name: str) -> bool:
    """Whether a command over many runs went on as it should, and names the file."""
    return answer.code in (0, _REFUSED_WITH) and _names(answer, name) and not _FAULT_OF_OURS.search(answer.said)


def judge_verification(before: Answer, after: Answer, name: str) -> str:
    """As `judge`, but of a finished run nothing may escape."""
    end = judge(before, after, name)
    is_of_the_run = name != ".gitignore" and not name.startswith("order/")
    return "it says ok" if end == SAME and before.code == 0 and is_of_the_run else end


def judge_rerun(before: Answer, after: Answer, name: str) -> str:
    """As `judge`; a refusal sends nothing, and the same answer is the same requests under new keys."""
    end = judge(before, after, name)
    if end == REFUSED and after.sent:
        return f"refused, after it had sent {_some(after.sent)}"
    if end != SAME:
        return end
    return (
        SAME
        if _without_keys(after) == _without_keys(before) and after.rows == before.rows
        else _difference(before, after)
    )


def judge_resume(before: Answer, after: Answer, name: str) -> str:
    """As `judge`; whatever happens, nothing is sent that an undamaged resume would not send."""
    end = judge(before, after, name)
    more = after.sent - before.sent
    if end.startswith("it broke"):
        return end
    if more:
        return f"it sent again {_some(more)} and ended with {after.code}: {_excerpt(after)}"
    if end == REFUSED:
        # What was committed before is not its doing, and may be what is damaged.
        ended = [row for row in after.rows if row not in COMMITTED_ROWS]
        wrong = [row for row in ended if before.rows[row] != after.rows[row]]
        return f"refused, and yet rows {wrong} ended otherwise: {_difference(before, after)}" if wrong else REFUSED
    if end == SAME and (after.sent != before.sent or after.rows != before.rows):
        return _difference(before, after)
    return end


@dataclass(frozen=True)
class JournalJudge:
    """Judges a resume of a run whose journal at `path` had the bytes `before` and has `after`.

    Damage is told: rows that it may concern go on only with steps that may be repeated, or end `inconclusive`. An end
    that is lost before a later attempt has read it looks like that of a crash; its rows go on from there.
    """

    shard: int
    before: bytes
    after: bytes
    is_newest: bool

    def __call__(self, undamaged: Answer, damaged: Answer, name: str) -> str:
        end = judge_resume(undamaged, damaged, name)
        if end in (SAME, REFUSED) or end.startswith("it broke"):
            return end
        rows = range(self.shard * ROWS_OF_SHARD, (self.shard + 1) * ROWS_OF_SHARD)
        refs = {f"ref-{row:02d}" for row in rows}
        more, other = damaged.sent - undamaged.sent, _differing_rows(undamaged, damaged)
        if not {arrival.ref for arrival in more} <= refs or not other <= set(rows):
            return f"rows of another shard are concerned: {_difference(undamaged, damaged)}"
        if len(damaged.rows) != len(undamaged.rows):
            return f"rows are lost: {end}"
        told = json.loads(damaged.data)["counts"]["quarantined"]
        unsafe = Counter({arrival: number for arrival, number in more.items() if arrival.step == "pay"})
        if told:
            if unsafe:
                return f"it repeated what must not be repeated: {_some(unsafe)}"
            doubted = {row for row in other if '"inconclusive"' in damaged.rows[row]}
            resent = {row for row in rows if any(arrival.ref == f"ref-{row:02d}" for arrival in more)}
            return TOLD if other <= doubted | resent else f"rows ended otherwise: {_difference(undamaged, damaged)}"
        lost = self._lost()
        if self.is_newest and lost and {(arrival.ref, arrival.step) for arrival in more} <= lost:
            return FORGOTTEN
        return f"nobody is told, and {end}"

    def _lost(self) -> set[tuple[str, str]]:
        """The steps that a lost end of the journal was about; none if what is lost is not its end."""
        kept, all_of_it = (read_journal(data).records for data in (self.after, self.before))
        if all_of_it[: len(kept)] != kept:
            return set()
        return {(f"ref-{it.row:02d}", it.step) for it in all_of_it[len(kept) :] if isinstance(it, Intent | Completion)}


def _refusal(answer: Answer, name: str) -> str:
    if answer.code != _REFUSED_WITH:
        return "no refusal"
    return REFUSED if _names(answer, name) else f"refused without the file's name: {_excerpt(answer)}"


def _names(answer: Answer, name: str) -> bool:
    return name in answer.said


def _excerpt(answer: Answer) -> str:
    return " ".join(answer.said.split())[:400]


def _first_difference(before: Answer, after: Answer) -> str:
    lines = zip_longest(before.data.splitlines(), after.data.splitlines())
    return next((f"{then!r:.200} became {now!r:.200}" for then, now in lines if then != now), "the same data")


def _some(sent: Counter[Arrival]) -> list[Arrival]:
    return sorted(sent)[:3]


def _without_keys(answer: Answer) -> Counter[tuple[str, str]]:
    sent: Counter[tuple[str, str]] = Counter()
    for arrival, number in answer.sent.items():
        sent[arrival.ref, arrival.step] += number
    return sent


def _differing_rows(before: Answer, after: Answer) -> set[int]:
    return {row for row in before.rows.keys() | after.rows.keys() if before.rows.get(row) != after.rows.get(row)}


def _difference(before: Answer, after: Answer) -> str:
    rows = sorted(_differing_rows(before, after))[:2]
    shown = "; ".join(f"row {row}: {before.rows.get(row)} became {after.rows.get(row)}"[:500] for row in rows)
    fewer, more = before.sent - after.sent, after.sent - before.sent
    return f"exit {after.code}; not sent {_some(fewer)}, sent {_some(more)}; {shown}"


# The commands


def _read(*words: str) -> Callable[[Place], Answer]:
    return lambda place: command_line(*words, "--store", str(place.store))


def _report(kind: str) -> Callable[[Place], Answer]:
    def call(place: Place) -> Answer:
        target = place.folder / "report"
        target.unlink(missing_ok=True)
        answer = command_line("report", RUN, f"{kind}={target}", "--store", str(place.store))
        if not target.exists():
            return answer
        return replace(answer, data=target.read_bytes().decode(), left=("report",))

    return call


def _with_python(ask: Callable[[reqflo_ray.Store], object]) -> Callable[[Place], Answer]:
    """A question in Python; what is raised is told as the command line tells it."""

    def call(place: Place) -> Answer:
        try:
            data = repr(ask(reqflo_ray.open_store(place.store)))
        except ReqfloError as error:
            told = (error.message, error.cause, error.hint, *(problem.message for problem in error.problems))
            return Answer(error.exit_code, "", "\n".join(filter(None, told)))
        except Exception as error:
            return Answer(1, "", f"Traceback: {error!r}")
        return Answer(0, data, data)

    return call


def _list_with_python(place: Place) -> Answer:
    runs = reqflo_ray.open_store(place.store).runs()
    lines = [{"run_id": run.run_id, "state": run.state.value, "shown": repr(run)} for run in runs]
    return Answer(0, json.dumps(lines), "\n".join(run.problem for run in runs))


def _verify_with_python(store: reqflo_ray.Store) -> object:
    report = store.verify(RUN)
    if not (report.ok and report.complete):
        raise ReqfloError(" ".join(f"{finding.path}: {finding.message}" for finding in report.findings))
    return report


def _prune(place: Place) -> Answer:
    answer = command_line("prune", "--keep", "0", "--store", str(place.store))
    runs = sorted(path.name for path in (place.store / "runs").iterdir())
    return replace(answer, data="\n".join(runs))


def _resume(place: Place) -> Answer:
    place.original.shop.reset()
    answer = command_line("resume", RUN, "--json", "--backend", "local", "--store", str(place.store))
    return replace(
        answer,
        data=_PRESENT.sub("", answer.data),
        sent=+place.original.shop.arrived,
        rows={} if place.original.finished else committed_rows(place.store / "runs" / RUN),
    )


def _rerun(*options: str) -> Callable[[Place], Answer]:
    def call(place: Place) -> Answer:
        place.original.shop.reset()
        runs = place.store / "runs"
        before = {path.name for path in runs.iterdir()}
        answer = command_line("rerun", RUN, *options, "--json", "--backend", "local", "--store", str(place.store))
        made = [path for path in runs.iterdir() if path.name not in before]
        return replace(
            answer,
            data=_PRESENT.sub("", answer.data),
            sent=+place.original.shop.arrived,
            rows=committed_rows(made[0], keys=False) if made else {},
        )

    return call


def committed_rows(root: Path, *, keys: bool = True) -> dict[int, str]:
    """What a run holds of each row, read without the product: its result and its steps. Files that cannot be read, and
    rows in them, are left out. Without `keys` it can be compared over runs."""
    rows: dict[int, dict[str, Any]] = {}
    tables = [*_tables(root, "results", _RESULT_COLUMNS), *_tables(root, "steps", _STEP_COLUMNS)]
    for line in tables:
        row = rows.setdefault(line["row_index"], {"steps": []})
        if "step_id" not in line:
            row.update(line)
        elif line.pop("resend_reason") != "sensitive":
            row["steps"].append(line if keys else {**line, "idempotency_key": ""})
    return {number: json.dumps(row, default=str, sort_keys=True) for number, row in rows.items()}


def _tables(root: Path, part: str, columns: Iterable[str]) -> Iterable[dict[str, Any]]:
    more = ("resend_reason",) if part == "steps" else ()
    for commit in sorted(root.glob("commits/*.json")):
        try:
            [file] = [file for file in json.loads(commit.read_bytes())["files"] if file["path"].startswith(f"{part}/")]
            table = parquet.read_table(pa.BufferReader((root / file["path"]).read_bytes()), use_threads=False)
            lines = table.to_pylist()
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            continue
        yield from ({name: line[name] for name in (*columns, *more)} for line in lines)


_RESULTS: Final = "select * from results order by row_index"
_STEPS: Final = "select * from steps order by row_index, step_index, started_at"
_ROW: Final = "ref-00"

READING: Final = (
    Command("runs", _read("runs", "--json"), judge_listing),
    Command("show", _read("show", RUN, "--json"), judge),
    Command("show --row", _read("show", RUN, "--row", _ROW, "--json"), judge),
    Command("sql results", _read("sql", _RESULTS, "--run", RUN, "--format", "json"), judge),
    Command("sql steps", _read("sql", _STEPS, "--run", RUN, "--format", "csv"), judge),
    Command(
        "sql of all runs",
        _read("sql", "select * from runs order by run_id", "--run", "all", "--format", "json"),
        judge_all_runs,
    ),
    *(Command(f"report {kind}", _report(kind), judge) for kind in FORMATS),
    Command("verify", _read("verify", RUN, "--json"), judge_verification),
    Command("python runs", _list_with_python, judge_listing),
    Command("python query", _with_python(lambda store: list(store.query(_RESULTS, runs=(RUN,)).rows())), judge),
    Command("python row", _with_python(lambda store: store.row(RUN, _ROW)), judge),
    Command("python verify", _with_python(_verify_with_python), judge_verification),
    Command("prune", _prune, judge_pruning, changes=True),
    Command("resume", _resume, judge_resume, changes=True),
)
OF_FINISHED: Final = (
    *READING,
    Command("rerun", _rerun(), judge_rerun, changes=True),
    Command("rerun --failed", _rerun("--failed"), judge_rerun, changes=True),
)
