"""The Markdown summary, as a renderer reads it: what comes from outside is code and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from sample_runs import RunMaker

from reqflo_ray._internal.reports.markdown import code
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.visible_text import one_line

Written = Callable[[str, str], bytes]
TAGS = {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code"}
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
    assert ["2", "failed", "read", "assertion_failed"] in rendered.rows
    assert ["2", "ref-000002", "failed", "assertion_failed at step read"] in rendered.rows
    assert {row[0] for row in rendered.rows if len(row) == 6} == {"step", "token", "create", "read"}
    assert written("markdown", "done").decode().startswith("## ❌ <code>place&#45;order</code>: failed\n")


def test_more_failures_than_are_shown_are_counted(runs: RunMaker, written: Written) -> None:
    runs.finish("done", shards=1, rows=60, fail_every=1)
    text = written("markdown", "done").decode()
    assert "… and 10 more" in text and "ref&#45;000049" in text and "ref&#45;000050" not in text
