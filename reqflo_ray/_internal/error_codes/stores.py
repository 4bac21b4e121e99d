"""Codes of stores, of the runs in them, and of what `verify` finds in a run."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    # The store
    ErrorCode(
        "store_error",
        "The store cannot be read or written.",
        "Check the disk, mount, or service that the cause names, then resume the run.",
    ),
    ErrorCode(
        "credentials_in_uri",
        "The URI of the bucket contains credentials or parameters.",
        "Remove them, and set the credentials in the environment.",
    ),
    ErrorCode(
        "disk_full",
        "The disk that holds the store is full.",
        "Free space, for example with `reqflo-ray prune`, then resume the run.",
    ),
    ErrorCode(
        "invalid_store",
        "The text is not a valid place for a store.",
        "Set `--store` to a folder, `s3://BUCKET/PREFIX`, or `gs://BUCKET/PREFIX`.",
    ),
    ErrorCode(
        "log_exists",
        "A journal that this attempt has to create already exists.",
        "Resume the run, which starts another attempt.",
    ),
    ErrorCode(
        "no_such_bucket",
        "The bucket does not exist; reqflo-ray does not create buckets.",
        "Create the bucket, or choose another store with `--store`.",
    ),
    ErrorCode(
        "not_a_folder",
        "A file is where the store needs a folder.",
        "Move the file, or choose another store with `--store`.",
    ),
    ErrorCode(
        "relative_store",
        "The store is a relative path, which is a different folder on each node.",
        "Set `--store` to an absolute path that every node mounts, or to a bucket.",
    ),
    ErrorCode(
        "store_credentials",
        "The storage service rejects the credentials, or finds none.",
        "Set valid credentials in the environment, as the hint shows.",
    ),
    ErrorCode(
        "store_not_permitted",
        "The user or account may not read or write the store.",
        "Grant the permissions that the hint names.",
    ),
    ErrorCode(
        "store_unreachable",
        "The storage service does not answer.",
        "Check the network and the endpoint, then resume the run.",
    ),
    ErrorCode(
        "unsafe_path", "A path leads out of the store.", "Correct the path if you wrote it; otherwise report the bug."
    ),
    ErrorCode(
        "unsupported_store",
        "The scheme of the store's URI is not supported.",
        "Use a folder, `s3://BUCKET/PREFIX`, or `gs://BUCKET/PREFIX`.",
    ),
    # Runs
    ErrorCode("ambiguous_run", "Several run IDs begin with that text.", "Write more characters of the ID."),
    ErrorCode(
        "rerun_not_staged",
        "The rerun was interrupted before its rows were selected.",
        "Start the rerun again: `reqflo-ray rerun RUN`.",
    ),
    ErrorCode(
        "run_conflict",
        "The run exists already, or another process drives it.",
        "Resume the run, or choose another `--run-id`.",
    ),
    ErrorCode(
        "run_deleted",
        "The run was deleted while it was read.",
        "Run the query again; the deleted run is no longer included.",
    ),
    ErrorCode(
        "run_differs",
        "A run with this ID exists, with other inputs.",
        "Resume that run, or choose another `--run-id` for a new one.",
    ),
    ErrorCode(
        "run_owned",
        "Another process drives the run.",
        "Wait for it or stop it; use `--take-over` only if you know that it has ended.",
    ),
    ErrorCode(
        "run_without_record",
        "The record of the run is missing, but other files of the run exist.",
        "Restore `run.json`, or choose another `--run-id`.",
    ),
    ErrorCode(
        "staging_incomplete",
        "Not all rows of the dataset were written to the store.",
        "Resume the run: its rows are staged again.",
    ),
    ErrorCode("uncommitted_shards", "Shards of the run are not committed.", "Resume the run: `reqflo-ray resume RUN`."),
    ErrorCode(
        "unfinished_run",
        "The command needs a finished run, and the run is not finished.",
        "Resume the run first: `reqflo-ray resume RUN`.",
    ),
    ErrorCode(
        "unknown_row",
        "The run has no finished row with that key or number.",
        'List the rows: `reqflo-ray sql "select row_index, row_key from results" --run RUN`.',
    ),
    ErrorCode(
        "unknown_run",
        "The store has no run with that ID.",
        "List the runs with `reqflo-ray runs`, or choose another store with `--store`.",
    ),
    ErrorCode(
        "unsupported_journal",
        "A newer version of reqflo-ray wrote the journal.",
        "Resume the run with the version that started it.",
    ),
    ErrorCode(
        "unsupported_run",
        "A newer version of reqflo-ray wrote the run.",
        "Use the version that wrote it, or a newer one.",
    ),
    # Damage
    ErrorCode(
        "integrity_error",
        "Stored data differs from what was written.",
        "List all damage with `reqflo-ray verify RUN`, then restore the files from a copy.",
    ),
    ErrorCode(
        "claim_damaged",
        "The file that names the process that drives the run is damaged.",
        "Wait 30 seconds: the run continues if no process shows a sign of life.",
    ),
    ErrorCode(
        "commit_restored",
        "A damaged commit was restored from its copy; nothing is lost.",
        "Check the disk that holds the store.",
    ),
    ErrorCode(
        "damaged_artifact",
        "The contents of an artifact do not match the SHA-256 in its name.",
        "Restore the file from a copy, or remove it and run the same journey again.",
    ),
    ErrorCode(
        "damaged_file",
        "A file of the run is damaged or missing.",
        "Restore the file from a copy, or run again under another run ID.",
    ),
    ErrorCode("journal_closed", "A journal was written to after it was closed.", "Resume the run."),
    ErrorCode(
        "journal_unwritable",
        "The journal cannot be written.",
        "Check the disk that holds the store, then resume the run.",
    ),
    ErrorCode(
        "missing_artifact",
        "The artifact of the run is missing from the store.",
        "Compile the same journey again, or start a new run.",
    ),
    ErrorCode(
        "results_differ",
        "The stored results differ from the counts of the run.",
        "List all damage with `reqflo-ray verify RUN`, then restore the files from a copy.",
    ),
    ErrorCode(
        "sealed_values_damaged",
        "The sensitive values of the run cannot be decrypted with its key.",
        "Restore `sealing.key` of the run, or start a new run.",
    ),
    ErrorCode(
        "sealed_values_gone",
        "The key of the run's sensitive values was removed when the run completed.",
        "Start a new run, and set `--data` and the values again.",
    ),
    ErrorCode(
        "unreadable_results", "The results of the run cannot be read.", "List all damage with `reqflo-ray verify RUN`."
    ),
    ErrorCode(
        "unreadable_run",
        "A run cannot be read, and is left out of the answer.",
        "List all damage with `reqflo-ray verify RUN`.",
    ),
    # What `verify` finds
    ErrorCode(
        "artifact",
        "The artifact of the run is damaged or missing.",
        "Restore it from a copy, or compile the same journey again.",
    ),
    ErrorCode(
        "counts", "The counts of the run differ from its results.", "Restore the files from a copy, or run again."
    ),
    ErrorCode("damaged", "A file differs from what was written.", "Restore the file from a copy, or run again."),
    ErrorCode(
        "extra",
        "The folder of the run contains a file that the manifest does not list.",
        "Remove the file if you do not need it.",
    ),
    ErrorCode("missing", "A file that the manifest lists is missing.", "Restore the file from a copy, or run again."),
    ErrorCode(
        "row_count",
        "A file does not have as many rows as the manifest or commit says.",
        "Restore the file from a copy, or run again.",
    ),
    ErrorCode(
        "verdict_missing",
        "Rows of the run have no result.",
        "Resume the run if it is unfinished; otherwise restore the files, or run again.",
    ),
    ErrorCode(
        "verdict_twice", "Rows of the run have several results.", "Report the bug, and keep the folder of the run."
    ),
    # Reports
    ErrorCode(
        "report_failed",
        "A report could not be written because of a bug in reqflo-ray; the run is not affected.",
        "Report the bug with the message shown.",
    ),
)
