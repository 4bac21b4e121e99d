"""Runs to report of: a plain one, and one in which every text that comes from outside is hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.model.plan import DatasetSource, Environment, Plan, ShardPlan
from reqflo_ray._internal.model.results import AssertionResult, LogEvent, RowResult, Status, StepRecord
from reqflo_ray._internal.reports.formats import Report, write_reports
from reqflo_ray._internal.runs.folder.completion import complete
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.rows import write_plan

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</textarea></pre></code></td></table>",
    "]]>",
    "<![CDATA[ x ]]>",
    "<!-- x",
    "--> x",
    "&lt;b&gt; &amp; &#0; &#x1b; &nbsp",
    "<!DOCTYPE x [<!ENTITY a 'b'>]> &a;",
    "nul \x00 and \x01\x08\x0b\x0c\x0e\x1f\x7f\x85\x9f",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "right \u202egnp.exe\u202c and \u200b\u2066hidden\ufeff",
    "noncharacters \ufffe\uffff",
    "line\nfeed\r\ntab\tend",
    "a|b|c",
    "a\\|b\\\\|c",
    "`code` ``two`` \\` ```",
    "```\n# heading\n```",
    "# heading",
    "[link](javascript:alert(1)) [a]: http://127.0.0.1/",
    "![beacon](http://127.0.0.1/beacon.png)",
    "<http://127.0.0.1/> www.example.com someone@example.com",
    "@everyone #1 :tada: $x$ ~~gone~~ **bold** _it_",
    "{{ 7 * 7 }} {% for x in y %} {# z #} ${7*7}",
    "::error::x ##vso[task.complete]",
    "=1+1",
    "😀 astral 𝒳 combining e\u0301",
    "  spaces  around  ",
    "alike\tin print",
    "alike\\tin print",
    "x" * 100_000,
    "<" * 5_000,
)


@pytest.fixture
def hostile(runs: RunMaker, one_step: Callable[..., StepRecord]) -> RunFolder:
    """A finished run in which no row passed, and all texts are hostile: one of them a row, in every place."""
    return _finish(runs, list(HOSTILE), one_step)


@pytest.fixture
def naughty(
    runs: RunMaker, one_step: Callable[..., StepRecord], naughty_strings: list[str]
) -> tuple[RunFolder, list[str]]:
    """The same with the lists of strings that break programs."""
    return _finish(runs, naughty_strings, one_step), naughty_strings


@pytest.fixture
def written(runs: RunMaker, tmp_path: Path) -> Callable[[str, str], bytes]:
    """Writes one report of a run: `written("junit", run_id)`."""

    def write(format_: str, run_id: str) -> bytes:
        path = tmp_path / f"report.{format_}"
        write_reports(runs.storage, run_id, [Report(format_, path)])
        return path.read_bytes()

    return write


@pytest.fixture
def unfinished(runs: RunMaker) -> RunFolder:
    """A run of which one shard of three is committed, with one failed row of four."""
    folder = runs.begin("unfinished")
    plan = Plan(ShardPlan(shard=shard, first_row=4 * shard, rows=4, sha256="0" * 64) for shard in range(3))
    write_plan(folder.storage, folder.run_id, plan)
    runs.commit(folder, 1, 4, fail_every=4)
    return folder


def _finish(runs: RunMaker, texts: list[str], one_step: Callable[..., StepRecord]) -> RunFolder:
    text = " ".join(texts[:20])
    folder = runs.begin(
        "hostile",
        journey=text,
        journey_version=text,
        workspace=text,
        environment=Environment(name=text),
        case=text,
        presets=(text,),
        dataset=DatasetSource(files=(text,), key_column=text),
        sources={"create": f"{text}.yaml:7"},
    )
    runs.stage(folder, 1)
    pairs = [_row(index, text, one_step) for index, text in enumerate(texts)]
    assert folder.commit(runs.write_records(folder, 0, [row for row, _ in pairs], [step for _, step in pairs]))
    complete(folder, lambda *_: runs.verdict(folder), 1)
    return folder


def _row(index: int, text: str, one_step: Callable[..., StepRecord]) -> tuple[RowResult, StepRecord]:
    status = (Status.FAILED, Status.ERROR, Status.INCONCLUSIVE, Status.SKIPPED, Status.CANCELLED)[index % 5]
    row = RowResult(
        row_index=index,
        row_key=text,
        status=status,
        error_code=text,
        error_message=text,
        failed_step=text,
        inputs=json.dumps({"value": text}),
    )
    body = text.encode("utf-8", "replace")
    [assertion] = msgspec.convert(
        [["json_path", text, "equals", text, text, "failed", False, "step", text, text]], type=list[AssertionResult]
    )
    step = one_step(
        row_index=index,
        row_key=text,
        step_id=text,
        status=Status.FAILED,
        error_code=text,
        error_message=text,
        method=text,
        url=text,
        request_headers=((text, text),),
        response_headers=((text, text),),
        request_body=body,
        request_body_size=len(body),
        response_body=body,
        response_reason=text,
        assertions=(assertion,),
        events=(LogEvent(0, text, text),),
        response_body_size=len(body),
    )
    return row, step
