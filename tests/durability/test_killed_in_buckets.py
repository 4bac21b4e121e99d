"""Real processes that really die while their store is a bucket: what the journal's segments hold is not sent again."""

from __future__ import annotations

import random

import pytest
from bucket_fixtures import Bucket
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(("scheme", "durability"), [("s3", "process"), ("gs", "host")])
def test_a_run_in_a_bucket_that_is_killed_repeatedly_ends_like_an_undisturbed_one(
    request: pytest.FixtureRequest,
    make_run: MakeRun,
    undisturbed: Undisturbed,
    note_fault: NoteFault,
    scheme: str,
    durability: str,
) -> None:
    bucket: Bucket = request.getfixturevalue(f"{scheme}_bucket")
    run = make_run(rows=24, bucket=bucket.uri)
    run.environment.update(bucket.environment)
    again = [run.command("--durability", durability), run.resume_command()]
    run.kill_again_and_again(2, random.Random(7), again)
    ended = run.complete(run.resume_command())
    assert ended.code == 0, ended
    assert run.faults >= 1
    note_fault(f"process killed, store in a bucket ({bucket.scheme}, {durability})", run.judge(undisturbed(run.rows)))
