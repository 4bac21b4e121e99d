"""Masks heavy data in the side process, because on the event loop all other rows would wait for it."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.runner.execute.response.evidence import KeptBody, MaskedAside
from reqflo_ray._internal.runner.execute.response.side_jobs import Masked, MaskJob, read_reply
from reqflo_ray._internal.runner.execute.response.side_process import SideProcessDied, SideProcesses
from reqflo_ray._internal.secrets.redactor import WITHHELD, Redactor, text_of

# Replaces what the side process could not mask.
NOT_MASKED: Final = b"[withheld: it could not be masked]"

_QUICK_BYTES: Final = 2**20


class Masking:
    """Masks the heavy data of one worker; `most` is the number of bytes of a body to keep."""

    def __init__(self, sides: SideProcesses, most: int) -> None:
        self._sides = sides
        self._most = most

    async def aside(
        self, request: bytes | None, response: bytes | None, outputs: bytes | None, redactor: Redactor
    ) -> MaskedAside:
        """Return what is kept of two bodies, as `evidence.keep_heavy` does, and of the JSON text of outputs, which is
        kept whole."""
        return MaskedAside(
            await self._kept(request, self._most, redactor) if request is not None else None,
            await self._kept(response, self._most, redactor) if response is not None else None,
            await self._outputs(outputs, redactor) if outputs is not None else None,
        )

    async def _outputs(self, outputs: bytes, redactor: Redactor) -> str:
        kept = await self._kept(outputs, len(outputs) * len(WITHHELD), redactor)
        text = text_of(kept.kept or b"")
        # A truncated result is the placeholder of withheld text, which is not JSON; all other results are valid JSON.
        return json_text.encode_text(text) if kept.truncated else text

    async def _kept(self, body: bytes, most: int, redactor: Redactor) -> KeptBody:
        if redactor.withholds:
            return KeptBody(WITHHELD.encode(), len(body), "", True)
        job = MaskJob(most=most, known=tuple(dict(layer) for layer in redactor.known()), codecs=redactor.codecs)
        question = json_text.encode_exactly(job)
        try:
            head, kept = await self._ask(question, body)
        except SideProcessDied:
            return KeptBody(NOT_MASKED, len(body), "", True)
        reply = read_reply(head)
        if not isinstance(reply, Masked):
            return KeptBody(NOT_MASKED, len(body), "", True)
        return KeptBody(kept, len(body), reply.sha256, reply.truncated)

    async def _ask(self, question: bytes, body: bytes) -> tuple[bytes, bytes]:
        if len(body) <= _QUICK_BYTES:
            try:
                return await self._sides.quick.ask(question, body)
            except SideProcessDied as death:
                if not death.by_limit:
                    raise
        return await self._sides.patient.ask(question, body)
