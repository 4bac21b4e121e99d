"""Renders the request of a step for one row, and the fingerprint that shows whether a re-sent request is the same.

It must not send anything. Secret values are in the request that it returns and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.requests.request import Draft
from reqflo_ray._internal.engine.requests.urls import host_of
from reqflo_ray._internal.engine.scope import Hidden, RowFault, Scope
from reqflo_ray._internal.engine.values.expressions import compile_node
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import HttpStep
from reqflo_ray._internal.model.http.exchange import Headers, TransportRequest
from reqflo_ray._internal.model.http.hosts import common_hosts, host_allowed
from reqflo_ray._internal.model.values import UNSET, JsonValue, Node


class RenderedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request ready to be sent. `fingerprint` is the hex SHA-256 of the request with names in the places of secret
    and sensitive values."""

    request: TransportRequest
    fingerprint: str

    def __repr__(self) -> str:
        return f"<RenderedRequest {self.fingerprint[:12]}>"


def render_request(
    step: PreparedStep, scope: Scope, secrets: Mapping[str, Hidden], *, idempotency_key: str = ""
) -> RenderedRequest:
    """Return the request of `step` for this row. `secrets` are the values loaded so far, by name.

    Sensitive values in the request are noted in `scope`.

    Raises:
        RowFault: `missing_value`, `unresolved_dependency`, `secret_unavailable`, `secret_host_refused`,
            `invalid_request`, or another code: nothing may be sent.
    """
    prepared = step.request
    assert prepared is not None and isinstance(step.step, HttpStep), "only a request can be rendered"
    scope.secrets = secrets
    for reference, label in step.dependencies:
        # An assertion that needs a value of a failed step could never be judged.
        scope.resolve(reference, label)
    draft = _with_key(prepared.real(scope), step.step, idempotency_key)
    uses: tuple[str, ...] = ()
    shown = draft
    if prepared.masked is not None:
        masked = prepared.masked.with_body(scope, draft.body) if prepared.plain_body else prepared.masked(scope)
        shown = _with_key(masked, step.step, idempotency_key)
        used = prepared.with_secrets
        if prepared.perhaps and not prepared.real.is_path(scope, draft.url):
            used = tuple(one for one in used if one[0] not in prepared.perhaps)
        uses = tuple(sorted({name for one in used for name in scope.resolve(*one).secrets}))
    request = TransportRequest(
        method=step.step.request.method,
        url=draft.url,
        headers=draft.headers,
        body=_content(draft),
        connect_ms=prepared.connect_ms,
        read_ms=prepared.read_ms,
        total_ms=prepared.total_ms,
        allowed_hosts=_allowed_hosts(scope, uses, draft.url, shown.url) if uses else None,
        private_headers=_private_headers(draft.headers, shown.headers) if shown is not draft else frozenset(),
        private_body=_content(shown) != _content(draft),
        repeatable=prepared.repeatable,
    )
    return RenderedRequest(request=request, fingerprint=_fingerprint(request.method, shown))


def render_value(node: Node, scope: Scope, secrets: Mapping[str, Hidden]) -> JsonValue:
    """Return the value of `node` in this row, None if it is unset.

    Raises:
        RowFault: it is not available.
    """
    scope.secrets = secrets
    value = compile_node(node)(scope)
    return None if value is UNSET else value


def _with_key(draft: Draft, step: HttpStep, key: str) -> Draft:
    if step.idempotency is None or not key:
        return draft
    header = step.idempotency.header
    if any(name.lower() == header.lower() for name, _ in draft.headers):
        return draft
    return draft._replace(headers=(*draft.headers, (header, key)))


def _private_headers(sent: Headers, shown: Headers) -> frozenset[str]:
    """Return the names, in lower case, of the headers that contain something masked."""
    if sent == shown:
        return frozenset()
    # A list as a value makes several headers; those that differ between the two are private.
    return frozenset([name.lower() for name, value in sent if (name, value) not in shown])


def _fingerprint(method: str, shown: Draft) -> str:
    # The head is one JSON array, so no two heads are the same bytes; the body follows as it is.
    body = _content(shown)
    head = json_text.encode_exactly((method, shown.url, shown.headers, body is not None))
    return hashlib.sha256(head + (body or b"")).hexdigest()


def _content(draft: Draft) -> bytes | None:
    return draft.body.content if draft.body is not None else None


def _allowed_hosts(scope: Scope, secrets: tuple[str, ...], url: str, shown_url: str) -> tuple[str, ...] | None:
    """Return the hosts that the request may reach, even when redirected: those allowed for every secret in it."""
    host = host_of(url)
    allowed: tuple[str, ...] | None = None
    for name in secrets:
        reference = scope.program.run.secrets.get(name)
        hosts = reference.hosts if reference is not None else None
        if hosts is not None and not host_allowed(hosts, host):
            # The host may be a secret itself.
            where = f"`{host}`" if host in shown_url else "the host of this request"
            raise RowFault("secret_host_refused", f"secret `{name}` may not be sent to {where}")
        allowed = common_hosts(allowed, hosts)
    return allowed
