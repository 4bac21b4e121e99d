"""Codes that are the `error_code` of a row or step in the results."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode("assertion_failed", "An assertion does not hold.", "See `assertions` of the step in the results."),
    ErrorCode("server_error", "The server answered 5xx, which no assertion expects.", "Look at the API."),
    ErrorCode("internal_error", "reqflo-ray itself failed, in this row or altogether.", "Report the bug; then resume."),
    # The request
    ErrorCode("invalid_request", "The values make no request that can be sent.", "Correct URL, headers or body."),
    ErrorCode("invalid_value", "A value cannot be converted as declared.", "Correct the value or its type."),
    ErrorCode("missing_base_url", "The environment has no base URL for the service.", "Add it under `services`."),
    ErrorCode("missing_value", "Nothing supplies a value that is needed.", "Give it, or give it a default."),
    ErrorCode("secret_host_refused", "The secret may not be sent to that host.", "Add the host to its `hosts`."),
    ErrorCode("target_blocked", "The host may not be called.", "Allow it in the environment, if it should be."),
    ErrorCode("unresolved_dependency", "A step before did not give the value.", "See why that step did not pass."),
    # The way there and back
    ErrorCode("body_too_large", "The body is larger than the limit.", "Raise `http.max_body_bytes`."),
    ErrorCode("connect_timeout", "The host did not accept the connection in time.", "Look at host and network."),
    ErrorCode(
        "connection_closed",
        "The host closed the connection before it answered.",
        "Look at the API; give a POST `idempotency: true`, and write https where the port is for TLS.",
    ),
    ErrorCode("connection_refused", "Nothing listens at the host's port.", "Start the API, or correct its URL."),
    ErrorCode("deadline_exceeded", "The request took longer than its total time.", "Raise the timeout of the step."),
    ErrorCode("dns_failure", "The name of the host cannot be resolved.", "Correct the name, or the name server."),
    ErrorCode("host_unreachable", "There is no way to the host.", "Look at network and proxy."),
    ErrorCode("no_buffer_space", "This machine had no memory for a connection.", "Lower `--concurrency`, then resume."),
    ErrorCode("no_free_port", "This machine had no free port.", "Lower `--concurrency`, then resume."),
    ErrorCode(
        "no_room_at_host",
        "The time was over before `max_in_flight_per_host` had room; nothing was sent.",
        "Raise the limit or the timeout of the step.",
    ),
    ErrorCode(
        "protocol_error",
        "The answer is no valid HTTP.",
        "Look at the bytes that the message shows, at the API, and at a proxy before it.",
    ),
    ErrorCode("proxy_failure", "The proxy refused or failed.", "Look at `http.proxy`: its place and its credentials."),
    ErrorCode("read_timeout", "The host sent nothing for too long.", "Raise the timeout of the step."),
    ErrorCode("short_body", "The connection ended before the body was complete.", "Look at the API."),
    ErrorCode("tls_failure", "No TLS connection could be made.", "Look at certificates and `http.ca_file`."),
    ErrorCode(
        "too_many_open_files",
        "The process may open no more files.",
        "Raise the limit (`ulimit -n`) or lower `--concurrency`, then resume.",
    ),
    ErrorCode("too_many_redirects", "The answer redirects again and again.", "Look at the API."),
    # Judging
    ErrorCode("judging_killed", "The process that judged the answer was killed.", "Look at the memory of the worker."),
    ErrorCode("judging_memory", "Judging the answer takes too much memory.", "Assert less of so large an answer."),
    ErrorCode("judging_timeout", "Judging the answer takes too long.", "Assert less of so large an answer."),
    ErrorCode("not_json", "An output is taken from a body that is not JSON.", "Look at the answer in the results."),
    ErrorCode("output_missing", "A required output is not in the response.", "Correct its path, or look at the API."),
    ErrorCode("pattern_timeout", "Matching a pattern took too long.", "Write a pattern with fewer alternatives."),
    ErrorCode("value_too_large", "A value is too large to be kept.", "Take a smaller part of the response."),
    ErrorCode("work_limit", "Judging the answer takes too many steps.", "Assert less, or more simply."),
    # The row
    ErrorCode(
        "journal_damaged",
        "The journal is damaged where it would say what became of the request, and it must not be sent again.",
        "Look up at the API whether the request arrived.",
    ),
    ErrorCode(
        "outcome_unknown",
        "The request was in flight when its worker died, and it must not be sent again.",
        "Look up at the API whether it arrived; an idempotency key makes re-sending safe.",
    ),
    ErrorCode("poison_row", "Workers died each time this row ran.", "Look at the memory that its answers take."),
    ErrorCode("poll_timeout", "The condition of `poll` did not come to hold in time.", "Look at the API."),
    ErrorCode(
        "replay_mismatch",
        "After an interruption the request is not the one that was recorded.",
        "Restore the secrets that the run began with.",
    ),
    ErrorCode("row_halted", "An earlier step ended the row.", "See `failed_step` of the row."),
    ErrorCode("row_timeout", "The row took longer than `--row-timeout`.", "Raise it, or look at the API."),
    ErrorCode(
        "sensitive_value_lost",
        "A sensitive value cannot be opened any more, and its step must not be sent again.",
        "Run the row again: `reqflo-ray rerun RUN --failed --include-inconclusive`.",
    ),
    ErrorCode("skipped_by_overlay", "An overlay skips the step.", "Nothing: it was asked for."),
    ErrorCode("unexpected_request", "A fake API has no answer to the request.", "Script one, or correct the journey."),
    ErrorCode("unrecordable_value", "A value cannot be written to the journal.", "Look at the answer of the API."),
)
