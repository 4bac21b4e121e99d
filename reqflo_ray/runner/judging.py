"""Decides where an answer is judged: on the event loop if that takes next to nothing, else in the side process.

What is judged is the same in both places, and the verdict never depends on where: what was too much for the event loop
is judged again from the beginning.
"""

from __future__ import annotations

from typing import Final

import msgspec

from reqflo_ray.engine.expressions import Resolved
from reqflo_ray.engine.faults import RowFault
from reqflo_ray.engine.judge import Judgement, judge
from reqflo_ray.engine.program import PreparedStep
from reqflo_ray.engine.scope import Scope
from reqflo_ray.engine.work import Unjudged, Work
from reqflo_ray.model import json_text
from reqflo_ray.model.artifact import HttpStep
from reqflo_ray.model.exchange import Exchange, TransportResponse
from reqflo_ray.model.results import INTERNAL_ERROR
from reqflo_ray.model.values import references
from reqflo_ray.runner.side_jobs import Judged, JudgeJob, NotJudged, handed, read_reply
from reqflo_ray.runner.side_main import SECONDS
from reqflo_ray.runner.side_process import SideProcess, SideProcessDied

# Some milliseconds: an answer of about 80 kB of JSON that is read once, or of a few thousand nodes that are compared.
STEPS_HERE: Final = 10_000
_PATTERN_SECONDS_HERE: Final = 0.005

# What the same work would meet again elsewhere.
_FINAL: Final = frozenset({"value_too_large"})


class Judging:
    """Judges the answers to the steps of the run whose program `side` was given."""

    def __init__(self, side: SideProcess) -> None:
        self._side = side

    async def judge(self, step: PreparedStep, exchange: Exchange, scope: Scope) -> Judgement:
        """See `engine.judge`.

        Raises:
            Unjudged: also if the side process could not do it: `judging_timeout`, `judging_killed`, `internal_error`.
        """
        try:
            return judge(step, exchange, scope, Work(STEPS_HERE, pattern_seconds=_PATTERN_SECONDS_HERE, alone=False))
        except Unjudged as limit:
            if limit.code in _FINAL or exchange.response is None:
                raise
            return await self._judge_aside(step, exchange, exchange.response, scope)

    async def _judge_aside(
        self, step: PreparedStep, exchange: Exchange, response: TransportResponse, scope: Scope
    ) -> Judgement:
        job = JudgeJob(
            step=step.index,
            response=msgspec.structs.replace(response, body=b""),
            timings=exchange.timings,
            values=handed(_expected(step, scope)),
        )
        try:
            head, _ = await self._side.ask(json_text.encode_exactly(job), response.body)
        except SideProcessDied as death:
            raise _death(death) from None
        reply = read_reply(head)
        if isinstance(reply, Judged):
            for label, value in reply.sensitive:
                scope.keep_secret(label, value)
            return reply.judgement
        if isinstance(reply, NotJudged) and not reply.fault:
            raise Unjudged(reply.code, reply.message)
        fault = reply.fault if isinstance(reply, NotJudged) else "a reply to another job"
        raise Unjudged(INTERNAL_ERROR, f"reqflo-ray failed with {fault}")


def _expected(step: PreparedStep, scope: Scope) -> dict[str, Resolved | RowFault]:
    """What the assertions of `step` refer to."""
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


def _death(death: SideProcessDied) -> Unjudged:
    if death.by_limit:
        return Unjudged("judging_timeout", f"it takes more than {SECONDS} s of processor time to judge this answer")
    how = f" by signal {death.signal}" if death.signal else ""
    return Unjudged("judging_killed", f"the process that was to judge this answer was killed{how}")
