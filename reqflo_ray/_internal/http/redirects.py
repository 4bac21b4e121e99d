"""Makes the next hop of a redirected request: method, body, and headers by RFC 9110 and the Fetch standard.

It must not decide where a hop may go: the transport checks that.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin

from reqflo_ray._internal.http.addresses.target import parse_target
from reqflo_ray._internal.http.engines.outgoing import Outgoing, complete
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportRequest, TransportResponse
from reqflo_ray._internal.model.http.url_parts import received_location

_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS: Final = frozenset(
    ("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key", "x-auth-token", "x-amz-security-token")
)
_OF_THE_BODY: Final = frozenset(
    {"content-length", "content-type", "content-encoding", "content-language", "content-location", "digest"}
)


def is_redirect(response: TransportResponse) -> bool:
    """Return whether the response names another location. A redirect without a Location is an ordinary answer."""
    return response.status in _STATUSES and bool(_locations(response))


def next_hop(previous: Outgoing, response: TransportResponse, request: TransportRequest, user_agent: str) -> Outgoing:
    """Return the hop that follows `previous` after its answer `response`, which must be a redirect; the first hop was
    made from `request`.

    303, and 301 or 302 after POST, become GET without a body. Across origins (https to http is such a change) Host is
    made anew; Authorization, Cookie, other headers whose name stands for credentials, and headers with a secret or
    sensitive value are dropped. Raises `ExchangeError`: `protocol_error` for a Location that cannot be read,
    `target_blocked` for one that is neither http nor https, or for another origin if the body, which would have to be
    sent there, contains something secret or sensitive.
    """
    here = previous.target
    locations = _locations(response)
    if len(locations) > 1:
        raise ExchangeError(FailureKind.PROTOCOL, f"the redirect from {here.place} names more than one location")
    location = received_location(locations[0])
    try:
        url = urljoin(here.url, location)
        scheme = url.partition(":")[0].lower()
        if scheme not in ("http", "https"):
            raise ExchangeError(FailureKind.BLOCKED, f"{here.place} redirects to a scheme other than http and https")
        there = parse_target(url)
    except ValueError:
        raise _unreadable(here.place) from None
    except ExchangeError as error:
        raise error if error.kind is FailureKind.BLOCKED else _unreadable(here.place) from None
    method, body, headers = previous.method, previous.body, previous.headers
    if (response.status == 303 and method != "HEAD") or (response.status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = tuple(pair for pair in headers if pair[0].lower() not in _OF_THE_BODY)
    if there.origin != here.origin:
        if body is not None and request.private_body:
            raise ExchangeError(
                FailureKind.BLOCKED,
                f"{here.place} redirects to another origin, {there.scheme}://{there.place}, and the body is not sent"
                " there because it contains a secret or sensitive value; use that origin in the URL of the request if"
                " it may receive the value",
            )
        behind = _CREDENTIALS | request.private_headers | {"host"}
        headers = tuple(pair for pair in headers if pair[0].lower() not in behind)
    # A user in a Location comes from the server, not from the caller.
    return complete(method, there._replace(authorization=""), headers, body, user_agent)


def _locations(response: TransportResponse) -> list[str]:
    return [value for name, value in response.headers if name.lower() == "location" and value]


def _unreadable(place: str) -> ExchangeError:
    return ExchangeError(FailureKind.PROTOCOL, f"the redirect from {place} names a location that is not a valid URL")
