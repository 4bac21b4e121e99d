"""Masks long bodies in the side process: on the event loop, all other rows would wait for them."""

from __future__ import annotations

from typing import Final

from reqflo_ray.model import json_text
from reqflo_ray.runner.evidence import KeptBody, LongBodies
from reqflo_ray.runner.side_jobs import Masked, MaskJob, read_reply
from reqflo_ray.runner.side_process import SideProcess, SideProcessDied
from reqflo_ray.secrets.redactor import WITHHELD, Redactor

# What is kept of a body that the side process could not mask.
NOT_MASKED: Final = b"[withheld: it could not be masked]"


class Masking:
    """Masks for one worker; `most` is how many bytes of a body are kept."""

    def __init__(self, side: SideProcess, most: int) -> None:
        self._side = side
        self._most = most

    async def long_bodies(self, request: bytes | None, response: bytes | None, redactor: Redactor) -> LongBodies:
        """What is kept of two bodies, as `evidence.keep_long`."""
        return LongBodies(
            await self._kept(request, redactor) if request is not None else None,
            await self._kept(response, redactor) if response is not None else None,
        )

    async def _kept(self, body: bytes, redactor: Redactor) -> KeptBody:
        if redactor.withholds:
            return KeptBody(WITHHELD.encode(), len(body), "", True)
        job = MaskJob(most=self._most, known=tuple(dict(layer) for layer in redactor.known()))
        try:
            head, kept = await self._side.ask(json_text.encode_exactly(job), body)
        except SideProcessDied:
            return KeptBody(NOT_MASKED, len(body), "", True)
        reply = read_reply(head)
        if not isinstance(reply, Masked):
            return KeptBody(NOT_MASKED, len(body), "", True)
        return KeptBody(kept, len(body), reply.sha256, reply.truncated)
