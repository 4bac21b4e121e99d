"""Compiles a request template into a function that drafts the request from a row's values.

It must not know steps, idempotency, or where secrets may be sent. A masked draft is for fingerprints only: it has names
in the places of secret and sensitive values, so it is never checked and never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from reqflo_ray._internal.engine.requests.bodies import BodyRenderer, EncodedBody, compile_body
from reqflo_ray._internal.engine.requests.url_renderer import compile_url
from reqflo_ray._internal.engine.requests.urls import base_url, origin_of, query_pairs, url_of_0_1_0
from reqflo_ray._internal.engine.values.expressions import Values, compile_node, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.model.artifact import RequestTemplate
from reqflo_ray._internal.model.http.exchange import Headers
from reqflo_ray._internal.model.http.headers import HEADER_NAME, unsendable_in_header
from reqflo_ray._internal.model.values import UNSET, JsonValue, Literal, Node


class Draft(NamedTuple):
    """A request without what the step adds to it."""

    url: str
    headers: Headers
    body: EncodedBody | None


class RequestRenderer:
    """Drafts the request of one template. `base` is the base URL of its service, None if it has none; `located`
    returns the URL to which an earlier answer's `Location` is relative, if the template's URL begins with that.

    Raises:
        DefinitionError: the template's body names a file that is not in the artifact.
    """

    def __init__(
        self,
        template: RequestTemplate,
        base: Node | None,
        files: Mapping[str, bytes],
        located: Callable[[Values], str] | None = None,
        *,
        masked: bool,
    ) -> None:
        self._masked = masked
        self._service = template.service
        # Only artifacts of 0.1.0 have it: in them a full URL is one text, in which nothing is encoded.
        self._whole = compile_node(template.url, masked=masked) if template.url is not None else None
        self._base = compile_node(base, masked=masked) if base is not None else None
        self._located = located
        self._url = compile_url(template.path, _checked_if_fixed(base) or self._base_url, located, masked=masked)
        self._query = tuple(
            (encode_query_name(name), compile_node(node, masked=masked)) for name, node in template.query
        )
        self._headers = tuple((name, compile_node(node, masked=masked)) for name, node in template.headers)
        self._wrong_name = next((name for name, _ in template.headers if not HEADER_NAME.fullmatch(name)), None)
        self._body: BodyRenderer | None = (
            compile_body(template.body, files, masked=masked) if template.body is not None else None
        )

    def __call__(self, values: Values) -> Draft:
        """Return the request for these values.

        Raises:
            RowFault: a value is missing or cannot be sent.
        """
        url = self.url(values)
        body = self._body(values) if self._body is not None else None
        return Draft(url, self._header_lines(values, body), body)

    def with_body(self, values: Values, body: EncodedBody | None) -> Draft:
        """Return the request for these values, with a body that is already encoded. Raises as a call."""
        return Draft(self.url(values), self._header_lines(values, body), body)

    def url(self, values: Values) -> str:
        """Return the URL for these values. Raises as a call."""
        url = self._url(values) if self._whole is None else self._exact(self._whole(values), url_of_0_1_0)
        if self._query:
            pairs = [pair for name, render in self._query for pair in query_pairs(name, render(values))]
            if pairs:
                url += ("" if url[-1] in "?&" else "&" if "?" in url else "?") + "&".join(pairs)
        return url

    def is_path(self, values: Values, url: str) -> bool:
        """Return whether `url`, the one for these values, begins with the base URL of the service, or with the origin
        of the answer whose `Location` it is."""
        if self._located is not None:
            return url.startswith(origin_of(self._located(values)))
        return self._base is not None and url.startswith(self._base_url(values))

    def _base_url(self, values: Values) -> str:
        if self._base is None:
            raise RowFault("missing_base_url", f"the environment has no base URL for service `{self._service}`")
        return self._exact(self._base(values), base_url)

    def _exact(self, value: JsonValue, check: Callable[[str], str]) -> str:
        if value is UNSET or value is None:
            raise RowFault("missing_value", "the URL has no value")
        return to_text(value) if self._masked else check(to_text(value))

    def _header_lines(self, values: Values, body: EncodedBody | None) -> Headers:
        if self._wrong_name is not None:
            raise RowFault("invalid_request", f"`{self._wrong_name}` is not a valid header name")
        lines: list[tuple[str, str]] = []
        typed = False
        for name, render in self._headers:
            value = render(values)
            if value is UNSET:
                continue
            for item in value if isinstance(value, list) else (value,):
                text = "" if item is None else to_text(item)
                if not self._masked and (wrong := unsendable_in_header(text)):
                    raise RowFault("invalid_request", f"the value of header `{name}` contains {wrong}")
                if name.lower() == "content-type":
                    typed = True
                    text = _with_boundary(text, body)
                lines.append((name, text))
        if body is not None and not typed:
            lines.append(("Content-Type", body.content_type))
        return tuple(lines)


def encode_query_name(name: str) -> str:
    """Return the name of a query parameter, encoded."""
    return query_pairs("", name)[0][1:]


def _checked_if_fixed(base: Node | None) -> str | None:
    """Return the base URL if it is fixed and valid; the rows that need an invalid one report it."""
    if isinstance(base, Literal) and isinstance(base.value, str):
        try:
            return base_url(base.value)
        except RowFault:
            return None
    return None


def _with_boundary(content_type: str, body: EncodedBody | None) -> str:
    """Add the boundary to a multipart content type that the author wrote, because only the encoder has chosen it."""
    if body is None or "; boundary=" not in body.content_type or "boundary=" in content_type:
        return content_type
    return f"{content_type};{body.content_type.rpartition(';')[2]}"
