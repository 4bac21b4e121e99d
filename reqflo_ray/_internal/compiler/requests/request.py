"""Lowers the request of a step: an inline request, or a template with the values of the step.

A value replaces its placeholder `{{ values.x }}` or `:x`; a value without a placeholder goes, under its own name, where
`in` of its declaration says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from reqflo_ray._internal.compiler.authoring.requests import RequestModel, TemplateModel, TemplateValueModel
from reqflo_ray._internal.compiler.requests.bodies import BodyCompiler
from reqflo_ray._internal.compiler.requests.urls import UrlCompiler, without_parameters
from reqflo_ray._internal.compiler.values.expressions import Expression
from reqflo_ray._internal.compiler.values.nodes import Resolver, Unresolved, ValueCompiler
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, YamlScalar, child, members, nearest
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import Body, BodyKind, RequestTemplate
from reqflo_ray._internal.model.http.headers import HEADER_NAME, unsendable_in_header
from reqflo_ray._internal.model.http.url_parts import ABSOLUTE
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.values import Node, fixed_texts

_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:+-]+)""", re.IGNORECASE)

_Fields = tuple[tuple[str, Node], ...]


@dataclass(slots=True, kw_only=True)
class TemplateValues:
    """The compiled values that a step sets for a template, and the names of those that are placed.

    If the template is `partial`, some of its declarations may be unknown.
    """

    declared: dict[str, TemplateValueModel]
    given: dict[str, Node]
    problems: Problems
    outside: Resolver
    partial: bool = False
    placed: set[str] = field(default_factory=set)

    def resolve(self, expression: Expression, position: Position) -> Node | None:
        """Resolve `values.x` to what the step sets, None if it is optional and not set; other names as usual."""
        if expression.segments[0] != "values":
            return self.outside(expression, position)
        rest = expression.segments[1:]
        if len(rest) != 1 or not isinstance(rest[0], str):
            hint = "write a name, such as `values.customer_id`"
            self.problems.error("invalid_reference", "`values` must be followed by one name", position, hint=hint)
            raise Unresolved
        name = rest[0]
        if name not in self.declared and self.partial:
            raise Unresolved
        if name not in self.declared:
            hint = suggestion(name, self.declared) if self.declared else "declare it under `values`"
            message = f"the template declares no value `{name}`"
            self.problems.error("invalid_reference", message, position, hint=hint)
            raise Unresolved
        self.placed.add(name)
        if name not in self.given and self.declared[name].required:
            raise Unresolved  # reported where the step sets its values
        return self.given.get(name)

    def unplaced(self, place: str) -> list[tuple[str, Node]]:
        """Return the values that go into `place` under their own names."""
        return [
            (name, self.given[name])
            for name, declaration in self.declared.items()
            if declaration.in_ == place and name in self.given and name not in self.placed
        ]


def give_values(
    template: TemplateModel, node: YamlNode, compiler: ValueCompiler, outside: Resolver, problems: Problems
) -> TemplateValues:
    """Compile the values that the step at `node` sets for `template`; report undeclared and missing ones."""
    declared = {declaration.name: declaration for declaration in template.values}
    given: dict[str, Node] = {}
    written = child(node, "values")
    for key, value in members(written):
        compiled = compiler.value(value)
        if key.value in declared:
            given[key.value] = compiled
            continue
        hint = suggestion(key.value, declared) or "remove it: the template declares no values"
        message = f"the template `{template.key or template.name}` declares no value `{key.value}`"
        problems.error("undeclared_value", message, key, hint=hint)
    for name, declaration in declared.items():
        if declaration.required and name not in given:
            message = f"the template `{template.key or template.name}` requires the value `{name}`"
            source = (
                f" (recommended source: {declaration.recommended_source})" if declaration.recommended_source else ""
            )
            problems.error(
                "missing_required_value", message, written or node, hint=f"set `{name}` under `values`{source}"
            )
    return TemplateValues(declared=declared, given=given, problems=problems, outside=outside)


