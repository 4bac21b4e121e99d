"""The shop that the demo API plays: tokens and orders in memory. Requests in, answers out; no sockets, no clock."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar
from urllib.parse import unquote

import msgspec

from reqflo_ray._internal.demo.messages import Answer, Request, refusal

_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_UNAUTHORIZED: Final = b'www-authenticate: Bearer realm="shop"\r\n'
_REPLAYED: Final = b"idempotent-replayed: true\r\n"


class _TokenRequest(msgspec.Struct):
    client_id: str
    client_secret: str


class _OrderRequest(msgspec.Struct):
    customer_id: str
    total: msgspec.Raw  # echoed digit by digit
    sku: str | None = None
    qty: int | None = 1


class _Order(msgspec.Struct):
    id: str
    customer_id: str
    sku: str | None
    qty: int | None
    total: msgspec.Raw
    status: str = "created"


class _Document(msgspec.Struct):
    order: _Order


_Wanted = TypeVar("_Wanted")
Route: TypeAlias = Callable[[Request], Answer]

_token_decoder: Final = msgspec.json.Decoder(_TokenRequest)
_order_decoder: Final = msgspec.json.Decoder(_OrderRequest)
_encode: Final = msgspec.json.Encoder().encode


class Shop:
    """Issues tokens, takes orders, and answers a repeated idempotency key with the order it made the first time.

    `client_secret` None lets any non-empty one in. Beyond `capacity` orders, the oldest are forgotten.
    """

    def __init__(self, *, client_secret: str | None = None, seed: int = 0, capacity: int = 1_000_000) -> None:
        self._client_secret = client_secret
        self._token_key = f"demo {seed}".encode()
        self._capacity = capacity
        self._tokens = 0
        self._orders: dict[str, bytes] = {}
        self._keys: dict[str, tuple[bytes, bytes]] = {}  # idempotency key: digest of the body, the order's document
        self._sequence = 0
        self.created = 0
        self.replayed = 0

    def reset_counts(self) -> None:
        """Count created and replayed orders from 0 again; orders and their numbers stay."""
        self.created = self.replayed = 0

    def route(self, path: str) -> tuple[str, Route] | None:
        """The method that `path` takes and what answers it; None if there is no such path."""
        if path == "/orders":
            return "POST", self._create
        if path.startswith("/orders/") and path.count("/") == 2 and len(path) > len("/orders/"):
            return "GET", self._read
        if path == "/auth/token":
            return "POST", self._authenticate
        return None

    def _authenticate(self, request: Request) -> Answer:
        wanted = _decode(_token_decoder, request.body)
        if isinstance(wanted, Answer):
            return wanted
        known = self._client_secret is None or hmac.compare_digest(
            wanted.client_secret.encode("utf-8", "replace"), self._client_secret.encode()
        )
        if not (known and wanted.client_id and wanted.client_secret):
            return refusal(401, "unknown client", _UNAUTHORIZED)
        self._tokens += 1
        token = self._signed(f"{self._tokens:08x}")
        return Answer(200, b'{"access_token":"%b","token_type":"Bearer","expires_in":3600}' % token.encode())

    def _signed(self, number: str) -> str:
        signature = hashlib.blake2b(number.encode(), key=self._token_key, digest_size=12).hexdigest()
        return f"tok_{number}{signature}"

    def _may(self, request: Request) -> bool:
        # Tokens are checked by their signature, so none is stored and they outlive a restart with the same seed.
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and token.isascii() and hmac.compare_digest(self._signed(token[4:12]), token)

    def _create(self, request: Request) -> Answer:
        if not self._may(request):
            return refusal(401, "a valid bearer token is needed", _UNAUTHORIZED)
        key, digest = request.headers.get("idempotency-key"), b""
        if key:
            digest = hashlib.sha256(request.body).digest()
            earlier = self._keys.get(key)
            if earlier:
                if earlier[0] != digest:
                    return refusal(422, "this idempotency key was used with another body")
                self.replayed += 1
                return Answer(201, earlier[1], _REPLAYED)
        wanted = _decode(_order_decoder, request.body)
        if isinstance(wanted, Answer):
            return wanted
        total = bytes(wanted.total)
        if not _NUMBER.fullmatch(total):
            return refusal(422, "`total` is not a number")
        self.created += 1
        self._sequence += 1
        identifier = f"ord-{self._sequence:08d}"
        document = _encode(_Document(_Order(identifier, wanted.customer_id, wanted.sku, wanted.qty, wanted.total)))
        _remember(self._orders, identifier, document, self._capacity)
        if key:
            _remember(self._keys, key, (digest, document), self._capacity)
        return Answer(201, document, b"location: /orders/%b\r\n" % identifier.encode())

    def _read(self, request: Request) -> Answer:
        if not self._may(request):
            return refusal(401, "a valid bearer token is needed", _UNAUTHORIZED)
        document = self._orders.get(unquote(request.path[len("/orders/") :]))
        return refusal(404, "no such order") if document is None else Answer(200, document)


def _decode(decoder: msgspec.json.Decoder[_Wanted], body: bytes) -> _Wanted | Answer:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as problem:
        # The first wrong field is reported, whatever follows; a body that is not JSON is a 400.
        return refusal(422, str(problem)) if _is_json(body) else refusal(400, "the body is not JSON")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return refusal(400, "the body is not JSON")


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _remember(memory: dict[str, _Wanted], name: str, value: _Wanted, capacity: int) -> None:
    memory[name] = value
    if len(memory) > capacity:
        del memory[next(iter(memory))]
