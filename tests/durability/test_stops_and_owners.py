"""Signals drain a run, and only one driver owns it: also when another wakes up after it was taken for gone."""

from __future__ import annotations

import signal
import socket

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed
from disturbed_run import COMMAND, DisturbedRun, eventually, everybody

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_drains_the_run_and_resume_sends_nothing_again(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault, number: signal.Signals, code: int
) -> None:
    run = make_run(rows=8, in_flight=4)
    # Answers come after the workers have seen that they are to stop: they look five times a second.
    with DemoServer(ServerOptions(port=0, latency_ms=400)) as slow:
        run.use(slow)
        process = run.start(run.command())
        eventually(lambda: list(run.root.glob("journal/*/*")) and run.oracle.note().in_flight, "a request in flight")
        process.send_signal(number)
        ended = run.wait(process)
        assert ended.code == code, ended
        assert "reqflo-ray resume" in ended.stderr and "Traceback" not in ended.stderr
        run.faults += 1
        assert not run.oracle.note().in_flight, "a request that was in flight was not let finish"
        resumed = run.complete(run.resume_command())
        assert resumed.code == 0, resumed
        note_fault(f"{number.name}, then resume", run.judge(undisturbed(run.rows), drained=True))


def test_a_signal_while_rows_are_staged_ends_the_command_before_a_request(make_run: MakeRun) -> None:
    run = make_run()
    header, *rows = run.data.read_text().splitlines()
    rest = rows[0].partition(",")[2]
    run.data.write_text("\n".join([header, *(f"ref-{number},{rest}" for number in range(300_000))]) + "\n")
    process = run.start(run.command())
    eventually(lambda: list(run.root.glob("rows/*.parquet")), "the first rows")
    process.send_signal(signal.SIGTERM)
    ended = run.wait(process)
    assert ended.code == 143, ended
    assert "Traceback" not in ended.stderr, ended
    assert not (run.root / "plan.parquet").exists(), "the signal came too late to say anything"
    assert run.oracle.arrived() == 0


def test_a_second_ctrl_c_ends_at_once_without_waiting_for_answers(make_run: MakeRun) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = make_run()
        run.send_to(f"http://127.0.0.1:{silent.getsockname()[1]}")
        process = run.start(run.command())
        eventually(lambda: list(run.root.glob("journal/*/*")) and run.oracle.note().in_flight, "a request in flight")
        process.send_signal(signal.SIGINT)
        eventually(lambda: list(run.root.glob("stop/*")), "the stop marker")
        process.send_signal(signal.SIGINT)
        ended = run.wait(process)
        assert ended.code == 130, ended
        assert "Traceback" not in ended.stderr, ended
        moment = run.oracle.note()
        assert moment.in_flight and not moment.finished


def test_of_two_drivers_of_one_run_one_goes_on_and_the_other_names_it(
    make_run: MakeRun, undisturbed: Undisturbed
) -> None:
    run = make_run(rows=200)
    both = [run.start(run.command()), run.start(run.command())]
    ended = [run.wait(process) for process in both]
    assert sorted(end.code for end in ended) == [0, 2], ended
    winner = next(process for process, end in zip(both, ended, strict=True) if end.code == 0)
    refused = next(end for end in ended if end.code == 2)
    assert "error[run_owned]" in refused.stderr and f"process {winner.pid} " in refused.stderr, refused
    run.faults = 1
    run.judge(undisturbed(run.rows), drained=True)


@pytest.mark.parametrize("wakes", ["while the other runs", "after the other has finished"])
def test_a_driver_that_wakes_up_after_a_take_over_gives_no_second_verdict(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault, wakes: str
) -> None:
    run = make_run()
    sleeper = run.start(run.command())
    assert run.wait_for_arrivals(sleeper, run.rows), run.wait(sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    run.faults += 1
    asleep = run.oracle.note(struck=everybody)

    refused = run.complete(run.resume_command())
    assert refused.code == 2 and f"process {sleeper.pid} " in refused.stderr, refused

    taker = run.start(run.resume_command("--take-over"))
    if wakes == "while the other runs":
        assert run.wait_for_arrivals(taker, asleep.arrived + run.rows // 2), run.wait(taker)
        sleeper.send_signal(signal.SIGCONT)
    taken = run.wait(taker)
    assert taken.code == 0, taken
    verdict = (run.root / "verdict.json").read_bytes()
    sent = run.oracle.arrived()
    if wakes == "after the other has finished":
        sleeper.send_signal(signal.SIGCONT)
    woken = run.wait(sleeper)
    assert run.oracle.arrived() <= sent + run.in_flight, "it has sent more than what was on its way"
    # It may find the run unfinished, or finished by the other.
    assert woken.code in (0, 3) and "Traceback" not in woken.stderr, woken

    note_fault(f"process asleep, run taken over, wakes {wakes}", run.judge(undisturbed(run.rows)))
    assert (run.root / "verdict.json").read_bytes() == verdict
    verified = run.complete([COMMAND, "verify", run.oracle.run_id, "--store", str(run.store)])
    assert verified.code == 0, verified
    _left_behind_nothing(run)


def _left_behind_nothing(run: DisturbedRun) -> None:
    left = {path.name for path in run.root.iterdir()} - {"reports"}
    assert left == {
        *("commits", "manifest.json", "plan.parquet", "results"),
        *("rows", "run.json", "steps", "verdict.json"),
    }
