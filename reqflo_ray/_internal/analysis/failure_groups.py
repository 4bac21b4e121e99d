"""Finds out what failed in how many rows of a run: rows that did not pass, soft assertions, steps that were retried.

It returns data, and must not know how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reqflo_ray._internal.analysis.session import Session
from reqflo_ray._internal.model.fingerprint import masked

MOST_GROUPS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Rows in which the same thing failed. `rows` is their number; `assertion` is its type, path, and operator, or ""
    if it is not an assertion; `error` is the `error_code`; `row_index`, `row_key`, and `message` are those of the first
    row. `known_flaky`: the step is labeled `flaky: true`."""

    rows: int
    status: str
    step: str
    error: str
    assertion: str
    message: str
    row_index: int
    row_key: str
    known_flaky: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroups:
    """The groups of a run: at most 50 of each kind, those with the most rows first.

    `failures` are rows that did not pass, `soft` failed soft assertions, and `retried` attempts that did not pass, of
    rows that passed. `more_failures` is the number of groups left out of `failures`.
    """

    failures: tuple[FailureGroup, ...] = ()
    soft: tuple[FailureGroup, ...] = ()
    retried: tuple[FailureGroup, ...] = ()
    more_failures: int = 0


# Tables of version 1 lack this column; rows with null are grouped by the columns that exist.
IS_FLAKY: Final = "coalesce(flaky, status = 'passed' and retries > 0)"
_HAS_SOFT: Final = "select coalesce(bool_or(soft_failures is null or soft_failures > 0), false) as found from results"
_LACKS_LAST: Final = "select coalesce(bool_or(last_attempt is null), false) as found from steps"
LAST_ATTEMPTS: Final = "(from steps where last_attempt)"
_LAST_ATTEMPTS_OF_VERSION_1: Final = (
    "(select * from steps qualify attempt = max(attempt) over (partition by row_index, step_index))"
)
_FAILURES: Final = f"""
select status, failed_step as step, error_code, count(*) as rows, min(row_index) as row_index,
       coalesce(bool_or(known_flaky), false) as known_flaky, count(*) over () as groups
from results where status <> 'passed' group by fingerprint, status, failed_step, error_code
order by rows desc, row_index limit {MOST_GROUPS}
"""
# Grouped by message; similar messages are merged afterwards, of at most this number.
_MOST_MESSAGES: Final = 1_000
_BY_MESSAGE: Final = f"""
select step, status, error_code, type, path, operator, message, count(distinct row_index) as rows,
       min(row_index) as row_index, coalesce(bool_or(known_flaky), false) as known_flaky
from (%s) group by step, status, error_code, type, path, operator, message
order by rows desc, row_index limit {_MOST_MESSAGES}
"""
_SOFT: Final = """
select row_index, step_id as step, 'failed' as status, 'assertion_failed' as error_code, known_flaky,
       a.type as type, a.path as path, a.operator as operator, a.message as message
from (select row_index, step_id, known_flaky,
             unnest(list_filter(assertions, lambda a: a.soft and a.status = 'failed')) as a from %s)
"""
# Attempts of a row that failed with the same assertion count once.
_RETRIED: Final = f"""
select row_index, step_id as step, status, error_code, known_flaky,
       a.type as type, a.path as path, a.operator as operator, coalesce(a.message, error_message) as message
from (select *, list_filter(assertions, lambda a: not a.soft and a.status = 'failed')[1] as a from steps
      where status in ('failed', 'error', 'inconclusive')
          and row_index in (select row_index from results where {IS_FLAKY}))
qualify row_number() over (
    partition by row_index, step_id, status, error_code, a.type, a.path, a.operator order by attempt) = 1
"""


