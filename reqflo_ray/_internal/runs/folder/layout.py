"""Names the files of a run, and says what a run may be called. Pure text, no I/O.

Numbers are padded for people; they may exceed the padding, so the order is always by number.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from reqflo_ray._internal.errors import UsageError

# The default store.
DEFAULT_STORE: Final = ".reqflo"

RUNS: Final = "runs"
ARTIFACTS: Final = "artifacts"
ORDER: Final = "order"

# Within the folder of a run.
RECORD: Final = "run.json"
SEALING_KEY: Final = "sealing.key"
PLAN: Final = "plan.parquet"
VERDICT: Final = "verdict.json"
MANIFEST: Final = "manifest.json"
CHECKED: Final = "checked.json"
EPOCHS: Final = "epochs"
STOPS: Final = "stop"
ROWS: Final = "rows"
ATTEMPTS: Final = "attempts"
JOURNALS: Final = "journal"
RESULTS: Final = "results"
STEPS: Final = "steps"
COMMITS: Final = "commits"
REPORTS: Final = "reports"
STAGING: Final = "staging"
DELETED: Final = "deleted"  # the run is being deleted, and no longer counts as a run

# Words that stand for runs.
LATEST: Final = "latest"
ALL: Final = "all"

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NUMBERED: Final = re.compile(r"([0-9]{4,})(?:\.json|\.beat|\.log)?", re.ASCII)
_PLACE: Final = re.compile(r"([0-9]{8,})-(.+)", re.ASCII)
_SHARD_FILE: Final = re.compile(r"shard-([0-9]{5,})(?:\.a[0-9]{4,})?\.parquet", re.ASCII)
# What operating systems leave in folders that they show, share, or check, apart from names that begin with a dot.
_SYSTEM_FILES: Final = frozenset(
    [
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "lost+found", "@eadir", "#recycle", "$recycle.bin"),
        *("system volume information", "__macosx"),
    ]
)
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TAIL: Final = 6


def artifact(digest: str) -> str:
    """Return the path of an artifact within the store."""
    return f"{ARTIFACTS}/{digest}.json"


def run(run_id: str) -> str:
    """Return the path of the folder of a run within the store."""
    return f"{RUNS}/{run_id}"


def place(number: int, run_id: str) -> str:
    """Return the file, within the store, that records `run_id` as the `number`-th run of the store."""
    return f"{ORDER}/{number:08d}-{run_id}"


def place_of(name: str) -> tuple[int, str] | None:
    """Return the number and run ID in a name from the folder `ORDER`; None for other names."""
    found = _PLACE.fullmatch(name)
    return (int(found[1]), found[2]) if found and is_run_id(found[2]) else None


def run_of(path: str) -> str:
    """Return the ID of the run to whose folder `path`, within the store, belongs."""
    return path.split("/")[1]


def epoch(number: int) -> str:
    """Return the path of the claim of a driver."""
    return f"{EPOCHS}/{number:04d}.json"


def beat(number: int) -> str:
    """Return the path of the heartbeat of the driver that owns an epoch."""
    return f"{EPOCHS}/{number:04d}.beat"


def stop(number: int) -> str:
    """Return the path of the stop marker of an epoch."""
    return f"{STOPS}/{number:04d}"


def rows(shard: int) -> str:
    """Return the path of the staged rows of a shard."""
    return f"{ROWS}/shard-{shard:05d}.parquet"


def staged_keys(job: int, part: int) -> str:
    """Return the path of one part of the keys that a staging job has found; kept until all rows are staged."""
    return f"{STAGING}/keys-{part:03d}-{job:05d}"


def staging_findings(job: int) -> str:
    """Return the path of the findings of a staging job; kept until all rows are staged."""
    return f"{STAGING}/findings-{job:05d}.json"


def attempts(shard: int) -> str:
    """Return the path of the folder of a shard's attempt claims."""
    return f"{ATTEMPTS}/{shard:05d}"


def attempt(shard: int, number: int) -> str:
    """Return the path of the claim of one attempt."""
    return f"{ATTEMPTS}/{shard:05d}/{number:04d}"


def journals(shard: int) -> str:
    """Return the path of the folder of a shard's journals."""
    return f"{JOURNALS}/{shard:05d}"


def journal(shard: int, number: int) -> str:
    """Return the path of the journal of one attempt."""
    return f"{JOURNALS}/{shard:05d}/{number:04d}.log"


def results(shard: int, number: int) -> str:
    """Return the path of the results of the rows, as one attempt wrote them."""
    return f"{RESULTS}/shard-{shard:05d}.a{number:04d}.parquet"


def steps(shard: int, number: int) -> str:
    """Return the path of the steps with their evidence, as one attempt wrote them."""
    return f"{STEPS}/shard-{shard:05d}.a{number:04d}.parquet"


def commit(shard: int) -> str:
    """Return the path of the commit of a shard."""
    return f"{COMMITS}/{shard:05d}.json"


def number_of(name: str) -> int | None:
    """Return the number in a file name such as `0012.json`; None for other names, such as `0012.json.bak`."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else None


def is_shard_file(name: str) -> bool:
    """Return whether `name` is a valid name of a file of rows, results, or steps."""
    return _SHARD_FILE.fullmatch(name) is not None


def shard_of(path: str) -> int:
    """Return the shard of a file of rows, results, or steps, named within the run."""
    found = _SHARD_FILE.fullmatch(path.rpartition("/")[2])
    return int(found[1]) if found else 0


def is_system_file(name: str) -> bool:
    """Return whether a file belongs to the operating system, such as `.DS_Store`, and not to the run."""
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def is_run_id(name: str) -> bool:
    """Return whether `name` is a valid run ID."""
    return _RUN_ID.fullmatch(name) is not None and name != LATEST


def check_run_id(run_id: str) -> str:
    """Return `run_id` if it is valid. Raises `UsageError` (`invalid_run_id`) if not."""
    if not is_run_id(run_id):
        raise UsageError(
            f"{run_id!r} is not a valid run ID",
            code="invalid_run_id",
            hint="use up to 64 letters, digits, `.`, `_`, and `-`, a letter or digit first (`latest` is reserved)",
        )
    return run_id


def check_new_run_id(run_id: str) -> str:
    """As `check_run_id`, for a new run. Only runs of earlier versions may be called `all`."""
    if run_id == ALL:
        raise UsageError(
            "a run cannot be called `all`", code="invalid_run_id", hint="choose another ID; `--run all` means every run"
        )
    return check_run_id(run_id)


def new_run_id(now: datetime, entropy: bytes) -> str:
    """Return a new ID that sorts by time and ends in random characters: `20261122-104500-x7k2q9`.

    Args:
        now: an aware instant.
        entropy: at least 4 random bytes.
    """
    number = int.from_bytes(entropy[:8])
    tail = "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_TAIL))
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{tail}"
