"""A fake API: scripted answers to the requests of a run, in this process. It must not know runs, or the network beyond
its failures."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.http.headers import HEADER_NAME, unsendable_in_header

if TYPE_CHECKING:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessAnswer

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
# The codes of `FakeApi.fail`, and what the error message says about the host.
_FAILURES: Final = {
    "connection_refused": "refused the connection",
    "host_unreachable": "cannot be reached",
    "dns_failure": "has a name that cannot be resolved",
    "tls_failure": "does not agree on TLS",
    "connect_timeout": "did not answer the connection attempt",
    "read_timeout": "sent nothing before the timeout",
    "deadline_exceeded": "did not answer within the time of the step",
    "connection_closed": "closed the connection before it answered",
    "short_body": "closed the connection before the body was complete",
    "protocol_error": "sent a response that is not HTTP",
}
_MOST_TOLD: Final = 10
_PARAMETER: Final = re.compile(r":([A-Za-z_]\w*)")
_NO_JSON: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it would have been sent. `headers` are by lower-case name, repeated ones joined by commas; `params`
    are the segments of the path that the scripted path names. It may contain secrets, which its `repr` does not
    show."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the URL, still percent-encoded."""
        return urlsplit(self.url).path or "/"

    @property
    def query(self) -> dict[str, list[str]]:
        """The query of the URL, decoded: every value of each name."""
        return parse_qs(urlsplit(self.url).query, keep_blank_values=True)

    def json(self) -> Any:
        """Return the body, decoded from JSON. Raises `ValueError` if it is not JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of a fake API: a `status` from 200 to 599, and either `json`, which is encoded, or `body`, which is
    sent unchanged (text as UTF-8). `content-type` is added for JSON unless `headers` has it.

        Answer(201, json={"id": "ord-1"}, headers={"Location": "/orders/ord-1"})

    Raises:
        UsageError: `invalid_answer`.
    """

    status: int = 200
    _: KW_ONLY
    json: Any = _NO_JSON
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self.status) is not int or not 200 <= self.status <= 599:
            raise _invalid_answer(
                f"`status` is {self.status!r}, expected a number from 200 to 599", "set a status such as 201"
            )
        if self.json is not _NO_JSON and self.body:
            raise _invalid_answer("an answer cannot have both `json` and `body`", "remove one of them")
        body: object = self.body
        if not isinstance(body, bytes | str):
            kind = type(body).__name__
            raise _invalid_answer(f"a `body` cannot be of type `{kind}`", "pass bytes or text, or use `json`")
        for name, value in self.headers.items():
            if not HEADER_NAME.fullmatch(name) or not isinstance(value, str) or unsendable_in_header(value):
                raise _invalid_answer(
                    f"the header `{name}` cannot be sent", "use a token as its name and one line as its value"
                )
        self._encoded()

    def _encoded(self) -> bytes:
        if self.json is _NO_JSON:
            return self.body.encode() if isinstance(self.body, str) else self.body
        try:
            return json.dumps(self.json, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as problem:
            raise _invalid_answer("`json` has a value that JSON cannot represent", str(problem)) from None


@dataclass(slots=True)
class _Script:
    """One scripted answer: the result of `by`, or a failure by its code. It was `used` some of its `times`."""

    method: str
    path: str
    pattern: re.Pattern[str]
    by: Callable[[Request], Answer | str]
    times: int | None
    failure: str
    used: int = 0

    @property
    def is_used_up(self) -> bool:
        return self.times is not None and self.used >= self.times

    def match(self, method: str, origin: str, path: str) -> dict[str, str] | None:
        """Return the segments of the path that it names, or None if it does not match the request."""
        if method != self.method:
            return None
        found = self.pattern.fullmatch(path if self.path.startswith("/") else origin + path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}

    def __str__(self) -> str:
        used = "" if self.times is None else f" ({self.used} of {self.times} used)"
        return f"`{self.method} {self.path}`{used}"


class FakeApi:
    """Answers the requests of a run in this process, without a network: pass it as the `transport` of a `Target`.

    Everything else is real: requests, secrets, assertions, retries, redirects, the journal, the evidence. A request
    gets the first scripted answer that matches and is not used up. A request without one ends its step with the error
    `unexpected_request`, which lists the scripted answers. Several runs and threads may use it at the same time.

        api = FakeApi()
        api.fail("POST", "/orders", "connection_refused", times=1)
        api.answer("POST", "/orders", status=201, json={"id": "ord-1"})
        target = reqflo_ray.Target(store=store, transport=api)
    """

    def __init__(self) -> None:
        self._scripts: list[_Script] = []
        self._requests: list[Request] = []
        self._lock = threading.Lock()

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far, in order of arrival, including those that failed or had no answer."""
        with self._lock:
            return tuple(self._requests)

    def answer(
        self,
        method: str,
        path: str,
        by: Callable[[Request], Answer] | None = None,
        *,
        status: int = 200,
        json: Any = _NO_JSON,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> None:
        """Script an answer to `method` and `path`: a fixed one, or the one that the function `by` returns.

        Args:
            method: the HTTP method, in capitals.
            path: as in a template, without a query: in `/orders/:id`, `:id` matches one segment. An absolute URL
                matches that host only.
            by: called with each request. It runs on the event loop of the run, so it must not block.
            status, json, body, headers: see `Answer`.
            times: how often the answer is used before the next one that matches; None: always.

        Raises:
            UsageError: `invalid_answer`, or `invalid_script` if the answer could never be used.
        """
        if by is not None and (status != 200 or json is not _NO_JSON or body or headers):
            raise _invalid_script("an answer cannot have both a function `by` and values", "remove `by`, or the values")
        given = by or _always(Answer(status, json=json, body=body, headers=headers or {}))
        self._add(method, path, _contained(given), times)

    def fail(self, method: str, path: str, code: str = "connection_closed", *, times: int | None = None) -> None:
        """Script a failure of the network: the step ends with the `error_code` that is `code`.

        Args:
            method, path, times: see `answer`.
            code: with `connection_refused`, `host_unreachable`, `dns_failure`, `tls_failure`, and `connect_timeout`
                nothing was sent; with `read_timeout`, `deadline_exceeded`, `connection_closed`, `short_body` and
                `protocol_error` the API may have acted.

        Raises:
            UsageError: `invalid_script`.
        """
        if code not in _FAILURES:
            raise _invalid_script(f"`{code}` is not a known code of a failure", f"use one of: {', '.join(_FAILURES)}")
        self._add(method, path, _always(Answer()), times, code)

    def _add(
        self, method: str, path: str, by: Callable[[Request], Answer | str], times: int | None, failure: str = ""
    ) -> None:
        if method not in _METHODS:
            raise _invalid_script(f"`{method}` is not a known method", f"use one of: {', '.join(_METHODS)}")
        if times is not None and times < 1:
            raise _invalid_script(
                f"`{method} {path}` is never answered: `times` is {times}", "set `times` to 1 or more, or to None"
            )
        script = _Script(method, path, _pattern(path), by, times, failure)
        with self._lock:
            for earlier in self._scripts:
                if earlier.times is None and earlier.method == method and earlier.pattern == script.pattern:
                    raise _invalid_script(
                        f"an earlier script always answers {earlier}", "set `times` of the earlier one"
                    )
            self._scripts.append(script)

    def respond(self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes) -> InProcessAnswer:
        """Answer a request of a run. Tests do not call this."""
        from reqflo_ray._internal.http.engines.in_process_engine import InProcessAnswer
        from reqflo_ray._internal.http.exchange.failures import ExchangeError
        from reqflo_ray._internal.model.http.exchange import FailureKind

        request, script, told = self._take(method, url, headers, body)
        if script is None:
            raise ExchangeError(FailureKind.UNEXPECTED, told)
        if script.failure:
            text = f"{urlsplit(url).netloc} {_FAILURES[script.failure]} (scripted)"
            raise ExchangeError(FailureKind(script.failure), text)
        answer = script.by(request)
        if isinstance(answer, str):
            text = f"the function that answers `{script.method} {script.path}` {answer}"
            raise ExchangeError(FailureKind.UNEXPECTED, text)
        return InProcessAnswer(answer.status, *_on_the_wire(answer))

    def _take(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> tuple[Request, _Script | None, str]:
        """Record a request. Return it, the script that answers it, and the error text if there is no such script."""
        parts = urlsplit(url)
        origin, path = f"{parts.scheme}://{parts.netloc}", parts.path or "/"
        joined: dict[str, str] = {}
        for name, value in headers:
            joined[name.lower()] = f"{joined[name.lower()]}, {value}" if name.lower() in joined else value
        with self._lock:
            fitting = [
                (script, params)
                for script in self._scripts
                if (params := script.match(method, origin, path)) is not None
            ]
            script, params = next((pair for pair in fitting if not pair[0].is_used_up), (None, dict[str, str]()))
            request = Request(method=method, url=url, headers=joined, body=body, params=params)
            self._requests.append(request)
            if script is not None:
                script.used += 1
                return request, script, ""
            asked = f"`{method} {path}`"
            why = f"all answers to {asked} are used up" if fitting else f"no answer is scripted for {asked}"
            return request, None, f"{why}; {_list(self._scripts)}"


def _always(answer: Answer) -> Callable[[Request], Answer]:
    return lambda request: answer


def _contained(by: Callable[[Request], Answer]) -> Callable[[Request], Answer | str]:
    """Wrap the function of a test, which may do anything: the wrapper returns an error as a text."""

    def ask(request: Request) -> Answer | str:
        try:
            answer: object = by(request)
        except Exception as problem:  # only its row gets the error
            return f"raised {type(problem).__name__}: {problem}"
        if isinstance(answer, Answer):
            return answer
        return f"returned a `{type(answer).__name__}`, expected an `Answer`"

    return ask


def _on_the_wire(answer: Answer) -> tuple[tuple[tuple[str, str], ...], bytes]:
    body = answer._encoded()
    names = {name.lower() for name in answer.headers}
    added = []
    if answer.json is not _NO_JSON and "content-type" not in names:
        added.append(("content-type", "application/json"))
    if body and "content-length" not in names:
        added.append(("content-length", str(len(body))))
    return (*answer.headers.items(), *added), body


def _pattern(path: str) -> re.Pattern[str]:
    """Return the pattern of a path, or of a URL without its query, as it is sent."""
    parts = urlsplit(path)
    is_url = parts.scheme in ("http", "https") and bool(parts.netloc)
    if not is_url and not path.startswith("/"):
        raise _invalid_script(f"`{path}` is not a path", "use a path that begins with `/`, or an absolute URL")
    if "?" in path or "#" in path:
        raise _invalid_script(
            f"`{path}` has a query or a fragment", "remove it, and check the query in a function `by`"
        )
    segments, names = [], set[str]()
    for segment in (parts.path or "/").split("/"):
        named = _PARAMETER.fullmatch(segment)
        if named is None:
            segments.append(re.escape(segment))
            continue
        if named[1] in names:
            raise _invalid_script(f"`{path}` names `:{named[1]}` twice", "use a different name for each segment")
        names.add(named[1])
        segments.append(f"(?P<{named[1]}>[^/]+)")
    return re.compile((re.escape(f"{parts.scheme}://{parts.netloc}") if is_url else "") + "/".join(segments))


def _list(scripts: list[_Script]) -> str:
    if not scripts:
        return "no answers are scripted"
    more = f" and {len(scripts) - _MOST_TOLD} more" if len(scripts) > _MOST_TOLD else ""
    return f"scripted answers: {', '.join(map(str, scripts[:_MOST_TOLD]))}{more}"


def _invalid_answer(message: str, hint: str) -> UsageError:
    return UsageError(message, code="invalid_answer", hint=hint)


def _invalid_script(message: str, hint: str) -> UsageError:
    return UsageError(message, code="invalid_script", hint=hint)
