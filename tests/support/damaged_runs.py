"""Runs that are there to be damaged: finished ones, and killed ones, whose first driver was stopped before.

Each comes with a neighbour in its store and with a twin, a run with the same id in another store: their files have the
same names and the same shape. And the kinds of files that a store holds: one that is not listed here fails the suite.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from damaged_files import NEIGHBOUR, SWAPPED, TWIN, Fault
from disturbed_run import COMMAND, eventually
from example_workspace import child_environment
from gated_shop import GatedShop
from orders_workspace import write_orders, write_orders_workspace
from run_arguments import run_arguments
from small_shards import run_in_shards

import reqflo_ray
from reqflo_ray import Target
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.model.journal import Completion

RUN, NEIGHBOUR_RUN = "nightly-1", "nightly-2"
ROWS, ROWS_OF_SHARD = 16, 2
COMMITTED_ROWS = range(6)  # of a killed run
WRONG, BUSY = ("ref-00", "ref-12"), ("ref-01", "ref-14")

# What a store holds, by the path within it.
_KINDS: Final[Mapping[str, str]] = {
    "store marker": r"\.gitignore",
    "artifact": r"artifacts/[0-9a-f]{64}\.json",
    "place in the order": r"order/\d{8}-[^/]+",
    "run record": r"runs/[^/]+/run\.json",
    "epoch": r"runs/[^/]+/epochs/\d+\.json",
    "beat": r"runs/[^/]+/epochs/\d+\.beat",
    "stop marker": r"runs/[^/]+/stop/\d+",
    "sealing key": r"runs/[^/]+/sealing\.key",
    "plan": r"runs/[^/]+/plan\.parquet",
    "rows": r"runs/[^/]+/rows/shard-\d+\.parquet",
    "claim": r"runs/[^/]+/attempts/\d+/\d+",
    "journal": r"runs/[^/]+/journal/\d+/\d+\.log",
    "results": r"runs/[^/]+/results/shard-\d+\.a\d+\.parquet",
    "steps": r"runs/[^/]+/steps/shard-\d+\.a\d+\.parquet",
    "commit": r"runs/[^/]+/commits/\d+\.json",
    "verdict": r"runs/[^/]+/verdict\.json",
    "manifest": r"runs/[^/]+/manifest\.json",
    "checked files": r"runs/[^/]+/checked\.json",  # only of runs that take long to read: see its unit tests
}
CLOSING_CLAIM: Final = "closing claim"  # a claim that holds the commit
KINDS: Final = (*_KINDS, CLOSING_CLAIM)
FINISHED_KINDS: Final = (
    *("store marker", "artifact", "place in the order", "run record", "plan", "rows", "results", "steps", "commit"),
    *("verdict", "manifest"),
)
KILLED_KINDS: Final = (
    *("store marker", "artifact", "place in the order", "run record", "epoch", "beat", "stop marker", "sealing key"),
    *("plan", "rows", "claim", CLOSING_CLAIM, "journal", "results", "steps", "commit"),
)
JSON_KINDS: Final = frozenset(
    ("artifact", "run record", "epoch", "beat", "claim", CLOSING_CLAIM, "commit", "verdict", "manifest")
)
# Of these there is one in a run: it cannot be swapped.
SINGLE_KINDS: Final = frozenset(
    (
        *("store marker", "artifact", "place in the order", "run record", "sealing key", "plan", "verdict", "manifest"),
        "stop marker",
    )
)
# These are the same in every run: another one's content is no fault.
COMMON_KINDS: Final = frozenset(("store marker", "artifact", "place in the order", "stop marker"))
EMPTY_KINDS: Final = frozenset(("stop marker", "place in the order"))
# Nothing of ours reads these: a few faults show it.
UNREAD_KINDS: Final = frozenset(("store marker",))


def kind_of(path: str, data: bytes) -> str | None:
    """The kind of a file of a store; None for one that nobody has thought of yet."""
    for kind, pattern in _KINDS.items():
        if re.fullmatch(pattern, path):
            return CLOSING_CLAIM if kind == "claim" and re.search(rb'"commit":\s*\{', data) else kind
    return None


@dataclass(frozen=True)
class Original:
    """A store with the run and its neighbour, and the store of the twin. Nobody may change either."""

    store: Path
    twin: Path
    shop: GatedShop
    finished: bool

    @cached_property
    def files(self) -> dict[str, list[str]]:
        """The paths within the store of what belongs to the run, by kind. Raises `KeyError` for a kind that is new."""
        found: dict[str, list[str]] = {}
        artifact = json.loads((self.store / "runs" / RUN / "run.json").read_bytes())["artifact"]
        for path, data in contents(self.store).items():
            if path.startswith("artifacts/") and artifact not in path:
                continue
            if path.startswith(f"runs/{NEIGHBOUR_RUN}/") or path.endswith(f"-{NEIGHBOUR_RUN}"):
                continue
            kind = kind_of(path, data)
            if kind is None:
                raise KeyError(f"{path}: say of which kind it is, and it is damaged too")
            found.setdefault(kind, []).append(path)
        return found

    def choose(self, kind: str, fault: Fault) -> tuple[str, bytes | None]:
        """The file that a fault hits, and what it puts into its place if that is of another file."""
        files, chance = self.files[kind], fault.chance()
        path = chance.choice(files)
        if fault.name == SWAPPED:
            return path, (self.store / chance.choice([other for other in files if other != path])).read_bytes()
        if fault.name == NEIGHBOUR:
            return path, (self.store / path.replace(RUN, NEIGHBOUR_RUN)).read_bytes()
        return path, (self.twin / path).read_bytes() if fault.name == TWIN else None

    def renew(self, copy: Path) -> Path:
        """Make the folder `copy` a copy of the store, whatever was done to it. Its files are hard links to ours, and
        what is not has been changed: so nobody may write into one, only replace it."""
        _renew(self.store, copy)
        return copy


def _renew(original: Path, copy: Path) -> None:
    copy.mkdir(exist_ok=True)
    with os.scandir(original) as entries:
        wanted = {entry.name: entry for entry in entries}
    with os.scandir(copy) as entries:
        there = list(entries)
    kept = set()
    for entry in there:
        ours, is_folder = wanted.get(entry.name), entry.is_dir(follow_symlinks=False)
        if ours is not None and ours.is_dir() == is_folder and (is_folder or ours.inode() == entry.inode()):
            kept.add(entry.name)
        elif is_folder:
            shutil.rmtree(entry)
        else:
            os.unlink(entry)
    for name, ours in wanted.items():
        if ours.is_dir():
            _renew(original / name, copy / name)
        elif name not in kept:
            os.link(ours, copy / name)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their path within it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def make_finished(folder: Path, shop: GatedShop, twins: GatedShop) -> Original:
    """Runs from beginning to end: two rows failed, two were tried again."""
    folder.mkdir()
    for store, run_id, owner, its in (
        ("store", RUN, "anna", shop),
        ("store", NEIGHBOUR_RUN, "bert", shop),
        ("twin", RUN, "carl", twins),
    ):
        its.reset()
        outcome = run_in_shards(ROWS_OF_SHARD, **_request(folder, store, run_id, owner, its, sensitive=False))
        assert outcome.complete and outcome.exit_code == 1, outcome
    return _looked_at(Original(folder / "store", folder / "twin", shop, finished=True))


def make_killed(folder: Path, shop: GatedShop, twins: GatedShop, finished: Original) -> Original:
    """A run that was stopped, gone on with, and killed; a finished one as its neighbour. The twin was stopped twice.

    Shards 0 and 1 are committed by the first driver, 2 by the second in a second attempt; 3 and 4 have two journals,
    5 has one; 6 and 7 have not begun. Every journal without a commit has a row in flight and one that has ended.
    """
    folder.mkdir()
    for store, owner, its in (("store", "dora", shop), ("twin", "emil", twins)):
        root = folder / store / "runs" / RUN
        its.reset()
        first = _StandingStill(its, root, frozenset({("ref-04", "create"), ("ref-06", "pay"), ("ref-08", "token")}), 2)
        request = _request(folder, store, RUN, owner, its, sensitive=True)
        _stop(first, partial(run_in_shards, ROWS_OF_SHARD, **request), "0001")
        held = frozenset({("ref-06", "read"), ("ref-08", "create"), ("ref-10", "create")})
        second = _StandingStill(its, root, held, 3)
        if its is twins:
            target = Target(store=root.parents[1], backend="local")
            _stop(second, partial(reqflo_ray.resume, RUN, target=target), "0002")
        else:
            _kill(second, [COMMAND, "resume", RUN, "--store", str(root.parents[1]), "--backend", "local", "--quiet"])
    shutil.copytree(finished.store, folder / "store", dirs_exist_ok=True, ignore=lambda *_: {RUN, ".gitignore"})
    return _looked_at(Original(folder / "store", folder / "twin", shop, finished=False))


def _looked_at(original: Original) -> Original:
    """What a reader leaves behind to be quicker the next time is damaged too."""
    for store in (original.store, original.twin):
        reqflo_ray.open_store(store).query("select count(*) from steps join results using (run_id, row_index)", "all")
    return original


def _request(folder: Path, store: str, run_id: str, owner: str, shop: GatedShop, *, sensitive: bool) -> dict[str, Any]:
    """A run of the journey over data that nobody else has."""
    workspace = write_orders_workspace(folder / owner, shop.url, sensitive=sensitive)
    data = write_orders(workspace / "orders.csv", ROWS, owner)
    return run_arguments(
        name="order",
        workspace=workspace,
        source=data,
        key="ref",
        store=str(folder / store),
        run_id=run_id,
        backend="local",
        workers=1,
    )


@dataclass(frozen=True)
class _StandingStill:
    """A run that goes on until it waits for the held steps and for nothing else: so many shards are committed then, and
    of each shard in flight the other row has ended."""

    shop: GatedShop
    root: Path
    held: frozenset[tuple[str, str]]
    committed: int

    def wait(self) -> None:
        eventually(self._is_reached, f"a run that stands still in {self.root}", 60)

    def _is_reached(self) -> bool:
        commits = len(list(self.root.glob("commits/*.json")))
        if self.shop.waiting != self.held or commits != self.committed:
            return False
        waiting = {int(ref.removeprefix("ref-")) for ref, _ in self.held}
        ended = {row ^ 1 for row in waiting}  # shards have two rows
        return ended <= _journaled_rows(self.root)


def _stop(still: _StandingStill, drive: Callable[[], reqflo_ray.RunOutcome], marker: str) -> None:
    """Drive a run in this process, and stop it by SIGTERM when it stands still: what is in flight ends, nothing else
    begins."""

    def stop() -> None:
        try:
            still.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            eventually((still.root / "stop" / marker).exists, "the stop marker", 30)
        finally:
            still.shop.release()

    assert threading.current_thread() is threading.main_thread(), "only there a driver hears signals"
    still.shop.hold(still.held)
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop)
        outcome = drive()
        stopped.result()
    assert outcome.exit_code == 143, outcome


def _kill(still: _StandingStill, command: list[str]) -> None:
    """Drive a run in a process of its own, and kill it when it stands still: what is in flight stays unknown."""
    still.shop.hold(still.held)
    driver = subprocess.Popen(command, env=child_environment())
    try:
        still.wait()
        assert driver.poll() is None, "it has ended before it could be killed"
    finally:
        driver.kill()
        driver.wait()
        still.shop.release()
    assert driver.returncode == -signal.SIGKILL


def _journaled_rows(root: Path) -> set[int]:
    """The rows whose last step is acknowledged in a journal."""
    records = [record for path in root.glob("journal/*/*.log") for record in read_journal(path.read_bytes()).records]
    return {record.row for record in records if isinstance(record, Completion) and record.step == "read"}
