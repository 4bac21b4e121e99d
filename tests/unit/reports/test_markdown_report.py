"""The Markdown summary, as a renderer reads it: what comes from outside is code and nothing else."""

from __future__ import annotations

import html
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from sample_runs import RunMaker

from reqflo_ray._internal.reports.markdown import code
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.visible_text import one_line

Written = Callable[[str, str], bytes]
TAGS = {"ul", "li", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code"}
MOST_BYTES = 2**20  # GitHub shows no larger summary


class Rendered(HTMLParser):
    """The tags of rendered Markdown, and the texts of its table cells."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[str] = []
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [name for name, _ in attributes]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.mark.parametrize("bad", ["<b>x</b>", "![x](y)", "[x](y)", "*x*", "~~x~~", "`a` # b\n# c", "<http://x.de/>"])
def test_what_is_not_code_is_found(bad: str) -> None:
    rendered = Rendered(f"| a |\n| --- |\n| {bad} |\n")
    assert rendered.tags - TAGS or rendered.attributes or "h1" in rendered.tags or rendered.rows != [["a"], [bad]]


def test_hostile_rows_are_code_and_nothing_else(hostile: RunFolder, written: Written) -> None:
    data = written("markdown", hostile.run_id)
    rendered = Rendered(data.decode())
    assert rendered.tags - TAGS == set()
    assert rendered.attributes == []
    assert len(data) < MOST_BYTES


def test_naughty_strings_are_shown_as_they_are(naughty: tuple[RunFolder, list[str]], written: Written) -> None:
    folder, texts = naughty
    data = written("markdown", folder.run_id)
    rendered = Rendered(data.decode())
    assert rendered.tags - TAGS == set()
    assert rendered.attributes == []
    shown = {int(row[0]): row for row in rendered.rows if len(row) == 4 and row[0].isdecimal() and row[2] != ""}
    for number, text in enumerate(texts[:50]):
        assert shown[number][1].strip() == one_line(text).strip(), text
    assert len(data) < MOST_BYTES


def test_nothing_in_code_is_markdown_or_a_mention() -> None:
    shown = code("@me #1 `x` | <b> \\ https://x.de *y* ![](z)")
    assert shown.startswith("<code>") and shown.endswith("</code>")
    inner = shown.removeprefix("<code>").removesuffix("</code>")
    assert not set(inner) & set("@`|<>\\*![](){}_~:/$\"'")


def test_it_tells_verdict_steps_and_failures(runs: RunMaker, written: Written) -> None:
    runs.finish("done", shards=1, rows=3, fail_every=2)
    rendered = Rendered(written("markdown", "done").decode())
    assert ["2", "failed", "read", "status_code equals", "", "0"] in rendered.rows
    assert ["2", "ref-000002", "failed", "assertion_failed at step read"] in rendered.rows
    assert [row[0] for row in rendered.rows if len(row) == 8] == ["step", "token", "create", "read"]
    assert written("markdown", "done").decode().startswith("## ❌ <code>place&#45;order</code>: failed\n")


def test_it_begins_with_what_ran_where_by_whom_and_when(telling: RunFolder, written: Written) -> None:
    rows = Rendered(written("markdown", telling.run_id).decode()).rows
    assert rows[:8] == [
        ["fact", "value"],
        ["journey", "place-order 1.2"],
        ["case", "Gift order"],
        ["environment", "staging"],
        ["by", "ada on worker-7"],
        ["started", "2026-11-22 10:45:00 UTC"],
        ["took", "1.5 s"],
        ["rows", "passed", "failed", "error", "soft_failures", "flaky", "retries"],
    ]


def test_rows_are_grouped_by_what_failed_in_them(telling: RunFolder, written: Written) -> None:
    rows = Rendered(written("markdown", telling.run_id).decode()).rows
    soft = "response time is 900.5 ms, expected less than 500 ms"
    wrong, refused = "`$.total` is 2, expected 1", "status is 503, expected 200"
    assert [row for row in rows if len(row) == 6 and row[0].isdecimal()] == [
        ["2", "failed", "create", "json_path $.total equals", wrong, "2"],
        ["1", "failed", "create", "status_code equals", refused, "4"],
        ["1", "error", "create", "json_path $.total equals", wrong, "5"],
        ["2", "failed", "create", "response_time less_than", soft, "0"],
        ["1", "failed", "read (known flaky)", "status_code equals", refused, "1"],
    ]


def test_a_step_that_no_row_reached_is_listed_as_skipped(telling: RunFolder, runs: RunMaker, written: Written) -> None:
    rows = Rendered(written("markdown", telling.run_id).decode()).rows
    assert [row[:5] for row in rows if len(row) == 8][1:] == [
        ["create", "2", "4", "0", "6"],
        ["read (known flaky)", "6", "0", "0", "7"],
        ["pay", "5", "0", "1", "5"],
    ]
    runs.finish("short", shards=1, rows=2, steps=("token", "create", "read", "refund"))
    rows = Rendered(written("markdown", "short").decode()).rows
    assert ["refund", "0", "0", "2", "0", "", "", ""] in rows


def test_a_run_of_one_row_is_told_step_by_step(runs: RunMaker, written: Written) -> None:
    runs.finish("one", shards=1, rows=1, fail_every=1, steps=("token", "create", "read", "refund"))
    text = html.unescape(written("markdown", "one").decode())
    lines = [line for line in text.splitlines() if line.lstrip().startswith("- ")]
    assert [line.partition(":")[0] for line in lines if line.startswith("- ")] == [
        f"- <code>{step}" for step in ("token", "create", "read", "refund")
    ]
    assert "  - <code>failed: status is 500, expected 200</code>" in lines
    assert lines[-1] == "- <code>refund: skipped  not reached</code>"


def test_more_failures_than_are_shown_are_counted(runs: RunMaker, written: Written) -> None:
    runs.finish("done", shards=1, rows=60, fail_every=1)
    text = written("markdown", "done").decode()
    assert "… and 10 more" in text and "ref&#45;000049" in text and "ref&#45;000050" not in text
