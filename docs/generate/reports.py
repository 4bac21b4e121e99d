"""The page of report formats. It describes them; limits and element names come from the writers themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from docs.generate.markdown import block, code, codes, page, table
from reqflo_ray._internal.model.results import ROW_STATUSES
from reqflo_ray._internal.reports import cases, ctrf, html, junit, markdown, result_document
from reqflo_ray._internal.reports.formats import FORMATS

_PURPOSES: Final = {
    "junit": "JUnit XML for Jenkins, GitLab, Azure Pipelines, and GitHub actions",
    "html": "One page for people, without scripts and without other files",
    "markdown": "The summary of a CI job, such as `$GITHUB_STEP_SUMMARY`",
    "json": "Every row, for programs",
    "ctrf": "JSON of the Common Test Report Format, for actions and dashboards",
}
_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "junit": (
        "One `testsuite` with a `testcase` per row. `classname` is `WORKSPACE.JOURNEY`, `name` is the row key or the "
        "number of the row, `time` is in seconds. It keeps the rules of Jenkins' xUnit plugin and of Ant's schema, "
        "except for `flakyFailure`.",
        "`properties` of the suite hold the run ID, state, verdict, environment, artifact, store, and counts. "
        "`system-out` of the suite lists soft assertions that failed and rows that passed only after a retry.",
    ),
    "html": (
        "The verdict, what ran where and when, counts, rows grouped by what failed, statistics of each step, and the "
        f"first {html._MOST_FAILURES} rows that did not pass with their requests and responses, up to "
        f"{html.MOST_CHARACTERS:,} characters of evidence. The page of a run of one row shows that row, whatever its "
        "outcome is.",
    ),
    "markdown": (
        "The verdict, what ran where and when, counts, groups of failures "
        f"(at most {markdown._MOST_GROUPS}), the first {markdown._MOST_FAILURES} rows that did not pass, and "
        f"statistics of at most {markdown._MOST_STEPS} steps. It stays far below the 1 MiB that GitHub accepts. A "
        "report that is written to `$GITHUB_STEP_SUMMARY` is appended.",
    ),
    "json": (
        "One object. `schema` is the version of its format; fields may be added within a version.",
        block(
            f'{{"schema": "{result_document.SCHEMA}", "run_id": "…", "results": "…", "complete": true,\n'
            ' "left_out": [], "verdict": {…}, "rows": [{…}, …]}',
            "json",
        ),
        "`verdict` is the content of the run's `verdict.json`, with counts and the first failures. `rows` has every "
        "row in order, with the columns of the [view `results`](sql.md#results); `inputs` is an object. "
        "`--output FILE.json` writes the same document.",
    ),
    "ctrf": (
        f"`specVersion` is `{ctrf._SPECIFICATION}`. `results.tests` has a test per row, `results.summary` counts all "
        "rows, also those that are not listed; its `extra` has the verdict, the exit code, and what is left out. "
        "`duration` is in milliseconds.",
    ),
}


def pages() -> Mapping[str, str]:
    """Return the page."""
    limits = (
        f"`junit` and `ctrf` list every row of a run of up to {cases.MOST_CASES:,} rows. Of a larger run, they list "
        f"the first {cases.MOST_CASES:,} rows that did not pass or passed only after a retry (`junit` at most "
        f"{junit.MOST_BYTES // 1_000_000} MB), and one more case says how many rows are not listed."
    )
    parts = [
        "A run writes reports with `--report FORMAT=PATH`; [`reqflo-ray report`](cli/report.md) writes them from the "
        "store at any time. Secrets and sensitive values are masked in all of them.",
        table(("Format", "What it is for"), [(f"[`{name}`](#{name})", _PURPOSES[name]) for name in FORMATS]),
        "## Where the outcome of a row is",
        table(("Outcome", "junit", "ctrf", "json"), _outcomes()),
        "`html` and `markdown` show the same in words. A failure of a step that is labeled `flaky: true` says "
        f"`{cases.KNOWN_FLAKY}`.",
        "## What is not in a report",
        limits,
        "A report of an unfinished run contains the rows that have a result, and says so: `junit` and `ctrf` with one "
        "more case that is an error, `json` with `complete: false`, `html` and `markdown` in their title. Damaged "
        "results refuse a report with exit code 3; with `--damaged=skip`, the report says what it leaves out.",
        "A command that ends without a result replaces the reports of an earlier run at the same paths by one that "
        "says why, so that CI does not publish an old success.",
    ]
    for name in FORMATS:
        parts += [f"## {name}", *_SECTIONS[name]]
    return {"reports.md": page("Report formats", *parts)}


def _outcomes() -> list[tuple[str, ...]]:
    found = [(code(each), _junit(each), _ctrf(each), f"`status` is `{each}`") for each in map(str, ROW_STATUSES)]
    return [
        *found,
        (
            "passed only after a retry (flaky)",
            "`flakyFailure` or `flakyError` in the `testcase`",
            "`flaky` and `retries`",
            "`flaky` is true",
        ),
        (
            "soft assertion that failed",
            "`system-out` of the suite",
            "`extra.softFailures`",
            "`soft_failures` counts them",
        ),
        ("known flaky step", "the text of the failure", codes(["tags"]), "`known_flaky` is true"),
    ]


def _junit(status: str) -> str:
    element = junit._ELEMENTS.get(status)
    return f"`{element}`" if element else "`testcase` without content"


def _ctrf(status: str) -> str:
    return f"`status` is `{ctrf._STATUSES.get(status, ctrf._OTHER)}`, `rawStatus` is `{status}`"
