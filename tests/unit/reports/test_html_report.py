"""The HTML file: it holds its data as text and nothing else, needs nothing from outside, and runs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.reports import html
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.visible_text import visible

Written = Callable[[str, str], bytes]
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "div", "dl", "dt", "dd"),
    *("table", "tr", "th", "td", "details", "summary", "pre", "code", "ul", "li"),
}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "open"}
CLASSES = {"passed", "failed", "error", "inconclusive", "skipped", "cancelled", "unfinished", "number"}


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.others: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "tags are not nested as they should be"

    def handle_data(self, data: str) -> None:
        (self.styles if self.open and self.open[-1] == "style" else self.texts).append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


def foreign(page: Page) -> list[str]:
    """Tags, attributes and classes that are not the template's."""
    found = [tag for tag, _ in page.tags if tag not in TAGS] + page.others + page.open
    for tag, attributes in page.tags:
        found += [f"{tag} {name}" for name in attributes if name not in ATTRIBUTES]
        found += [f"class {name}" for name in (attributes.get("class") or "").split() if name not in CLASSES]
    return found


@pytest.mark.parametrize("bad", ["<script>x</script>", "<p onclick=x></p>", "<!-- x -->", '<p class="x"></p>', "<p>"])
def test_what_is_not_of_the_template_is_found(bad: str) -> None:
    assert foreign(Page(f"<div>{bad}")) or Page(f"<div>{bad}").open


def test_hostile_rows_are_text_and_nothing_else(hostile: RunFolder, written: Written) -> None:
    page = Page(written("html", hostile.run_id).decode())
    assert foreign(page) == []
    text = "".join(page.texts)
    for shown in ("<script>alert(1)</script>", "{{ 7 * 7 }} {% for x in y %}", "nul \\x00 and \\x01", "\\u202egnp.exe"):
        assert text.count(shown) >= 5, shown
    assert "49" not in text.split("{{ 7 * 7 }}")[1][:20]


def test_naughty_strings_are_text_and_nothing_else(naughty: tuple[RunFolder, list[str]], written: Written) -> None:
    folder, texts = naughty
    page = Page(written("html", folder.run_id).decode())
    assert foreign(page) == []
    text = "".join(page.texts)
    assert all(visible(each, multiline=True) in text for each in texts[:150])


def test_the_policy_lets_only_the_own_style_in(runs: RunMaker, written: Written) -> None:
    runs.finish("done", fail_every=2)
    page = Page(written("html", "done").decode())
    [style] = page.styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = [attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    places = [tag for tag, attributes in page.tags if tag == "style" or "http-equiv" in attributes]
    assert places == ["meta", "style"], "a policy holds for what comes after it"
    assert "url(" not in style and "@import" not in style


def test_failures_have_their_steps_and_evidence(runs: RunMaker, written: Written) -> None:
    runs.finish("done", shards=1, rows=3, fail_every=2)
    text = "".join(Page(written("html", "done").decode()).texts)
    for shown in (
        "place-order: failed",
        "assertion_failed at step read",
        "failed: status is 500, expected 200",
        "read: failed  500",
        '"customer_id"',
        "authorization: [secret:TOKEN]",
        "retry: attempt 1 failed: connection_closed",
        "reqflo-ray show done --row ref-000002",
        'reqflo-ray sql "select row_key',
    ):
        assert shown in text, shown


def test_a_page_ends_before_it_is_too_large(
    hostile: RunFolder, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Page(written("html", hostile.run_id).decode())
    monkeypatch.setattr(html, "MOST_CHARACTERS", 20_000)
    page = Page(written("html", hostile.run_id).decode())
    assert foreign(page) == []
    counted = [sum(tag == "details" for tag, _ in each.tags) for each in (page, whole)]
    assert 0 < counted[0] < counted[1]
    assert "shows only the first of" in "".join(page.texts)


def test_it_begins_with_what_ran_and_groups_rows_by_what_failed(telling: RunFolder, written: Written) -> None:
    text = " ".join(" ".join(Page(written("html", telling.run_id).decode()).texts).split())
    head = "place-order 1.2 case Gift order environment staging by ada on worker-7 started 2026-11-22 10:45:00 UTC"
    assert text.index(head) < text.index("Rows that did not pass") < text.index("Steps step passed")
    for shown in (
        "2 failed create json_path $.total equals `$.total` is 2, expected 1 2",
        "1 failed create status_code equals status is 503, expected 200 4",
        "Soft assertions that failed",
        "2 failed create response_time less_than response time is 900.5 ms, expected less than 500 ms 0",
        "Rows that passed only after a retry",
        "1 failed read (known flaky) status_code equals status is 503, expected 200 1",
        "pay: skipped not reached",
    ):
        assert shown in text, shown


@pytest.mark.parametrize("fail_every", [0, 1])
def test_the_page_of_a_run_of_one_row_shows_it(fail_every: int, runs: RunMaker, written: Written) -> None:
    runs.finish("one", shards=1, rows=1, fail_every=fail_every, steps=("token", "create", "read", "refund"))
    page = Page(written("html", "one").decode())
    assert foreign(page) == []
    text = "".join(page.texts)
    for shown in (
        "The row",
        "token: passed  200",
        '{"access_token": "[sensitive]"',
        "authorization: [secret:TOKEN]",
        "passed (soft): json_path $.order.total equals",
        "refund: skipped  not reached",
        "reqflo-ray show one --row ref-000000",
    ):
        assert shown in text, shown
    assert ("failed: status is 500, expected 200" in text) is bool(fail_every)


def test_rows_that_passed_are_not_shown_in_the_page_of_a_larger_run(runs: RunMaker, written: Written) -> None:
    runs.finish("two", shards=1, rows=2)
    assert "The row" not in written("html", "two").decode() and "ref-000001" not in written("html", "two").decode()
