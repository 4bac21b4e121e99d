"""Lowers assertions, and checks their keys, operators, JSONPaths, regular expressions and JSON Schemas."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from reqflo_ray._internal.compiler.assertions.json_schemas import check_schema
from reqflo_ray._internal.compiler.assertions.response_paths import check_path
from reqflo_ray._internal.compiler.authoring.assertions import AssertionModel
from reqflo_ray._internal.compiler.authoring.kinds import (
    ASSERTION_FIELDS,
    COMMON_ASSERTION_FIELDS,
    JSON_TYPES,
    NUMERIC,
    OPERATOR_ALIASES,
    WITHOUT_EXPECTED,
)
from reqflo_ray._internal.compiler.values.nodes import ValueCompiler, is_known
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlMapping, YamlNode, child, nearest
from reqflo_ray._internal.model.artifact import Assertion, AssertionOrigin, AssertionType, Operator
from reqflo_ray._internal.model.limits import pattern_excess
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.values import JsonValue, Literal, Node

_STATUS_RANGE: Final = re.compile(r"[1-5]xx|[1-5][0-9]{2}-[1-5][0-9]{2}", re.IGNORECASE)

_OPERATOR_OF: Final = {
    AssertionType.BODY_CONTAINS: Operator.CONTAINS,
    AssertionType.RESPONSE_TIME: Operator.LESS_THAN_OR_EQUAL,
    AssertionType.JSON_SCHEMA: Operator.MATCHES,
}


class AssertionCompiler:
    """Compiles assertions of one origin. With `is_partial`, an invalid part was dropped, so that missing parts are not
    reported."""

    def __init__(
        self, values: ValueCompiler, problems: Problems, origin: AssertionOrigin, *, is_partial: bool = False
    ) -> None:
        self._values = values
        self._problems = problems
        self._origin = origin
        self._is_partial = is_partial

    def compile_all(self, models: tuple[AssertionModel, ...], node: YamlNode) -> tuple[Assertion, ...]:
        """Compile the assertions of the list at `node`, whose IDs must differ."""
        compiled: list[Assertion] = []
        seen: set[str] = set()
        for index, model in enumerate(models):
            item = nearest(node, (index,))
            if model.id and model.id in seen:
                message = f"two assertions have the ID `{model.id}`"
                self._problems.error("duplicate_key", message, nearest(item, ("id",)))
            seen.add(model.id)
            if (assertion := self.compile(model, item)) is not None:
                compiled.append(assertion)
        return tuple(compiled)

    def compile(self, model: AssertionModel, node: YamlNode) -> Assertion | None:
        """Compile one assertion; return None after reporting errors."""
        before = self._problems.errors
        self._check_fields(model, node)
        operator = self._operator(model, node)
        if operator is None:
            return None
        target = ""
        expected: Node | None = None
        match model.type:
            case AssertionType.JSON_PATH:
                target = check_path(self._required(model.path, "path", node), nearest(node, ("path",)), self._problems)
                expected = self._expected(operator, node)
            case AssertionType.HEADER:
                target = self._required(model.name, "name", node)
                expected = self._expected(operator, node)
            case AssertionType.STATUS_CODE:
                expected = self._status(node)
            case AssertionType.JSON_SCHEMA:
                expected = self._schema(node)
            case AssertionType.RESPONSE_TIME:
                expected = self._response_time(model, node)
            case AssertionType.BODY_CONTAINS | AssertionType.BODY_EQUALS:
                expected = self._expected(operator, node)
        if self._problems.errors > before:
            return None
        return Assertion(
            type=model.type,
            target=target,
            operator=operator,
            expected=expected,
            soft=model.soft,
            id=model.id,
            origin=self._origin,
        )

    def _check_fields(self, model: AssertionModel, node: YamlNode) -> None:
        allowed = ASSERTION_FIELDS[model.type] | COMMON_ASSERTION_FIELDS
        if isinstance(node, YamlMapping):
            for name in node.entries.keys() - allowed:
                message = f"`{name}` is not a key of `{model.type}` assertions"
                hint = f"remove it, or use {', '.join(f'`{field}`' for field in sorted(ASSERTION_FIELDS[model.type]))}"
                self._problems.error("invalid_assertion", message, node.keys[name], hint=hint)

    def _operator(self, model: AssertionModel, node: YamlNode) -> Operator | None:
        if model.type is AssertionType.JSON_PATH and not self._required(model.operator, "operator", node):
            return None
        if not model.operator:
            if model.type is AssertionType.HEADER and not _has(node, "expected"):
                return Operator.EXISTS
            return _OPERATOR_OF.get(model.type, Operator.EQUALS)
        name = OPERATOR_ALIASES.get(model.operator, model.operator)
        place = nearest(node, ("operator",))
        if name not in [operator.value for operator in Operator]:
            hint = suggestion(name, [operator.value for operator in Operator])
            self._problems.error("invalid_assertion", f"there is no operator `{model.operator}`", place, hint=hint)
            # The one of the two that causes no second finding.
            return Operator.EQUALS if _has(node, "expected") else Operator.EXISTS
        operator = Operator(name)
        if model.type is AssertionType.STATUS_CODE:
            if operator not in (Operator.EQUALS, Operator.IN):
                hint = 'remove `operator`; `expected` may be a number, "2xx", "200-299", or a list of these'
                message = f"`status_code` cannot be compared with `{operator}`"
                self._problems.error("invalid_assertion", message, place, hint=hint)
            return Operator.EQUALS
        return operator

    def _expected(self, operator: Operator, node: YamlNode) -> Node | None:
        """Compile the expected value, if the operator has one, and check its kind if it is already known."""
        written = child(node, "expected")
        if operator in WITHOUT_EXPECTED:
            if written is not None:
                self._problems.error(
                    "invalid_assertion", f"`{operator}` has no `expected` value", written, hint="remove it"
                )
            return None
        if written is None:
            self._lack("invalid_assertion", f"`{operator}` needs an `expected` value", node, "add `expected:`")
            return None
        expected = self._values.value(written)
        if is_known(expected):
            pattern = expected.value if operator is Operator.MATCHES else None
            excess = pattern_excess(pattern) if isinstance(pattern, str) else ""
            if excess:
                hint = "split it into several assertions"
                self._problems.error("journey_limit", f"the pattern {excess}", written, hint=hint)
                return None
            self._check_literal(operator, expected.value, written)
        return expected

    def _check_literal(self, operator: Operator, value: JsonValue, at: YamlNode) -> None:
        wrong = ""
        match operator:
            case Operator.MATCHES:
                wrong = _regular_expression_fault(value)
            case Operator.IN | Operator.NOT_IN if not isinstance(value, list):
                wrong = "it must be a list"
            case Operator.TYPE if value not in JSON_TYPES:
                wrong = f"it must be one of {', '.join(JSON_TYPES)}"
            case Operator.LENGTH if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                wrong = "it must be a whole number"
            case Operator.STARTS_WITH | Operator.ENDS_WITH if not isinstance(value, str):
                wrong = "it must be text"
            case _ if operator in NUMERIC and not _is_number(value):
                wrong = "it must be a number"
        if wrong:
            message = f"the `expected` value does not suit the operator `{operator}`"
            self._problems.error("invalid_assertion", message, at, cause=wrong)

    def _status(self, node: YamlNode) -> Node | None:
        expected = self._expected(Operator.EQUALS, node)
        if is_known(expected):
            listed = expected.value if isinstance(expected.value, list) else [expected.value]
            if not listed or not all(map(_is_status, listed)):
                message = 'an expected status must be a number, "2xx", "200-299", or a list of these'
                hint = (
                    "write the number without quotes"
                    if any(isinstance(one, str) and one.isdecimal() for one in listed)
                    else ""
                )
                self._problems.error("invalid_assertion", message, nearest(node, ("expected",)), hint=hint)
        return expected

    def _schema(self, node: YamlNode) -> Node | None:
        if not _has(node, "schema"):
            self._lack("invalid_assertion", "a `json_schema` assertion needs `schema`", node)
            return None
        return Literal(check_schema(nearest(node, ("schema",)), self._problems))

    def _response_time(self, model: AssertionModel, node: YamlNode) -> Node | None:
        written = [name for name in ("max", "max_ms", "expected") if _has(node, name)]
        if len(written) != 1:
            hint = "set it, for example `max: 2s`"
            self._lack("invalid_assertion", "a `response_time` assertion needs one `max`", node, hint)
            return None
        if written == ["expected"]:
            return self._expected(Operator.LESS_THAN_OR_EQUAL, node)
        return Literal(model.max if model.max is not None else model.max_ms)

    def _required(self, value: str, name: str, node: YamlNode) -> str:
        if not value:
            self._lack("missing_key", f"`{name}` is missing", node, f"add `{name}:`")
        return value

    def _lack(self, code: str, message: str, node: YamlNode, hint: str = "") -> None:
        if not self._is_partial:
            self._problems.error(code, message, node, hint=hint)


def _has(node: YamlNode, key: str) -> bool:
    return isinstance(node, YamlMapping) and key in node.entries


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_status(value: JsonValue) -> bool:
    if isinstance(value, str):
        low, _, high = value.partition("-")
        return _STATUS_RANGE.fullmatch(value) is not None and (not high or low <= high)
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _regular_expression_fault(value: JsonValue) -> str:
    if not isinstance(value, str):
        return "it must be text"
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as problem:
        return f"it is not a valid regular expression: {problem}"
    return ""
