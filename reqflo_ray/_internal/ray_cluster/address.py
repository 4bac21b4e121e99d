"""Finds a remote cluster: the address of its dashboard, the token for it, and a check of the server that answers.

Standard library only, so that what cannot work is refused before Ray is loaded. It must not know jobs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from reqflo_ray._internal.errors import ClusterError, UsageError
from reqflo_ray._internal.ray_cluster.ray_versions import SUPPORTED, can_submit

ADDRESS_VARIABLE: Final = "RAY_API_SERVER_ADDRESS"
_ANSWER_SECONDS: Final = 20.0
_LARGEST_ANSWER: Final = 2**16
_TOKEN_HINT: Final = "set `RAY_AUTH_TOKEN` to the cluster's token, or `RAY_AUTH_TOKEN_PATH` to a file with it"


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """The address of a cluster's dashboard; `token` "" sends none."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request to the cluster."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def __repr__(self) -> str:
        return f"ClusterAddress({self.url!r})"


def find_cluster(
    address: str | None, environment: Mapping[str, str] = os.environ, *, allow_unauthenticated: bool
) -> ClusterAddress:
    """Return the cluster that `address` or `RAY_API_SERVER_ADDRESS` names.

    Args:
        allow_unauthenticated: allow another machine without TLS and without a token.

    Raises:
        UsageError: `missing_address`, `invalid_address`, or `unauthenticated_cluster`.
    """
    given = address or environment.get(ADDRESS_VARIABLE)
    if not given:
        raise UsageError(
            "no cluster is named",
            code="missing_address",
            hint=f"pass the cluster's dashboard, `--address http://HEAD:8265`, or set `{ADDRESS_VARIABLE}`",
        )
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise UsageError(
            f"`{parts.scheme or given}://…` is not the address of a dashboard"
            if "://" in given
            else f"`{given}` is not a URL",
            code="invalid_address",
            hint="write the dashboard as `http://HEAD:8265` or `https://HEAD`, without a user or password",
        )
    cluster = ClusterAddress(given.rstrip("/"), _token(environment))
    if parts.scheme == "http" and not cluster.token and not allow_unauthenticated and not _is_loopback(parts.hostname):
        raise UsageError(
            f"`{cluster.url}` is another machine, reached without TLS and without a token",
            code="unauthenticated_cluster",
            cause="anyone who reaches a dashboard without authentication can run commands with the cluster's rights",
            hint=f"start the cluster with `RAY_AUTH_MODE=token` and {_TOKEN_HINT};"
            " or pass `--allow-unauthenticated-cluster`",
        )
    return cluster


def check_cluster(cluster: ClusterAddress) -> None:
    """Check that a Ray dashboard with a supported version answers.

    Raises:
        ClusterError: `cluster_unreachable`, `cluster_authentication`, `no_dashboard`, `ray_version_skew`; nothing was
            sent.
    """
    found = _get(cluster, "/api/version")
    if not isinstance(found, dict) or not isinstance(found.get("ray_version"), str):
        raise _no_dashboard(cluster, "it does not report the version of Ray")
    theirs, ours = found["ray_version"], version("ray")
    if not can_submit(ours, theirs):
        raise ClusterError(
            f"the cluster runs Ray {theirs}, and this machine has Ray {ours}",
            code="ray_version_skew",
            hint=f"use Ray {SUPPORTED} on both sides; the two versions may differ",
        )


def _get(cluster: ClusterAddress, path: str) -> Any:
    request = Request(cluster.url + path, headers=cluster.headers)
    try:
        with build_opener(_NoRedirect).open(request, timeout=_ANSWER_SECONDS) as answer:
            return json.loads(answer.read(_LARGEST_ANSWER))
    except HTTPError as refusal:
        with refusal:
            if refusal.code in (401, 403):
                raise refused_token(cluster) from None
            raise _no_dashboard(cluster, f"it answers with HTTP {refusal.code}") from None
    except (URLError, OSError, HTTPException) as problem:
        reason = problem.reason if isinstance(problem, URLError) else problem
        raise ClusterError(
            f"nothing answers at `{cluster.url}`",
            code="cluster_unreachable",
            cause=str(getattr(reason, "strerror", None) or reason or type(reason).__name__),
            hint="check that it is the dashboard's address (port 8265), and that this machine can reach it",
        ) from None
    except ValueError:
        raise _no_dashboard(cluster, "its answer is not JSON") from None


def refused_token(cluster: ClusterAddress) -> ClusterError:
    """Return the error for a cluster that does not accept our token, or requires one."""
    shown = "does not accept the token" if cluster.token else "requires a token, and none is set"
    return ClusterError(f"the cluster at `{cluster.url}` {shown}", code="cluster_authentication", hint=_TOKEN_HINT)


def _no_dashboard(cluster: ClusterAddress, cause: str) -> ClusterError:
    return ClusterError(
        f"the server at `{cluster.url}` is not the dashboard of a Ray cluster",
        code="no_dashboard",
        cause=cause,
        hint="use port 8265 of the cluster's head, and start Ray with `--include-dashboard true`",
    )


class _NoRedirect(HTTPRedirectHandler):
    """Refuses redirects, which would send the token to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _token(environment: Mapping[str, str]) -> str:
    """Return the token that Ray's own tools would find; "" if there is none, or authentication is off."""
    if environment.get("RAY_AUTH_MODE") == "disabled":
        return ""
    if token := environment.get("RAY_AUTH_TOKEN", "").strip():
        return token
    given = environment.get("RAY_AUTH_TOKEN_PATH")
    home = environment.get("HOME")
    path = Path(given) if given else Path(home, ".ray", "auth_token") if home else None
    try:
        return path.read_text().strip() if path else ""
    except OSError as problem:
        if not given:
            return ""
        raise UsageError(
            f"the token file `{given}` cannot be read",
            code="unreadable_token",
            cause=problem.strerror or type(problem).__name__,
            hint=_TOKEN_HINT,
        ) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
