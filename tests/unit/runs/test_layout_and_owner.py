"""Names of runs and files, and what a machine knows about a process."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.owner import Liveness, Owner, liveness, this_process


@pytest.mark.parametrize("run_id", ["a", "20261122-104500-x7k2q9", "A.b_c-9", "9", "x" * 64])
def test_a_good_run_id_is_kept(run_id: str) -> None:
    assert layout.check_run_id(run_id) == run_id


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", ".hidden", "-x", "_x", "a/b", "a b", "ä", "x" * 65, "a\n", "a\0", "latest", "١"]
)
def test_a_bad_run_id_is_refused(run_id: str) -> None:
    with pytest.raises(UsageError) as caught:
        layout.check_run_id(run_id)
    assert caught.value.code == "invalid_run_id"


def test_a_new_run_cannot_be_called_all_and_an_older_one_may() -> None:
    with pytest.raises(UsageError) as caught:
        layout.check_new_run_id("all")
    assert caught.value.code == "invalid_run_id"
    assert layout.check_run_id("all") == "all" and layout.check_new_run_id("all-1") == "all-1"


def test_a_new_run_id_tells_the_time_in_utc() -> None:
    instant = datetime(2026, 11, 22, 12, 45, 0, tzinfo=timezone(timedelta(hours=2)))
    assert layout.new_run_id(instant, b"\0\0\0\0") == "20261122-104500-000000"


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 2)), st.binary(min_size=4, max_size=16))
def test_any_new_run_id_is_a_good_one(instant: datetime, entropy: bytes) -> None:
    assert layout.is_run_id(layout.new_run_id(instant, entropy))


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
def test_later_run_ids_sort_later(one: bytes, other: bytes) -> None:
    instant = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert layout.new_run_id(instant, one) < layout.new_run_id(instant + timedelta(seconds=1), other)


@pytest.mark.parametrize(
    ("name", "number"),
    [("0001.json", 1), ("0001", 1), ("12345.log", 12345), ("x.json", None), ("", None), ("-1", None), ("²", None)],
)
def test_numbers_are_read_from_names(name: str, number: int | None) -> None:
    assert layout.number_of(name) == number


def test_this_process_is_alive() -> None:
    assert liveness(this_process()) is Liveness.ALIVE


def _tell(queue: multiprocessing.Queue[Owner]) -> None:
    queue.put(this_process("job-1"))


def test_a_process_that_ended_is_gone() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_tell, args=(queue,))
    process.start()
    owner = queue.get(timeout=20)
    process.join(20)
    assert owner.ray_job == "job-1"
    assert liveness(owner) is Liveness.GONE


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        # Wait for the end without collecting it, so that it stays a zombie.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with open(f"/proc/{child.pid}/stat") as file:
            started = int(file.read().rpartition(")")[2].split()[19])
        owner = msgspec.structs.replace(this_process(), pid=child.pid, process_started=started)
        assert liveness(owner) is Liveness.GONE
    finally:
        child.wait()


def test_a_pid_that_was_used_again_is_gone() -> None:
    me = this_process()
    assert liveness(msgspec.structs.replace(me, process_started=me.process_started - 1)) is Liveness.GONE


@pytest.mark.parametrize(
    "fields",
    [
        {"boot_id": "another"},
        {"boot_id": ""},
        {"pid_namespace": "pid:[1]"},
        {"pid": 0},
        {"pid": -1},
        {"process_started": 0},
    ],
)
def test_what_this_machine_cannot_know_is_unknown(fields: dict[str, object]) -> None:
    assert liveness(msgspec.structs.replace(this_process(), **fields)) is Liveness.UNKNOWN


def test_an_owner_names_itself_for_people() -> None:
    assert str(Owner(host="ci-7", pid=4)) == "process 4 on ci-7"
    assert str(Owner(host="ci-7", pid=4, ray_job="raysubmit_1")) == "process 4 on ci-7, Ray job raysubmit_1"
    assert str(Owner()) == "process 0 on an unknown host"
