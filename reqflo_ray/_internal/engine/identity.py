"""Derives the names of things in a run: the idempotency key of a step, the name of a journal.

It must not know when or how often a step runs, nor where a journal is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache


def idempotency_key(nonce_hex: str, artifact_digest: str, row_index: int, step_id: str) -> str:
    """Return the key that every attempt of this step of this row sends: 52 characters of base32, without padding.

    It is the same for retries, worker attempts, and resumes, and new for every run, because the nonce is new.

    Raises:
        ValueError: `nonce_hex` is not hexadecimal.
    """
    # A digest is hexadecimal and an index is digits, so only the last part may contain the separator: no two triples
    # make the same message.
    mac = _begun(nonce_hex, artifact_digest).copy()
    mac.update(f"{row_index}\0{step_id}".encode())
    return base64.b32encode(mac.digest()).decode().rstrip("=")


def journal_name(nonce_hex: str, shard: int, attempt: int) -> bytes:
    """Return the name of the journal of an attempt: 16 bytes that no other journal of any run has.

    Raises:
        ValueError: `nonce_hex` is not hexadecimal.
    """
    message = f"journal\0{shard}\0{attempt}"
    return hmac.new(bytes.fromhex(nonce_hex), message.encode(), hashlib.sha256).digest()[:16]


@lru_cache(maxsize=8)
def _begun(nonce_hex: str, artifact_digest: str) -> hmac.HMAC:
    # The same for all rows of a run.
    return hmac.new(bytes.fromhex(nonce_hex), f"{artifact_digest}\0".encode(), hashlib.sha256)
