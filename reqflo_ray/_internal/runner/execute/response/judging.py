"""Decides where a response is judged: on the event loop if that takes almost no time, otherwise in the quick side
process, and if that takes too long, in the patient one.

The result never depends on the place: a response that is too much for one of them is judged again from the beginning,
and the last one has the whole budget.
"""

from __future__ import annotations

import signal
from typing import Final

import msgspec

from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.expressions import Resolved
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.engine.values.work import MOST_STEPS, PATTERN_SECONDS, Unjudged, Work
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import HttpStep
from reqflo_ray._internal.model.http.exchange import Exchange, TransportResponse
from reqflo_ray._internal.model.results import INTERNAL_ERROR
from reqflo_ray._internal.model.values import references
from reqflo_ray._internal.runner.execute.response.side_jobs import Judged, JudgeJob, NotJudged, handed, read_reply
from reqflo_ray._internal.runner.execute.response.side_main import MOST_MEMORY
from reqflo_ray._internal.runner.execute.response.side_process import SideProcess, SideProcessDied, SideProcesses

# A few milliseconds: a response of about 80 kB of JSON that is read once, or a few thousand nodes that are compared.
STEPS_HERE: Final = 10_000
_PATTERN_SECONDS_HERE: Final = 0.005

# About a second: several megabytes of JSON, or hundreds of thousands of nodes that are compared.
_QUICK_STEPS: Final = 1_000_000
_QUICK_PATTERN_SECONDS: Final = 0.2

# The limits that more steps or more time may overcome.
_LIMITS: Final = frozenset({"work_limit", "pattern_timeout"})
_TIMEOUT: Final = "judging_timeout"


class Judging:
    """Judges the responses to steps of the run that `sides` have loaded."""

    def __init__(self, sides: SideProcesses) -> None:
        self._sides = sides

    async def judge(self, step: PreparedStep, exchange: Exchange, scope: Scope) -> Judgement:
        """See `engine.judge`.

        Raises:
            Unjudged: a limit is exceeded, or the side process failed: `judging_timeout`, `judging_memory`,
                `judging_killed`, `internal_error`.
        """
        try:
            return judge(step, exchange, scope, Work(STEPS_HERE, pattern_seconds=_PATTERN_SECONDS_HERE, alone=False))
        except Unjudged as limit:
            if limit.code not in _LIMITS or exchange.response is None:
                raise
            return await self._judge_aside(step, exchange, exchange.response, scope)

    async def _judge_aside(
        self, step: PreparedStep, exchange: Exchange, response: TransportResponse, scope: Scope
    ) -> Judgement:
        job = JudgeJob(
            step=step.index,
            steps=_QUICK_STEPS,
            pattern_seconds=_QUICK_PATTERN_SECONDS,
            response=msgspec.structs.replace(response, body=b""),
            timings=exchange.timings,
            values=handed(_expected(step, scope)),
        )
        try:
            judged = await self._ask(self._sides.quick, job, response.body)
        except Unjudged as limit:
            if limit.code not in _LIMITS | {_TIMEOUT}:
                raise
            job = msgspec.structs.replace(job, steps=MOST_STEPS, pattern_seconds=PATTERN_SECONDS)
            judged = await self._ask(self._sides.patient, job, response.body)
        for label, value in judged.sensitive:
            scope.keep_secret(label, value)
        return judged.judgement

    async def _ask(self, side: SideProcess, job: JudgeJob, body: bytes) -> Judged:
        try:
            head, _ = await side.ask(json_text.encode_exactly(job), body)
        except SideProcessDied as death:
            raise _death(death, side.seconds) from None
        reply = read_reply(head)
        if isinstance(reply, Judged):
            return reply
        if isinstance(reply, NotJudged) and not reply.fault:
            raise Unjudged(reply.code, reply.message)
        fault = reply.fault if isinstance(reply, NotJudged) else "a reply to another job"
        raise Unjudged(INTERNAL_ERROR, f"reqflo-ray failed with {fault}")


def _expected(step: PreparedStep, scope: Scope) -> dict[str, Resolved | RowFault]:
    """Return the values that the assertions of `step` refer to."""
    found: dict[str, Resolved | RowFault] = {}
    if isinstance(step.step, HttpStep):
        for assertion in (*(step.step.poll.until if step.step.poll else ()), *step.step.assertions):
            for reference in references(assertion.expected) if assertion.expected is not None else ():
                label = str(reference)
                try:
                    found[label] = scope.resolve(reference, label)
                except RowFault as fault:
                    found[label] = fault
    return found


def _death(death: SideProcessDied, seconds: float) -> Unjudged:
    if death.by_limit:
        return Unjudged(_TIMEOUT, f"judging this response takes more than {seconds:g} s of processor time")
    if death.signal == signal.SIGABRT:  # a library in Rust aborts when it gets no more memory
        text = f"judging this response takes more than {MOST_MEMORY // 2**30} GiB of memory"
        return Unjudged("judging_memory", text)
    how = f" by signal {death.signal}" if death.signal else ""
    return Unjudged("judging_killed", f"the process that judged this response was killed{how}")
