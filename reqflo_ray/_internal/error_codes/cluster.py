"""Codes of Ray clusters and of the runs that are submitted to them."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode(
        "cluster_error",
        "The Ray cluster could not be reached, or could not finish its work.",
        "Correct what the cause names, then resume the run.",
    ),
    ErrorCode(
        "cluster_authentication",
        "The cluster rejects the token, or needs one.",
        "Set `RAY_AUTH_TOKEN` to the token of the cluster.",
    ),
    ErrorCode(
        "cluster_failed",
        "Ray reported an error from which the run could not recover.",
        "Look at the logs of the workers, then resume the run.",
    ),
    ErrorCode(
        "cluster_not_started",
        "The embedded Ray cluster did not start.",
        "Correct what the cause names, or run with `--backend local`.",
    ),
    ErrorCode(
        "cluster_unreachable",
        "No Ray cluster answers at the address.",
        "Correct the address, or start the cluster; `ray status` on its head shows the address.",
    ),
    ErrorCode(
        "data_too_large",
        "The dataset is too large to be sent with a job.",
        "Put it where the cluster can read it: at a URI, or on a mounted path with `--shared-data`.",
    ),
    ErrorCode(
        "fewer_rows_at_once",
        "The limit on open files is too low for `--concurrency`, so each worker executes fewer rows at a time.",
        "Raise the limit (`ulimit -n`) on the node of the worker.",
    ),
    ErrorCode(
        "invalid_address",
        "The address is not the URL of a Ray dashboard.",
        "Write it as `http://HEAD:8265` or `https://HEAD`.",
    ),
    ErrorCode(
        "job_refused", "The cluster refused the job.", "Correct what the cause names, then submit the run again."
    ),
    ErrorCode(
        "left_running",
        "The command was interrupted while it waited; the run continues on the cluster.",
        "Follow the run with `reqflo-ray status RUN`, or stop it with `reqflo-ray stop RUN`.",
    ),
    ErrorCode(
        "missing_address",
        "The command needs a cluster, and none is named.",
        "Set `--address http://HEAD:8265` or `RAY_API_SERVER_ADDRESS`.",
    ),
    ErrorCode(
        "mixed_data",
        "Some files of the dataset are local, and others are not.",
        "Put all files where the cluster can read them.",
    ),
    ErrorCode(
        "no_dashboard",
        "The server at the address answers, but is not a Ray dashboard.",
        "Use the dashboard's port, 8265 by default, on the head of the cluster.",
    ),
    ErrorCode(
        "no_submission",
        "The folder does not hold a submitted run.",
        "Use `reqflo-ray submit`, which creates the folder and runs this command on the cluster.",
    ),
    ErrorCode(
        "no_verdict",
        "The job ended without a result.",
        "Read the log with `reqflo-ray logs RUN`, then submit the run again.",
    ),
    ErrorCode(
        "no_worker_placed",
        "No node of the cluster has room for a worker.",
        "Free memory or add nodes, then resume the run.",
    ),
    ErrorCode(
        "ray_part_missing",
        "This version of Ray lacks an internal function; the run continues without what depends on it.",
        "Use a version of Ray that reqflo-ray is tested with, as the hint shows.",
    ),
    ErrorCode(
        "ray_version_skew",
        "The cluster and this machine have different versions of Ray or Python.",
        "Use the same versions on both sides.",
    ),
    ErrorCode(
        "report_not_sent",
        "A report did not come back through the log of the job.",
        "Write it with `reqflo-ray report` where the store is mounted.",
    ),
    ErrorCode(
        "rows_not_shared",
        "Rows from memory or from a pipe are not on storage that the cluster can read.",
        "Remove `shared_data`: the rows are then uploaded with the job.",
    ),
    ErrorCode(
        "sensitive_data_in_job",
        "A sensitive column would be stored unencrypted in the job.",
        "Put the dataset on storage that the cluster reads, and use its URI or `--shared-data`.",
    ),
    ErrorCode(
        "sensitive_value_in_job",
        "A sensitive value would be stored unencrypted in the job.",
        "Make the value a secret of the workspace: only its name is sent.",
    ),
    ErrorCode(
        "stop_not_written",
        "Workers could not be asked to stop; the run was stopped without waiting for their requests.",
        "Check the store, then resume the run.",
    ),
    ErrorCode(
        "unauthenticated_cluster",
        "The cluster is on another machine, and is reached without TLS and without a token.",
        "Start the cluster with a token and TLS, or pass `--allow-unauthenticated-cluster`.",
    ),
    ErrorCode(
        "unknown_job",
        "The cluster has no job of that run.",
        "Correct the run ID or the address; the hint lists the runs of the cluster.",
    ),
    ErrorCode(
        "unreadable_token",
        "The file that holds the token of the cluster cannot be read.",
        "Correct the permissions or the path of the file.",
    ),
    ErrorCode(
        "version_skew",
        "The cluster and this machine have different versions of reqflo-ray.",
        "Install the same version on both sides.",
    ),
    ErrorCode(
        "workers_keep_dying",
        "Workers die on a shard without finishing a single step.",
        "Look at the logs and memory of the workers, then resume the run.",
    ),
)
