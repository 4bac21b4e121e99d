"""Derives the idempotency key of a step. It must not know when, how often or on which worker the step runs."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache


def idempotency_key(nonce_hex: str, artifact_digest: str, row_index: int, step_id: str) -> str:
    """The key that every attempt of this step of this row sends: 52 characters of base32, without padding.

    The same over retries, worker attempts and resumes; new for every run, since the nonce is.

    Raises:
        ValueError: `nonce_hex` is not hexadecimal.
    """
    # A digest is hexadecimal and an index is digits, so only the last part may hold the separator: no two triples
    # give the same message.
    mac = _begun(nonce_hex, artifact_digest).copy()
    mac.update(f"{row_index}\0{step_id}".encode())
    return base64.b32encode(mac.digest()).decode().rstrip("=")


@lru_cache(maxsize=8)
def _begun(nonce_hex: str, artifact_digest: str) -> hmac.HMAC:
    # The same for all rows of a run.
    return hmac.new(bytes.fromhex(nonce_hex), f"{artifact_digest}\0".encode(), hashlib.sha256)
