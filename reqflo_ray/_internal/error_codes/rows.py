"""Codes that appear as the `error_code` of a row or step in the results."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode(
        "assertion_failed",
        "The API answered, and an assertion of the step did not hold.",
        "Compare expected and actual values with `reqflo-ray show RUN --row KEY --step STEP`.",
    ),
    ErrorCode(
        "server_error",
        "The server answered 5xx, and no assertion of the step expects a status.",
        "Find the cause in the API; if the status is expected, add a status assertion.",
    ),
    ErrorCode(
        "internal_error",
        "reqflo-ray itself failed, in one row or in the whole command.",
        "Report the bug with the message shown, then resume the run.",
    ),
    # The request
    ErrorCode(
        "invalid_request",
        "The values of the row do not make a request that can be sent.",
        "Correct the URL, header, or body that the message names.",
    ),
    ErrorCode(
        "invalid_value",
        "A value cannot be converted to its declared type.",
        "Correct the value, or the `type` of its declaration.",
    ),
    ErrorCode(
        "missing_base_url",
        "The environment has no base URL for the service that the step calls.",
        "Add the service with a `base_url` under `services` of the environment.",
    ),
    ErrorCode(
        "missing_value",
        "No source supplies a value that the request or a text needs.",
        "Set the value, or add a `default` to its declaration.",
    ),
    ErrorCode(
        "secret_host_refused",
        "The list of hosts of a secret does not include the host of the request.",
        "Add the host to `hosts` of the secret in `reqflo.yaml`, if it may receive the secret.",
    ),
    ErrorCode(
        "target_blocked",
        "The request may not be sent there: a secret forbids the host, or it is a link-local or metadata address.",
        "Correct the URL; to call a link-local address, set `http.allow_link_local: true`.",
    ),
    ErrorCode(
        "unresolved_dependency",
        "The step needs a value of an earlier step that did not produce it.",
        "Find out why the earlier step did not pass: `reqflo-ray show RUN --row KEY`.",
    ),
    # The way there and back
    ErrorCode("body_too_large", "The body of the response is larger than the limit.", "Raise `http.max_body_bytes`."),
    ErrorCode(
        "connect_timeout",
        "The host did not accept the connection in time.",
        "Check that the host is reachable from the worker, or raise `timeout.connect`.",
    ),
    ErrorCode(
        "connection_closed",
        "The host closed the connection before it answered.",
        "Look at the API; set `idempotency: true` on a POST to allow a re-send; check `http` or `https`.",
    ),
    ErrorCode(
        "connection_refused",
        "No program listens on the port of the host.",
        "Start the API, or correct the host and port of its `base_url`.",
    ),
    ErrorCode(
        "deadline_exceeded",
        "The request took longer than its total time.",
        "Raise `timeout.total` of the step or `http.total_timeout`.",
    ),
    ErrorCode(
        "dns_failure",
        "The name of the host cannot be resolved.",
        "Correct the host name, or the name server of the worker.",
    ),
    ErrorCode(
        "host_unreachable",
        "The network has no route to the host.",
        "Check the network, the firewall, and the proxy between the worker and the host.",
    ),
    ErrorCode(
        "no_buffer_space",
        "The worker's machine had no memory left for network buffers.",
        "Lower `--concurrency`, then resume the run.",
    ),
    ErrorCode(
        "no_free_port",
        "The worker's machine had no free local port for another connection.",
        "Lower `--concurrency`, then resume the run.",
    ),
    ErrorCode(
        "no_room_at_host",
        "The time of the step ended while it waited for `max_in_flight_per_host`; nothing was sent.",
        "Raise `http.max_in_flight_per_host` or the `timeout` of the step.",
    ),
    ErrorCode(
        "protocol_error",
        "The response is not valid HTTP.",
        "Look at the bytes in the message, then at the API and at any proxy in front of it.",
    ),
    ErrorCode(
        "proxy_failure",
        "The proxy refused the request, or failed.",
        "Check the address and credentials in `http.proxy`.",
    ),
    ErrorCode(
        "read_timeout",
        "The host sent nothing for longer than the read timeout.",
        "Raise `timeout.read` of the step or `http.read_timeout`.",
    ),
    ErrorCode(
        "short_body",
        "The connection ended before the body of the response was complete.",
        "Look at the API and at any proxy in front of it.",
    ),
    ErrorCode(
        "tls_failure",
        "The TLS connection could not be established.",
        "Check the certificate of the host, and `http.ca_file` for a private authority.",
    ),
    ErrorCode(
        "too_many_open_files",
        "The worker process has reached its limit of open files and connections.",
        "Raise the limit (`ulimit -n`) or lower `--concurrency`, then resume the run.",
    ),
    ErrorCode(
        "too_many_redirects",
        "The API redirects more often than the limit allows.",
        "Correct the redirect loop in the API, or raise `http.max_redirects`.",
    ),
    # Judging
    ErrorCode(
        "judging_killed",
        "The process that judged the response was killed, probably for lack of memory.",
        "Give the worker more memory, or lower `--concurrency`.",
    ),
    ErrorCode(
        "judging_memory",
        "Judging the response takes more memory than is allowed.",
        "Narrow the paths, patterns, and schemas that the step applies to this response.",
    ),
    ErrorCode(
        "judging_timeout",
        "Judging the response takes longer than is allowed.",
        "Narrow the paths, patterns, and schemas that the step applies to this response.",
    ),
    ErrorCode(
        "not_json",
        "An output is taken from a JSON body, and the body of the response is not JSON.",
        "Look at the stored response: `reqflo-ray show RUN --row KEY --step STEP`.",
    ),
    ErrorCode(
        "output_missing",
        "The response does not contain a required output.",
        "Correct the path of the output, or set `required: false` on it.",
    ),
    ErrorCode(
        "pattern_timeout",
        "Matching a regular expression took too long.",
        "Simplify the pattern: use fewer alternatives and fewer nested repetitions.",
    ),
    ErrorCode(
        "value_too_large",
        "A value taken from the response is too large to be stored.",
        "Take a smaller part of the response.",
    ),
    ErrorCode(
        "work_limit",
        "Judging the response takes more steps than are allowed.",
        "Use fewer or simpler assertions, paths, and patterns on this response.",
    ),
    # The row
    ErrorCode(
        "journal_damaged",
        "The journal is damaged, and the outcome of a request that may not be repeated is unknown.",
        "Check at the API whether the request arrived, then rerun the row if needed.",
    ),
    ErrorCode(
        "outcome_unknown",
        "The request was in flight when its worker died, and may not be repeated.",
        "Check at the API whether it arrived; set `idempotency: true` to make re-sending safe.",
    ),
    ErrorCode(
        "poison_row",
        "The worker died each time this row ran, even when it ran alone.",
        "Look at the worker's memory and at the size of the responses of this row.",
    ),
    ErrorCode(
        "poll_timeout",
        "The condition of `poll` did not hold in time.",
        "Raise `poll.timeout`, or find out why the API did not reach the expected state.",
    ),
    ErrorCode(
        "replay_mismatch",
        "The request differs from the one that was recorded before the interruption.",
        "Restore the secrets that the run started with, then resume; or run the row again.",
    ),
    ErrorCode(
        "row_halted",
        "An earlier step ended the row, so this step was skipped.",
        "Look at the step that `failed_step` of the row names.",
    ),
    ErrorCode(
        "row_timeout",
        "The row took longer than `runner.row_timeout`.",
        "Raise `runner.row_timeout` in `reqflo.yaml`, or find out why the API is slow.",
    ),
    ErrorCode(
        "sensitive_value_lost",
        "A sensitive value can no longer be decrypted, and the step that produced it may not be repeated.",
        "Run the row again: `reqflo-ray rerun RUN --failed --include-inconclusive`.",
    ),
    ErrorCode(
        "skipped_by_overlay",
        "An overlay of the run skips the step.",
        "No action is needed; run without the overlay to execute the step.",
    ),
    ErrorCode(
        "unexpected_request",
        "The fake API has no scripted answer for the request.",
        "Script an answer for its method and path, or correct the journey.",
    ),
    ErrorCode(
        "unrecordable_value",
        "A value cannot be written to the journal.",
        "Look at the response that the value comes from: `reqflo-ray show RUN --row KEY`.",
    ),
)
