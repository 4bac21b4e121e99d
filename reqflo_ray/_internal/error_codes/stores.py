"""Codes of stores, of the runs in them, and of what `verify` finds there."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    # The store
    ErrorCode("store_error", "The store cannot be read or written.", "Look at the disk or service, then resume."),
    ErrorCode("credentials_in_uri", "The address of a bucket holds credentials.", "Give them in the environment."),
    ErrorCode("disk_full", "The disk of the store is full.", "Free space (`reqflo-ray prune`), then resume."),
    ErrorCode("invalid_store", "The text is no place for a store.", "Give a folder, s3:// or gs:// address."),
    ErrorCode("log_exists", "A log that must be new is there.", "Resume the run: it starts another attempt."),
    ErrorCode("no_such_bucket", "The bucket does not exist.", "Create it, or choose another store."),
    ErrorCode("not_a_folder", "A file lies where the store needs a folder.", "Move it, or choose another store."),
    ErrorCode("relative_store", "A relative path means another folder on every node.", "Give an absolute path."),
    ErrorCode("store_credentials", "The service does not accept the credentials.", "Correct the environment."),
    ErrorCode("store_not_permitted", "The rights do not suffice.", "Grant what the hint names."),
    ErrorCode("store_unreachable", "The service does not answer.", "Look at the network, then resume."),
    ErrorCode("unsafe_path", "A path leads out of the store.", "Report the bug, unless you wrote the path."),
    ErrorCode("unsupported_store", "There is no store of that kind.", "Give a folder, s3:// or gs:// address."),
    # Runs
    ErrorCode("ambiguous_run", "Several runs begin with that text.", "Give more of the id."),
    ErrorCode("rerun_not_staged", "The rerun was interrupted before its rows were chosen.", "Start the rerun again."),
    ErrorCode("run_conflict", "The run exists, or is driven by another process.", "Choose another `--run-id`."),
    ErrorCode("run_deleted", "The run was deleted while it was being asked.", "Ask again."),
    ErrorCode("run_differs", "The run exists with other inputs.", "Choose another `--run-id`, or resume it."),
    ErrorCode("run_owned", "Another process drives the run.", "Wait for it, or stop it; `--take-over` if it is gone."),
    ErrorCode("run_without_record", "Files of the run are there, its record is not.", "Choose another `--run-id`."),
    ErrorCode("staging_incomplete", "Not all rows were staged.", "Resume the run."),
    ErrorCode("uncommitted_shards", "Shards of the run are not committed.", "Resume the run."),
    ErrorCode("unfinished_run", "The run is not finished.", "Resume it first."),
    ErrorCode("unknown_row", "The run has no finished row of that key or number.", "Ask `results` which there are."),
    ErrorCode("unknown_run", "The store has no such run.", "See `reqflo-ray runs`, or name another store."),
    ErrorCode("unsupported_journal", "A newer version wrote the journal.", "Resume with that version."),
    ErrorCode("unsupported_run", "A newer version wrote the run.", "Use that version."),
    # Damage
    ErrorCode("integrity_error", "What is stored is not what was written.", "Run `reqflo-ray verify RUN`."),
    ErrorCode(
        "claim_damaged",
        "The file that says which process drove the run is damaged.",
        "Wait: the run goes on when that process has shown no sign of life for 30 s.",
    ),
    ErrorCode("commit_restored", "A damaged commit was restored from its copy.", "Check the disk of the store."),
    ErrorCode("damaged_artifact", "An artifact does not have the digest of its name.", "Restore or remove it."),
    ErrorCode("damaged_file", "A file of a run is damaged or missing.", "Restore it, or run again."),
    ErrorCode("journal_closed", "The journal was written to after it was closed.", "Resume the run."),
    ErrorCode("journal_unwritable", "The journal cannot be written.", "Check the disk of the store, then resume."),
    ErrorCode("missing_artifact", "The artifact of the run is missing.", "Compile the same journey again."),
    ErrorCode("results_differ", "The results are not those that were counted.", "Run `reqflo-ray verify RUN`."),
    ErrorCode("sealed_values_damaged", "Sealed values cannot be opened with the run's key.", "Restore the key."),
    ErrorCode("sealed_values_gone", "The key of the run's sensitive values is removed.", "Start a new run."),
    ErrorCode("unreadable_results", "The results cannot be read.", "Run `reqflo-ray verify RUN`."),
    ErrorCode("unreadable_run", "A run cannot be read, and is left out.", "Run `reqflo-ray verify RUN`."),
    # What `verify` finds
    ErrorCode("artifact", "The artifact of the run is damaged or missing.", "Compile the same journey again."),
    ErrorCode("counts", "Counts are not those of the results.", "Restore the files, or run again."),
    ErrorCode("damaged", "A file is not what was written.", "Restore it, or run again."),
    ErrorCode("extra", "A file is there that the manifest does not list.", "Remove it."),
    ErrorCode("missing", "A file is missing.", "Restore it, or run again."),
    ErrorCode("row_count", "A file does not have as many rows as promised.", "Restore it, or run again."),
    ErrorCode("verdict_missing", "Rows have no verdict.", "Restore the files, or run again."),
    ErrorCode("verdict_twice", "Rows have several verdicts.", "Report the bug with the run."),
    # Reports
    ErrorCode("report_failed", "A report could not be made.", "Report the bug; the run is not touched by it."),
)
