"""The JSON report of a run, also written by `--output`: the verdict and the result of every row, streamed, so that it
holds a million rows. It is for programs: texts are not escaped for people."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import msgspec

from reqflo_ray._internal.analysis.export import records
from reqflo_ray._internal.model.json_text import encode_exactly
from reqflo_ray._internal.model.results import Counts, Status, Verdict
from reqflo_ray._internal.reports.refusal import Refusal
from reqflo_ray._internal.reports.source import ReportedRun
from reqflo_ray._internal.visible_text import visible

SCHEMA: Final = "reqflo-ray/run-result/1"


def write(run: ReportedRun, file: BinaryIO) -> None:
    """Write `{"schema", "run_id", "results", "complete", "left_out", "verdict", "rows": […]}`.

    Rows are objects with the columns of the `results` view, in row order; `inputs` is an object. Of an unfinished
    run, they are the rows that have a result, and the verdict covers these. `left_out` lists, in sentences, what is
    missing because it is damaged; `complete` is then false.
    """
    head = {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "results": f"{run.folder.storage.uri}/{run.folder.path('')}".rstrip("/"),
        "complete": run.is_complete,
        "left_out": [problem.message for problem in run.problems],
        "verdict": run.verdict,
    }
    # The opening object stays open: rows follow as its last field.
    file.write(encode_exactly(head)[:-1] + b',"rows":[')
    separator = b"\n"
    for piece in run.every_row():
        for values in records(piece):
            file.write(separator + encode_exactly(_row(dict(zip(piece.columns, values, strict=True)))))
            separator = b",\n"
    file.write(b"\n]}\n")


def write_refusal(refusal: Refusal, file: BinaryIO) -> None:
    """Write to `file` that there is no result: the same document without rows, and with `problems`, which say why.

    Its verdict counts one row with an error, so that a program that reads only counts does not see a success.
    """
    document = {
        "schema": SCHEMA,
        "run_id": "",
        "results": "",
        "complete": False,
        "left_out": [refusal.headline],
        "verdict": Verdict(
            run_id="",
            journey=refusal.subject,
            artifact="",
            environment="",
            status=Status.ERROR,
            exit_code=refusal.exit_code,
            counts=Counts(rows=1, error=1),
            started_at=refusal.instant,
            finished_at=refusal.instant,
            duration_ms=0.0,
        ),
        "rows": [],
        "problems": [
            {
                "code": problem.code,
                "message": visible(problem.message),
                "place": visible(str(problem.position)) if problem.position else None,
                "cause": visible(problem.cause),
                "hint": visible(problem.hint),
            }
            for problem in refusal.problems
        ],
    }
    file.write(encode_exactly(document) + b"\n")


def _row(row: dict[str, Any]) -> dict[str, Any]:
    # `inputs` is JSON text in the table: it is embedded raw, so that no number loses a digit.
    if inputs := row.get("inputs"):
        row["inputs"] = msgspec.Raw(inputs.encode())
    return row
