"""Each column of the SQL views says what it means, where people ask for it."""

from __future__ import annotations

import re

import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.analysis import comments
from reqflo_ray._internal.analysis.session import Session, open_session

# Words that a comment needs, and that say nothing alone.
EMPTY_WORDS = frozenset(
    {
        "a",
        "an",
        "and",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "its",
        "name",
        "number",
        "of",
        "or",
        "that",
        "the",
        "this",
    }
    | {"to", "value", "was", "whether"}
)


@pytest.fixture
def session(runs: RunMaker) -> Session:
    """A session on a store with one run."""
    runs.finish("one", rows=2)
    return open_session(runs.storage)


@pytest.mark.parametrize("view", comments.VIEWS)
def test_describe_shows_every_column_with_its_type_and_comment(view: str, session: Session) -> None:
    answer = session.query(f"describe {view}")
    assert answer.columns == ("column_name", "column_type", "comment")
    selected = session.query(f"select * from {view} limit 0")
    told = list(answer.rows())
    assert [(name, kind) for name, kind, _ in told] == list(zip(selected.columns, selected.types, strict=True))
    assert {name: comment for name, _, comment in told} == comments.VIEWS[view].columns
    assert list(comments.VIEWS[view].columns) == list(selected.columns), "in the order of the columns"


@pytest.mark.parametrize("question", ["DESCRIBE results", "desc RESULTS", ' Describe\n"results" ; '])
def test_describe_is_understood_however_it_is_written(question: str, session: Session) -> None:
    assert session.query(question).objects() == session.query("describe results").objects()
    assert next(iter(session.stream(question))).columns == ("column_name", "column_type", "comment")


def test_describe_of_a_question_is_answered_by_duckdb(session: Session) -> None:
    answer = session.query("describe select status from results")
    assert [row[:2] for row in answer.rows()] == [("status", "VARCHAR")]


def test_the_catalog_of_duckdb_has_the_comments_too(session: Session) -> None:
    found = session.query("select comment from duckdb_columns() where table_name = 'runs' and column_name = 'state'")
    assert list(found.rows()) == [(comments.RUNS.columns["state"],)]
    views = (
        "(select view_name as name, comment from duckdb_views() union select table_name, comment from duckdb_tables())"
    )
    found = session.query(f"select name, comment from {views} where comment is not null")
    assert dict(found.rows()) == {name: view.line for name, view in comments.VIEWS.items()}


def test_a_comment_does_not_only_repeat_the_name() -> None:
    for view, comment in comments.VIEWS.items():
        for column, text in comment.columns.items():
            known = {_stem(word) for word in column.split("_")} | EMPTY_WORDS
            said = {_stem(word) for word in re.findall(r"[a-z0-9]+", text.lower())}
            assert said - known, f"{view}.{column}: {text}"
            assert not text.endswith("."), f"{view}.{column}: {text}"
            assert len(text) <= 100, f"{view}.{column}: {text}"


def _stem(word: str) -> str:
    return word.removesuffix("s")
