"""What each SQL view and column means, for `describe` and for the reference. It must not know how a view is made.

A comment is one sentence without a full stop at its end: short, so that a terminal shows it beside name and type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ViewComments:
    """What a line of a view is, and what each of its columns means, in the order of the columns."""

    line: str
    columns: Mapping[str, str]


_ORIGIN: Final = {
    "run_id": "ID of the run, as `--run` takes it",
    "journey": "Name of the journey that the run executed",
}
_ROW: Final = {
    **_ORIGIN,
    "row_index": "Position of the row in the dataset, from 0",
    "row_key": "Value of the column that `--key` names; null without `--key`",
}
_STEP: Final = {
    **_ROW,
    "step_id": "ID of the step in the journey",
    "step_index": "Position of the step in the journey, from 0",
    "attempt": "Number of the try of the step, from 1; each poll round is an attempt",
}
_LAST_ATTEMPT: Final = {"last_attempt": "Whether the step ended with this attempt; null in runs of version 0.1.0"}
_DURABILITY: Final = {
    "resent": "Requests sent again while it was unknown whether the API had processed them",
    "resent_sensitive": "Requests sent again because a sensitive value of their response could not be opened",
}

RUNS: Final = ViewComments(
    "One line per run",
    {
        "run_id": _ORIGIN["run_id"],
        "state": "Where the run is in its life: `running`, `interrupted` (it can be resumed), or `finished`",
        "status": "Worst status of its rows; null until the run is finished",
        "exit_code": "Exit code of the command that finished the run; null until then",
        "journey": _ORIGIN["journey"],
        "journey_version": "Version that the journey declares, null without one",
        "environment": "Name of the environment, null if none was chosen",
        "insecure": "Whether the environment turns off the verification of TLS certificates",
        "case_name": "Case that was chosen with `--case`, null without one",
        "presets": "Presets in the order in which they were applied",
        "overlays": "Overlays in the order in which they were applied",
        "artifact": "SHA-256 of the compiled journey",
        "created_at": "When the run was created (UTC)",
        "started_at": "When the run started, the same instant as `created_at`; null until the run is finished",
        "finished_at": "When the results of the run were complete (UTC); null until the run is finished",
        "duration_ms": "Milliseconds from `started_at` to `finished_at`",
        "rows": "Rows that have ended and are committed; all rows once the run is finished",
        "passed": "Rows with the status `passed`",
        "failed": "Rows with the status `failed`: an assertion did not hold",
        "error": "Rows with the status `error`: a step could not be carried out or judged",
        "inconclusive": "Rows with a request of unknown outcome that may not be repeated",
        "skipped": "Rows with the status `skipped`",
        "cancelled": "Rows with the status `cancelled`",
        "steps": "Steps of all rows for which there is a record; attempts of a step count once",
        "requests": "HTTP requests that were sent, repeated ones included",
        "retries": "Tries of steps after the first one; poll rounds do not count",
        "resumed": "Rows that a later attempt of their shard continued",
        **_DURABILITY,
        "quarantined": "Damaged journal records that were set aside",
        "poisoned": "Rows that were given up because they repeatedly ended their worker",
        "internal": "Rows that ended with an error of reqflo-ray itself",
        "soft_failures": "Soft assertions that failed in the last attempt of a step",
        "flaky": "Rows that passed only after a step was tried again",
        "rows_unreadable": "Rows in damaged files that `--damaged=skip` left out of the answer",
        "user_name": "User who created the run",
        "host": "Machine on which the run was created",
        "backend": "Where the rows were executed: `local` or `ray`",
        "rerun_of": "ID of the run whose rows it repeats, null if it is not a rerun",
    },
)

RESULTS: Final = ViewComments(
    "One line per row of a run",
    {
        **_ROW,
        "status": "Outcome of the row: `passed`, `failed`, `error`, `inconclusive`, `skipped`, or `cancelled`",
        "error_code": "Why the row did not pass, as a code of the reference; null if it passed",
        "error_message": "Why the row did not pass, in words; null if it passed",
        "failed_step": "ID of the first step that did not pass; null if all did",
        "inputs": "Inputs of the row as a JSON object, with secrets and sensitive values masked",
        "started_at": "When the first step of the row started (UTC)",
        "duration_ms": "Milliseconds from the start of the row to its end",
        "resumed": "Whether a later attempt of the shard continued the row after an interruption",
        "requests": "HTTP requests that were sent for the row, repeated ones included",
        "retries": "Tries of its steps after the first one; poll rounds do not count",
        **_DURABILITY,
        "shard": "Number of the shard that holds the row, from 0",
        "soft_failures": "Soft assertions that failed in the last attempts of its steps",
        "flaky": "Whether the row passed only after a step was tried again",
        "known_flaky": "Whether the step that failed, or was tried again, is labeled `flaky: true`",
        "fingerprint": "Identifies the cause: equal in rows with the same cause; null if the row passed",
    },
)

_REQUEST: Final = {
    "http_request_method": "HTTP method; null if the attempt sent no request",
    "url_full": "URL that was requested, with secrets and sensitive values masked",
    "http_request_headers": "Request headers by their names in lower case; values of a repeated name are joined",
    "http_request_body": "Request body as text, up to the size that evidence keeps; null if it is not UTF-8",
    "http_request_body_binary": "Request body as bytes where it is not UTF-8",
    "http_request_body_bytes": "Size of the whole request body in bytes",
    "http_request_body_sha256": "SHA-256 of the whole request body where only its beginning is kept",
    "http_request_body_truncated": "Whether only the beginning of the request body is kept",
}
_RESPONSE: Final = {
    "http_response_status_code": "HTTP status code; null if no response came",
    "http_response_reason": "Reason phrase that the server sent with the status code",
    "http_response_headers": "Response headers by their names in lower case; values of a repeated name are joined",
    "http_response_body": "Response body as text, up to the size that evidence keeps; null if it is not UTF-8",
    "http_response_body_binary": "Response body as bytes where it is not UTF-8",
    "http_response_body_bytes": "Size of the whole response body in bytes, decompressed",
    "http_response_body_sha256": "SHA-256 of the whole response body where only its beginning is kept",
    "http_response_body_truncated": "Whether only the beginning of the response body is kept",
    "network_protocol_version": "HTTP version of the exchange: `1.0`, `1.1`, or `2`",
}
_TIMES: Final = {
    "started_at": "When the attempt started (UTC)",
    "duration_ms": "Milliseconds that the attempt took",
    "blocked_ms": "Milliseconds spent waiting for a free connection",
    "dns_ms": "Milliseconds spent resolving the host name; null on a reused connection",
    "connect_ms": "Milliseconds spent connecting, including DNS and TLS; null on a reused connection",
    "tls_ms": "Milliseconds of the TLS handshake; null without one",
    "wait_ms": "Milliseconds from the end of the request to the head of the response",
    "receive_ms": "Milliseconds from the head of the response to its last byte",
    "connection_reused": "Whether the request went over a kept-alive connection",
}

STEPS: Final = ViewComments(
    "One line per attempt of a step, with its evidence",
    {
        **_STEP,
        "status": "Outcome of the attempt; `waiting` if a poll found that its condition does not hold yet",
        "error_code": "Why the attempt did not pass, as a code of the reference; null if it passed",
        "error_message": "Why the attempt did not pass, in words; null if it passed",
        **_REQUEST,
        **_RESPONSE,
        **_TIMES,
        "outputs": "Values that the step took from the response, as a JSON object; sensitive ones are masked",
        "assertions": "Assertions that were judged; the view `assertions` has one line for each",
        "events": "Retries, polls, redirects, and warnings; the view `logs` has one line for each",
        "idempotency_key": "Key by which the API recognizes a repeated request; null if none was sent",
        "resend_count": "How often the request of the attempt may have been sent before",
        "resend_reason": "Why it was sent again: `unknown` (its outcome) or `sensitive` (a value could not be opened)",
        "resumed": "Whether the attempt was made after an interruption, when the shard was continued",
        **_LAST_ATTEMPT,
        "known_flaky": "Whether the step is labeled `flaky: true`",
        "url_template": "Reserved for a later version; always null",
        "trace_id": "Reserved for a later version; always null",
    },
)

ASSERTIONS: Final = ViewComments(
    "One line per assertion of an attempt",
    {
        **_STEP,
        **_LAST_ATTEMPT,
        "position": "Position of the assertion within its attempt, from 1",
        "type": "What the assertion checks, such as `status_code`, `json_path`, or `header`",
        "path": "JSONPath or header name that the assertion checks; null without one",
        "operator": "How the assertion compares, such as `equals` or `contains`",
        "expected": "Value that was expected, as JSON; null if the operator needs none",
        "actual": "Value that was found, as JSON; null if there was none",
        "status": "Outcome of the assertion: `passed` or `failed`",
        "soft": "Whether a failure is reported without failing the step",
        "origin": "Where the assertion is written: `template` or `step`",
        "id": "ID that the assertion declares, null without one",
        "message": "Why the assertion does not hold; null if it does",
    },
)

LOGS: Final = ViewComments(
    "One line per event of an attempt",
    {
        **_STEP,
        **_LAST_ATTEMPT,
        "position": "Position of the event within its attempt, from 1",
        "logged_at": "When the event happened (UTC)",
        "kind": "What happened: `retry`, `poll`, `redirect`, `wait`, `resend`, `warning`, or `note`",
        "text": "The event in words, with secrets and sensitive values masked",
    },
)

VIEWS: Final[Mapping[str, ViewComments]] = {
    "runs": RUNS,
    "results": RESULTS,
    "steps": STEPS,
    "assertions": ASSERTIONS,
    "logs": LOGS,
}

# `describe VIEW` as people write it. DuckDB answers with four columns that say nothing of a view, and no comments.
_DESCRIBE: Final = re.compile(rf"\s*(?:describe|desc)\s+\"?({'|'.join(VIEWS)})\"?\s*;?\s*", re.IGNORECASE)
_CATALOG: Final = re.compile(r"duckdb_(?:columns|tables|views)\b", re.IGNORECASE)


def statements() -> Iterator[str]:
    """Yield the statements that attach every comment to its view or column."""
    for name, view in VIEWS.items():
        yield f"COMMENT ON {'TABLE' if name == 'runs' else 'VIEW'} {name} IS {_quoted(view.line)}"
        for column, comment in view.columns.items():
            yield f"COMMENT ON COLUMN {name}.{column} IS {_quoted(comment)}"


def answerable(sql: str) -> str:
    """Return `sql`, or what answers it with comments if it is `describe` and the name of a view."""
    found = _DESCRIBE.fullmatch(sql)
    if found is None:
        return sql
    return (
        "SELECT column_name, data_type AS column_type, comment FROM duckdb_columns()"
        f" WHERE table_name = '{found[1].lower()}' ORDER BY column_index"
    )


def are_needed(sql: str) -> bool:
    """Whether an answer to `sql` shows comments; to attach them takes longer than most questions do."""
    return _CATALOG.search(sql) is not None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