def failure_groups(session: Session) -> FailureGroups:
    """Return the groups of the only run of `session`. Raises `QueryError`, `StoreError`."""
    failures = _lines(session, _FAILURES)
    soft = _alike(session, _SOFT % last_attempts(session)) if _is_true(session, _HAS_SOFT) else []
    retried = _alike(session, _RETRIED)
    rows = _rows(session, {int(line["row_index"]) for line in (*failures, *soft, *retried)})
    return FailureGroups(
        failures=tuple(_of_row(line, rows[line["row_index"]]) for line in failures),
        soft=tuple(_of_attempts(line, rows[line["row_index"]]) for line in soft),
        retried=tuple(_of_attempts(line, rows[line["row_index"]]) for line in retried),
        more_failures=failures[0]["groups"] - len(failures) if failures else 0,
    )


def last_attempts(session: Session) -> str:
    """Return the SQL of a table of the last attempt of each step of a row."""
    return _LAST_ATTEMPTS_OF_VERSION_1 if _is_true(session, _LACKS_LAST) else LAST_ATTEMPTS


def named(assertion: Mapping[str, Any]) -> str:
    """Return an assertion in words: `json_path $.id equals`."""
    return " ".join(str(assertion[name]) for name in ("type", "path", "operator") if assertion[name])


@dataclass(frozen=True, slots=True)
class _Row:
    result: Mapping[str, Any]
    steps: list[Mapping[str, Any]]


def _rows(session: Session, numbers: set[int]) -> dict[int, _Row]:
    """Return the first row of each group, with those of its steps that explain it."""
    if not numbers:
        return {}
    listed = ", ".join(map(str, sorted(numbers)))
    where = f"where row_index between {min(numbers)} and {max(numbers)} and row_index in ({listed})"
    results = _lines(session, f"select row_index, row_key, error_message from results {where}")
    # If results are left out, a step may exist without its row.
    rows = {number: _Row({}, []) for number in numbers} | {int(line["row_index"]): _Row(line, []) for line in results}
    columns = "row_index, step_id, status, error_code, error_message, assertions"
    for step in _lines(session, f"select {columns} from steps {where} order by row_index, step_index, attempt"):
        rows[step["row_index"]].steps.append(step)
    return rows


def _of_row(line: Mapping[str, Any], row: _Row) -> FailureGroup:
    ended = [step for step in row.steps if step["step_id"] == line["step"]]
    hard = [each for each in _failed(ended[-1:]) if not each["soft"]]
    return _group(line, row, hard[:1], row.result.get("error_message"))


def _of_attempts(line: Mapping[str, Any], row: _Row) -> FailureGroup:
    return _group(line, row, [line] if line["type"] else [], line["message"])


def _alike(session: Session, attempts: str) -> list[Mapping[str, Any]]:
    """Return attempts grouped by what failed and by the masked message, as rows are by their fingerprint."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in sorted(_lines(session, _BY_MESSAGE % attempts), key=lambda line: int(line["row_index"])):
        what = tuple(line[name] or "" for name in ("step", "status", "error_code", "type", "path", "operator"))
        group = groups.setdefault((*what, masked(line["message"] or "")), {**line, "rows": 0})
        group["rows"] += line["rows"]
        group["known_flaky"] |= line["known_flaky"]
    order = sorted(groups.items(), key=lambda item: (-item[1]["rows"], item[1]["row_index"], item[0]))
    return [group for _, group in order[:MOST_GROUPS]]


def _group(
    line: Mapping[str, Any], row: _Row, assertions: Iterable[Mapping[str, Any]], message: str | None
) -> FailureGroup:
    assertion = next(iter(assertions), None)
    return FailureGroup(
        rows=int(line["rows"]),
        status=line["status"],
        step=line["step"] or "",
        error=line["error_code"] or "",
        assertion=named(assertion) if assertion else "",
        message=message or "",
        row_index=int(line["row_index"]),
        row_key=row.result.get("row_key") or "",
        known_flaky=line["known_flaky"],
    )


def _failed(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for step in steps for each in step["assertions"] or () if each["status"] == "failed"]


def _is_true(session: Session, question: str) -> bool:
    return bool(_lines(session, question)[0]["found"])


def _lines(session: Session, sql: str) -> list[Mapping[str, Any]]:
    return session.query(sql).objects()
