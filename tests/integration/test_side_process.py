"""Answers that are too much for the event loop are judged in a real process beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.program import Program, prepare
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.work import Unjudged, Work
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Assertion,
    AssertionType,
    Capture,
    CaptureRoot,
    HttpStep,
    Input,
    JourneyIdentity,
    Operator,
    Output,
    Poll,
    RequestTemplate,
)
from reqflo_ray._internal.model.http.exchange import Exchange, Timings, TransportResponse
from reqflo_ray._internal.model.plan import Environment, Row, RunRecord, Service
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import Literal, Namespace, Reference
from reqflo_ray._internal.runner.execute.response.evidence import keep_heavy
from reqflo_ray._internal.runner.execute.response.judging import STEPS_HERE, Judging
from reqflo_ray._internal.runner.execute.response.masking import NOT_MASKED, Masking
from reqflo_ray._internal.runner.execute.response.side_jobs import first_message
from reqflo_ray._internal.runner.execute.response.side_process import SideProcess, SideProcessDied, SideProcesses
from reqflo_ray._internal.secrets.redactor import Redactor

_Result = TypeVar("_Result")

MANY = json.dumps({"a": [{"k": number, "d": 1.50} for number in range(20_000)]}).encode()
FOUND = Assertion(type=AssertionType.JSON_PATH, target="$.a[?@.k == 19999].k", operator=Operator.EXISTS)
NOT_FOUND = Assertion(type=AssertionType.JSON_PATH, target="$.a[?@.k == -1].k", operator=Operator.EXISTS)
SLOW = Assertion(type=AssertionType.JSON_PATH, target="$..[?@..[?@..x]]", operator=Operator.NOT_EXISTS)
# What takes long: everything within everything within everything.
DEEP = b"[" * 350 + b"]" * 350
LESS_DEEP = b"[" * 180 + b"]" * 180


def program_of(*assertions: Assertion, inputs: tuple[Input, ...] = (), **fields: Any) -> Program:
    step = HttpStep(
        id="s",
        request=RequestTemplate(method="GET", service="a", path=("/",)),
        assertions=assertions,
        **fields,
    )
    run = RunRecord(
        run_id="r",
        nonce="00" * 16,
        created_at="2026-01-01T00:00:00Z",
        artifact="ab" * 32,
        journey="j",
        environment=Environment(name="e", services={"a": Service(base_url=Literal("http://127.0.0.1:1"))}),
    )
    return prepare(Artifact(journey=JourneyIdentity(name="j"), steps=(step,), inputs=inputs), run)


def answer(body: bytes, status: int = 200) -> Exchange:
    response = TransportResponse(
        status=status, reason="", headers=(("X-A", "ä"),), body=body, wire_size=len(body), peer="[::1]:1"
    )
    return Exchange(request_headers=(), url="http://127.0.0.1:1/", timings=Timings(total_ms=1.5), response=response)


def scope_of(program: Program, row: Mapping[str, Any] | None = None) -> Scope:
    return Scope(program, Row(index=0, key="k", values=dict(row or {})))


def children() -> set[int]:
    mine = os.getpid()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == mine:
                found.add(int(folder.name))
    return found


def kill_and_await(process: int) -> None:
    """Kill a child and wait until it can be reaped, which is not yet so when its main thread is a zombie."""
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


def is_alive(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


def sides_of(program: Program) -> SideProcesses:
    return SideProcesses(lambda: first_message(program.artifact, program.run))


def with_judging(program: Program, use: Callable[[Judging], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        sides = sides_of(program)
        try:
            return await use(Judging(sides))
        finally:
            await sides.close()

    return asyncio.run(run())


def judged(program: Program, exchange: Exchange, scope: Scope) -> Judgement:
    return with_judging(program, lambda judging: judging.judge(program.steps[0], exchange, scope))


SENSITIVE = Output(name="pin", root=CaptureRoot.BODY, path="$.a[1].k", sensitive=True)


@pytest.mark.parametrize(
    ("assertions", "body", "fields"),
    [
        ((FOUND, NOT_FOUND), MANY, {}),
        ((FOUND,), MANY, {"outputs": (SENSITIVE, Output(name="d", root=CaptureRoot.BODY, path="$.a[0].d"))}),
        ((FOUND,), MANY, {"captures": (Capture(key="body.a", root=CaptureRoot.BODY, path=("a", 0)),)}),
        ((FOUND,), MANY, {"poll": Poll(until=(FOUND,), interval_ms=1, timeout_ms=1)}),
        ((FOUND,), MANY, {"poll": Poll(until=(NOT_FOUND,), interval_ms=1, timeout_ms=1)}),
        ((FOUND,), b'{"a": [NaN, "\\ud800", 1.00, 123456789012345678901234567890.5' + b', "x"' * 20_000 + b"]}", {}),
        ((FOUND,), b"\xff" * 500_000, {"outputs": (Output(name="x", root=CaptureRoot.BODY, path="$"),)}),
    ],
)  # fmt: skip
def test_a_judgement_is_the_same_wherever_it_was_made(
    assertions: tuple[Assertion, ...], body: bytes, fields: Any
) -> None:
    program = program_of(*assertions, **fields)
    here, aside = scope_of(program), scope_of(program)
    with pytest.raises(Unjudged):  # or this would not be judged aside
        judge(program.steps[0], answer(body), scope_of(program), Work(STEPS_HERE))
    assert judged(program, answer(body), aside) == judge(program.steps[0], answer(body), here, Work())
    assert aside.take_sensitive() == here.take_sensitive()


def test_the_values_of_the_row_are_known_there_too() -> None:
    expected = Reference(Namespace.INPUTS, "n")
    last = Assertion(type=AssertionType.JSON_PATH, target="$.a[?@.k == 19999].k", expected=expected)
    program = program_of(last, inputs=(Input(name="n", required=True, sensitive=True),))

    async def use(judging: Judging) -> list[Judgement]:
        return [
            await judging.judge(program.steps[0], answer(MANY), scope_of(program, row))
            for row in ({"n": 19_999}, {"n": 7}, {})
        ]

    right, wrong, missing = with_judging(program, use)
    assert [right.status, wrong.status, missing.status] == [Status.PASSED, Status.FAILED, Status.FAILED]
    assert right.assertions[0].expected == wrong.assertions[0].expected == '"[sensitive:inputs.n]"'
    assert "the expected value is not available: `inputs.n` has no value" in missing.error_message


def test_what_takes_too_many_steps_is_an_error_there_and_the_process_goes_on() -> None:
    same = Assertion(type=AssertionType.JSON_PATH, target="$.a[?$.b != $.c]", operator=Operator.NOT_EXISTS)
    program = program_of(same)

    def text(items: int) -> bytes:  # each item compares two texts that are long, and the same
        return json.dumps({"a": [0] * items, "b": "x" * 2**20, "c": "x" * 2**20}).encode()

    async def use(judging: Judging) -> None:
        with pytest.raises(Unjudged, match="more than 50,000,000 steps") as refused:
            await judging.judge(program.steps[0], answer(text(4000)), scope_of(program))
        assert refused.value.code == "work_limit"
        before = children()
        assert (await judging.judge(program.steps[0], answer(text(2000)), scope_of(program))).status is Status.PASSED
        assert children() == before

    with_judging(program, use)


def test_the_event_loop_goes_on_while_an_answer_is_judged() -> None:
    program = program_of(SLOW)
    pauses: list[float] = []

    async def use(judging: Judging) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(judging.judge(program.steps[0], answer(LESS_DEEP), scope_of(program)))
        last = loop.time()
        while not task.done():
            await asyncio.sleep(0.001)
            now = loop.time()
            pauses.append(now - last)
            last = now
        await task

    with_judging(program, use)
    assert sum(pauses) > 0.5  # it took long enough to tell
    assert max(pauses) < 0.5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGPROF, "judging_timeout"), (signal.SIGKILL, "judging_killed")])
def test_a_process_that_is_killed_at_a_job_is_an_error_of_that_row_and_is_replaced(number: int, code: str) -> None:
    program = program_of(SLOW)

    async def use(judging: Judging) -> None:
        before = children()
        task = asyncio.ensure_future(judging.judge(program.steps[0], answer(DEEP), scope_of(program)))
        for _ in range(2 if number == signal.SIGPROF else 1):  # what is too long for the quick one gets a patient one
            await asyncio.sleep(1)
            for process in children() - before:  # whichever of the two is at the job by now
                os.kill(process, number)
                before.add(process)
        with pytest.raises(Unjudged) as refused:
            await task
        assert refused.value.code == code
        short = answer(b"[" * 120 + b"]" * 120)
        assert (await judging.judge(program.steps[0], short, scope_of(program))).status is Status.PASSED

    with_judging(program, use)


def test_a_process_that_died_between_two_jobs_is_replaced_and_nobody_notices() -> None:
    program = program_of(FOUND)

    async def use(judging: Judging) -> None:
        for _ in range(2):
            before = children()
            assert (await judging.judge(program.steps[0], answer(MANY), scope_of(program))).status is Status.PASSED
            for process in children() - before:
                kill_and_await(process)

    with_judging(program, use)


def test_a_row_that_is_given_up_takes_its_job_along_and_the_next_one_is_served() -> None:
    program = program_of(SLOW)

    async def use(judging: Judging) -> None:
        long = asyncio.ensure_future(judging.judge(program.steps[0], answer(DEEP), scope_of(program)))
        await asyncio.sleep(0.3)
        waiting = asyncio.ensure_future(
            judging.judge(program.steps[0], answer(b"[" * 120 + b"]" * 120), scope_of(program))
        )
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        assert (await waiting).status is Status.PASSED

    with_judging(program, use)


def test_it_works_on_a_loop_in_another_thread_with_uvloop() -> None:
    import uvloop

    program, results = program_of(FOUND), list[Status]()

    async def use() -> None:
        sides = sides_of(program)
        results.append((await Judging(sides).judge(program.steps[0], answer(MANY), scope_of(program))).status)
        await sides.close()

    thread = threading.Thread(target=lambda: uvloop.new_event_loop().run_until_complete(use()))
    thread.start()
    thread.join()
    assert results == [Status.PASSED]


def test_the_process_ends_with_its_worker_also_while_it_is_at_a_job(tmp_path: Path) -> None:
    # A program without a `__main__` guard: nothing of it runs in the side process.
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(f"""\
        import asyncio, os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        print("begun", flush=True)
        from test_side_process import SLOW, DEEP, answer, children, program_of, scope_of, sides_of, Judging

        async def main():
            program = program_of(SLOW)
            asyncio.ensure_future(Judging(sides_of(program)).judge(program.steps[0], answer(DEEP), scope_of(program)))
            while not children():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            print(*children(), flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
        """)
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        begun, side = worker.stdout.readline(), int(worker.stdout.readline())
        worker.kill()
        assert worker.stdout.read() == ""
    assert begun == "begun\n"
    for _ in range(100):
        if not is_alive(side):
            return
        threading.Event().wait(0.05)
    os.kill(side, signal.SIGKILL)
    pytest.fail("the side process outlived its worker")


def masked(body: bytes, redactor: Redactor, *, most: int = 1000) -> Any:
    program = program_of()

    async def run() -> Any:
        sides = sides_of(program)
        try:
            return await Masking(sides, most).aside(None, body, None, redactor)
        finally:
            await sides.close()

    return asyncio.run(run())


def test_a_long_body_is_masked_there_as_it_would_be_here() -> None:
    redactor = Redactor()
    redactor.register("secret:TOKEN", "k8Jq2mZx5Lw9Tt41")
    row = redactor.child()
    row.register("sensitive:inputs.card", "4111111111111111")
    row.register("sensitive:inputs.cvv", "123")
    body = b'[{"t": "k8Jq2mZx5Lw9Tt41", "card": "411111\\u0031111111111", "cvv": 123}, "x"]' * 10_000
    for most in (1000, 2**21):
        kept = masked(body, row, most=most)
        assert kept.request is None
        assert kept.response == keep_heavy(body, row, most)
    assert b"[secret:TOKEN]" in kept.response.kept and b"[sensitive:inputs.card]" in kept.response.kept
    assert b"k8Jq" not in kept.response.kept and b"411111" not in kept.response.kept


def test_a_body_that_could_not_be_masked_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def died(*_: object) -> NoReturn:
        raise SideProcessDied(9)

    monkeypatch.setattr(SideProcess, "ask", died)
    kept = masked(b"k8Jq2mZx5Lw9Tt41" * 100_000, Redactor()).response
    assert (kept.kept, kept.size, kept.sha256, kept.truncated) == (NOT_MASKED, 1_600_000, "", True)
