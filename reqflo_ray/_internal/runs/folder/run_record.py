"""Compares run records, to decide whether two dispatches mean the same run. It must not know files."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from reqflo_ray._internal.datasets.contents import changed_files
from reqflo_ray._internal.errors import RunConflictError
from reqflo_ray._internal.model.plan import RunRecord

# Fields that may differ between two dispatches of one run: who, when, where, and how many workers. They change no
# request.
_CIRCUMSTANCES = frozenset(
    ("format", "run_id", "nonce", "created_at", "workspace", "me", "backend", "user", "host", "versions", "sources")
)
_HANDS = frozenset(("options.workers", "options.concurrency", "options.rows_per_shard"))
# Compared file by file.
_CONTENTS = "dataset.contents"
_FILES = "dataset.files"


def record_differences(old: RunRecord, new: RunRecord) -> tuple[str, ...]:
    """Return what differs between two records and affects requests, by dotted names; changed files of the dataset last.

    The pinned version of a secret does not count, because the run keeps the version that it has pinned.
    """
    before, after = deciding_facts(old), deciding_facts(new)
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    changed = changed_files(old.dataset, new.dataset) if old.dataset and new.dataset else ()
    earlier, now = _file_names(old), _file_names(new)
    if _FILES in names:
        names[names.index(_FILES)] = "the list of data files"
        changed = tuple(name for name in changed if name in earlier and name in now)
    return (*names, *(_change(name, earlier, now) for name in changed))


def _change(name: str, earlier: Set[str], now: Set[str]) -> str:
    if name in earlier and name in now:
        return f"the contents of `{name}`"
    return f"`{name}` was {'added' if name in now else 'removed'}"


def _file_names(record: RunRecord) -> Set[str]:
    return {file.name for file in record.dataset.contents} if record.dataset else set()


def run_conflict(run_id: str, differences: tuple[str, ...]) -> RunConflictError:
    """Return the error for a run that exists with different inputs."""
    return RunConflictError(
        f"run `{run_id}` already exists with other inputs: {', '.join(differences)}",
        code="run_differs",
        hint=f"resume it with `reqflo-ray resume {run_id}`, or choose another `--run-id` for a new run",
    )


def deciding_facts(record: RunRecord) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name, value in msgspec.to_builtins(record, builtin_types=(bytes,), enc_hook=str).items():
        if name in _CIRCUMSTANCES:
            continue
        if isinstance(value, dict):
            facts.update({f"{name}.{key}": part for key, part in value.items()})
        else:
            facts[name] = value
    for name in record.secrets:
        facts[f"secrets.{name}"] = msgspec.structs.replace(record.secrets[name], version="")
    return {name: fact for name, fact in facts.items() if name not in _HANDS and name != _CONTENTS}
