"""Runs to report of: a plain one, and one in which every text that comes from outside is hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.engine.responses.assertion_messages import message_of
from reqflo_ray._internal.model.artifact import Assertion, AssertionOrigin, AssertionType, Operator
from reqflo_ray._internal.model.plan import DatasetSource, Environment, Plan, ShardPlan
from reqflo_ray._internal.model.results import AssertionResult, LogEvent, RowResult, Status, StepRecord
from reqflo_ray._internal.model.values import UNSET
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
def telling(runs: RunMaker, one_step: Callable[..., StepRecord]) -> RunFolder:
    """A finished run of six rows and three steps, of which the last is never reached in the last row.

    Row 0 passed, with a failed soft assertion; row 1 after a retry of a step that is labelled flaky; rows 2 and 3
    failed on one assertion, row 4 on another (and a soft one besides); row 5 was given up.
    """
    folder = runs.begin(
        "telling",
        steps=("create", "read", "pay"),
        journey_version="1.2",
        environment=Environment(name="staging"),
        case="Gift order",
        user="ada",
        host="worker-7",
        dataset=DatasetSource(files=("data/orders.csv",), key_column="order_ref"),
    )
    runs.stage(folder, 1)
    slow = judged(AssertionType.RESPONSE_TIME, "", Operator.LESS_THAN, "500", "900.5", soft=True)
    wrong = judged(AssertionType.JSON_PATH, "$.total", Operator.EQUALS, "1", "2")
    refused = judged(AssertionType.STATUS_CODE, "", Operator.EQUALS, "200", "503")

    def row(number: int, *assertions: AssertionResult, **facts: Any) -> tuple[RowResult, list[StepRecord]]:
        failed = [each for each in assertions if not each.soft]
        ended = {"row_index": number, "row_key": f"ref-{number}"}
        step = one_step(
            **ended,
            step_id="create",
            status=Status.FAILED if failed else Status.PASSED,
            error_code="assertion_failed" if failed else "",
            error_message=failed[0].message if failed else "",
            assertions=assertions,
        )
        if failed:
            facts = {"status": Status.FAILED, "failed_step": "create", "error_code": "assertion_failed", **facts}
            facts |= {"error_message": failed[0].message, "fingerprint": failed[0].type.value}
        soft = sum(each.soft for each in assertions)
        result = RowResult(**{"status": Status.PASSED, "soft_failures": soft, **ended, **facts})
        others = [one_step(**ended, step_id=name, step_index=place) for place, name in ((1, "read"), (2, "pay"))]
        return result, [step, *others]

    rows = [row(0, slow), row(1, retries=1, flaky=True, known_flaky=True), row(2, wrong), row(3, wrong)]
    rows += [row(4, refused, slow), row(5, wrong, error_code="worker_lost", status=Status.ERROR)]
    first = {"row_index": 1, "row_key": "ref-1", "step_id": "read", "step_index": 1}
    rows[1][1][1:2] = [
        one_step(
            **first,
            status=Status.FAILED,
            response_status=503,
            error_code="assertion_failed",
            error_message=refused.message,
            assertions=(refused,),
        ),
        one_step(**first, attempt=2),
    ]
    del rows[5][1][2]
    steps = [step for _, found in rows for step in found]
    commit = runs.write_records(folder, 0, [result for result, _ in rows], steps, flaky_steps=frozenset({"read"}))
    assert folder.commit(commit)
    complete(folder, lambda *_: runs.verdict(folder), 1)
    return folder


def judged(
    type_: AssertionType, path: str, operator: Operator, expected: str, actual: str, *, soft: bool = False
) -> AssertionResult:
    """An assertion that does not hold."""
    source = Assertion(type=type_, target=path, operator=operator)
    message = message_of(source, expected, actual, UNSET, "")
    return AssertionResult(
        type_, path, operator, expected, actual, Status.FAILED, soft, AssertionOrigin.STEP, "", message
    )


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
