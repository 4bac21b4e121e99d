from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.engine.identity import idempotency_key

NONCE, DIGEST = "0f" * 16, "ab" * 32
TRIPLES = st.tuples(st.text("0123456789abcdef"), st.integers(0, 10**9), st.text(min_size=1))


def test_the_key_is_base32_of_an_hmac() -> None:
    mac = hmac.new(bytes.fromhex(NONCE), f"{DIGEST}\x007\x00create".encode(), hashlib.sha256).digest()
    key = idempotency_key(NONCE, DIGEST, 7, "create")
    assert len(key) == 52
    assert base64.b32decode(key + "====") == mac


@given(TRIPLES, TRIPLES)
def test_different_steps_of_different_rows_have_different_keys(
    one: tuple[str, int, str], other: tuple[str, int, str]
) -> None:
    assert (idempotency_key(NONCE, *one) == idempotency_key(NONCE, *other)) is (one == other)


def test_another_run_has_another_key() -> None:
    assert idempotency_key(NONCE, DIGEST, 0, "s") != idempotency_key("00" * 16, DIGEST, 0, "s")


def test_a_nonce_that_is_not_hexadecimal_is_refused() -> None:
    with pytest.raises(ValueError, match="hex"):
        idempotency_key("nonce", DIGEST, 0, "s")