class RequestCompiler:
    """Compiles one request."""

    def __init__(self, compiler: ValueCompiler, bodies: BodyCompiler, problems: Problems) -> None:
        self._compiler = compiler
        self._bodies = bodies
        self._problems = problems

    def compile(
        self, model: RequestModel, node: YamlNode, values: TemplateValues | None, only_service: str
    ) -> RequestTemplate:
        """Compile the request `model`, written at `node`.

        Args:
            values: None for an inline request.
            only_service: the service, if the request names none.
        """
        url = nearest(node, ("url",))
        path_values = None
        if values is not None:
            path_values = [name for name, value in values.declared.items() if value.in_ in ("path", None)]
        assert isinstance(url, YamlScalar)
        path = UrlCompiler(self._compiler, self._problems, path_values).compile(url)
        begins = path[0] if path else ""
        is_absolute = isinstance(begins, str) and ABSOLUTE.match(begins) is not None
        service = "" if is_absolute else model.service or only_service
        if isinstance(begins, str) and not is_absolute and not service:
            hint = "set `service`, or write the complete URL"
            self._problems.error("invalid_template", "the request has a path but no service", url, hint=hint)
        headers = self._headers(child(node, "headers"))
        query = self._fields(child(node, "query"))
        body = self._bodies.compile(model.body, nearest(node, ("body",))) if model.body else None
        if values is not None:
            self._check_places(values, node)
            headers = _overridden(headers, values.unplaced("header"))
            placed = values.unplaced("query")
            path, query = without_parameters(path, [name for name, _ in placed]), _overridden(query, placed)
            body = self._bodies.placed(body, values.unplaced("body"), node)
        self._check_headers(headers, child(node, "headers"), node)
        if body is not None and body.kind is not BodyKind.FILE:
            self._check_charset(body, headers, node)
        return RequestTemplate(
            method=model.method,
            service=service,
            path=path,
            headers=headers,
            query=query,
            body=body,
            template=model.key or model.name if isinstance(model, TemplateModel) else "",
        )

    def _headers(self, node: YamlNode | None) -> _Fields:
        seen: set[str] = set()
        for key, value in members(node):
            if key.value.lower() in seen:
                message = f"the header `{key.value}` is written twice"
                self._problems.error(
                    "duplicate_key", message, key, hint="remove one of the two: header names are not case-sensitive"
                )
            seen.add(key.value.lower())
            if not isinstance(value, YamlScalar):
                self._problems.error("wrong_type", "a header's value must be text", value)
            elif isinstance(value.value, str) and value.value != value.value.strip(" \t"):
                message = f"the header `{key.value}` loses the blanks around its value"
                self._problems.warning(
                    "blanks_lost", message, value, cause="HTTP does not transmit them", hint="remove them"
                )
        return self._fields(node)

    def _check_headers(self, headers: _Fields, written: YamlNode | None, node: YamlNode) -> None:
        """Check names and fixed texts of headers. Headers that come from template values have no place of their own."""
        places = {key.value: (key, value) for key, value in members(written)}
        for name, value in headers:
            at_name, at_value = places.get(name, (node, node))
            if not HEADER_NAME.fullmatch(name):
                hint = "use letters, digits, and `-`, without blanks"
                self._problems.error("wrong_value", f"`{name}` is not a valid header name", at_name, hint=hint)
            wrong = next((wrong for text in fixed_texts(value) if (wrong := unsendable_in_header(text))), "")
            if wrong:
                message = f"the value of the header `{name}` contains {wrong}, which is not allowed in a header"
                self._problems.error("wrong_value", message, at_value)

    def _check_charset(self, body: Body, headers: _Fields, node: YamlNode) -> None:
        """Warn if the content type names another charset than UTF-8, in which the body is sent."""
        written = [text for name, value in headers if name.lower() == "content-type" for text in fixed_texts(value)]
        found = _CHARSET.search(written[0] if written else body.content_type)
        if found and found[1].lower() not in ("utf-8", "utf8", "us-ascii"):
            message = f"the body is sent as UTF-8, but its content type says `{found[1]}`"
            hint = "remove the charset, or send a file in that charset with `body: {file: …}`"
            self._problems.warning("wrong_charset", message, nearest(node, ("body",)), hint=hint)

    def _fields(self, node: YamlNode | None) -> _Fields:
        compiled = ((key.value, self._compiler.compile(value)) for key, value in members(node))
        return tuple((name, value) for name, value in compiled if value is not None)

    def _check_places(self, values: TemplateValues, node: YamlNode) -> None:
        """Report declared values that have no place in the request, set or not."""
        declarations = nearest(node, ("values",))
        for index, (name, declaration) in enumerate(values.declared.items()):
            if name in values.placed or declaration.in_ in ("query", "header", "body"):
                continue
            hint = f"write `:{name}` in the path or `{{{{ values.{name} }}}}` in the request, or set `in`"
            message = f"the template's value `{name}` has no place in the request"
            self._problems.error("invalid_template", message, nearest(declarations, (index,)), hint=hint)


def _overridden(fields: _Fields, placed: list[tuple[str, Node]]) -> _Fields:
    """Return the fields, with placed values instead of fixed ones of the same name."""
    names = {name.lower() for name, _ in placed}
    return tuple(item for item in fields if item[0].lower() not in names) + tuple(placed)
