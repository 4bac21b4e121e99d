"""Codes of Ray clusters and of the runs that are submitted to them."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode("cluster_error", "The cluster could not do its part.", "Look at the cause, then resume the run."),
    ErrorCode("cluster_authentication", "The cluster does not accept the token.", "Set the right RAY_AUTH_TOKEN."),
    ErrorCode("cluster_failed", "Ray gave up.", "Look at the workers' logs, then resume the run."),
    ErrorCode("cluster_not_started", "The embedded cluster did not start.", "Use `--backend local`, or see the cause."),
    ErrorCode("cluster_unreachable", "No cluster answers at the address.", "Correct the address, or start it."),
    ErrorCode("data_too_large", "The data is larger than a job carries.", "Put it where the cluster reads it too."),
    ErrorCode(
        "fewer_rows_at_once",
        "A worker takes fewer rows at once, since it may open no more files.",
        "Raise the limit (`ulimit -n`) on its node.",
    ),
    ErrorCode("invalid_address", "The address is that of no dashboard.", "Write it as in http://HEAD:8265."),
    ErrorCode("job_refused", "The cluster refused the job.", "Look at the cause."),
    ErrorCode("left_running", "The command left; the run goes on.", "See `reqflo-ray status`, or stop it."),
    ErrorCode("missing_address", "No cluster is named.", "Give `--address`."),
    ErrorCode("mixed_data", "Some data files are local and some are not.", "Put all where the cluster reads them."),
    ErrorCode("no_dashboard", "What answers is no dashboard of Ray.", "Give port 8265 of the cluster's head."),
    ErrorCode("no_submission", "The folder holds no submitted run.", "Use `reqflo-ray submit`, which makes it."),
    ErrorCode("no_verdict", "The job ended without a verdict.", "See `reqflo-ray logs RUN`; submit it again."),
    ErrorCode("no_worker_placed", "No node has room for a worker.", "Make room, then resume the run."),
    ErrorCode(
        "ray_part_missing",
        "This Ray lacks an internal part that is used; the run goes on without it, as the message says.",
        "Use a version of Ray that reqflo-ray is tested with.",
    ),
    ErrorCode(
        "ray_version_skew",
        "Cluster and client have different Ray or Python.",
        "Run with the Ray and Python of the cluster.",
    ),
    ErrorCode("report_not_sent", "A report did not come back through the log.", "Make it with `reqflo-ray report`."),
    ErrorCode(
        "rows_not_shared",
        "Rows from memory are not on the cluster.",
        "Leave `shared_data` out: they travel in the job.",
    ),
    ErrorCode("sensitive_data_in_job", "A sensitive column would lie in the job.", "Put the data on shared storage."),
    ErrorCode("sensitive_value_in_job", "A sensitive value would lie in the job.", "Make it a secret."),
    ErrorCode(
        "stop_not_written",
        "Workers could not be asked to stop; the run was stopped all the same.",
        "Look at the store, then resume the run.",
    ),
    ErrorCode(
        "unauthenticated_cluster",
        "Another machine is reached without TLS and without a token.",
        "Protect it, or allow it with `--allow-unauthenticated-cluster`.",
    ),
    ErrorCode("unknown_job", "The cluster has no job of that run.", "Correct the id, or the address."),
    ErrorCode("unreadable_token", "The file of the token cannot be read.", "Correct its rights or its place."),
    ErrorCode("version_skew", "Cluster and client have different reqflo-ray.", "Use the same version on both sides."),
    ErrorCode("workers_keep_dying", "Workers die without finishing a step.", "Look at their logs and memory."),
)
