"""JSONPath (RFC 9535) over decoded JSON: singular paths by a walk of our own, all others by a library.

It must not know what a path is used for. All numbers of a document compare by value, Decimals included.
"""

from __future__ import annotations

from typing import Final

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathNodeList, JSONPathQuery
from jsonpath_rfc9535.filter_expressions import (
    NOTHING,
    ComparisonExpression,
    Expression,
    FilterContext,
    FilterExpression,
    FilterExpressionLiteral,
    FilterQuery,
    FloatLiteral,
    FunctionExtension,
    IntegerLiteral,
    LogicalExpression,
    PrefixExpression,
)
from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction
from jsonpath_rfc9535.selectors import FilterSelector, IndexSelector, NameSelector

from reqflo_ray.engine.compare import equal, is_number, less
from reqflo_ray.engine.patterns import PatternError, iregexp
from reqflo_ray.model.values import UNSET, JsonValue, exact_number


class PathError(ValueError):
    """A text is no JSONPath, or a path cannot be evaluated on a document (too deep, a pattern that takes too long)."""


class Path:
    """A compiled JSONPath. `singular`: it can give one value at most (names and indexes only)."""

    __slots__ = ("_query", "_steps", "singular", "text")

    def __init__(self, text: str, query: JSONPathQuery) -> None:
        self.text = text
        self.singular = query.singular_query()
        self._query = query
        self._steps: tuple[str | int, ...] = tuple(_steps(query)) if self.singular else ()

    def find(self, document: JsonValue) -> list[JsonValue]:
        """All values that the path selects, in the document's order.

        Raises:
            PathError: it cannot be evaluated on this document.
        """
        if self.singular:
            value = walk(document, self._steps)
            return [] if value is UNSET else [value]
        try:
            return [node.value for node in self._query.finditer(document)]
        except RecursionError:
            raise PathError(f"`{self.text}`: the document is nested too deeply") from None
        except PatternError as problem:
            raise PathError(f"`{self.text}`: {problem}") from None
        except (JSONPathError, ArithmeticError, ValueError, TypeError) as problem:
            raise PathError(f"`{self.text}` cannot be evaluated: {type(problem).__name__}") from None

    def first(self, document: JsonValue) -> JsonValue:
        """The first value that the path selects, or `UNSET`.

        Raises:
            PathError: it cannot be evaluated on this document.
        """
        if self.singular:
            return walk(document, self._steps)
        found = self.find(document)
        return found[0] if found else UNSET


def compile_path(text: str) -> Path:
    """Compile a JSONPath.

    Raises:
        PathError: `text` is none; says why and at which column.
    """
    try:
        query = _ENVIRONMENT.compile(text)
        _compare_by_value(query)
    except RecursionError:
        raise PathError("the path is nested too deeply") from None
    except (JSONPathError, ArithmeticError, ValueError, TypeError, IndexError) as problem:
        raise PathError(f"`{text}` is not a JSONPath: {problem}") from None
    return Path(text, query)


def walk(document: JsonValue, steps: tuple[str | int, ...]) -> JsonValue:
    """The value that names and indexes (negative ones count from the end) lead to, or `UNSET`."""
    value = document
    for step in steps:
        if isinstance(value, dict):
            if not isinstance(step, str) or step not in value:
                return UNSET
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return UNSET
    return value


def _steps(query: JSONPathQuery) -> list[str | int]:
    steps: list[str | int] = []
    for segment in query.segments:
        match segment.selectors[0]:
            case NameSelector(name=name):
                steps.append(name)
            case IndexSelector(index=index):
                steps.append(index)
    return steps


def _compare_by_value(query: JSONPathQuery) -> None:
    """Replace the library's comparisons, which know no Decimal and take `[1]` for `[true]`, by our own."""
    for segment in query.segments:
        for selector in segment.selectors:
            if isinstance(selector, FilterSelector):
                selector.expression.expression = _exact(selector.expression.expression)


def _exact(expression: Expression) -> Expression:
    match expression:
        case ComparisonExpression():
            return _Comparison(expression)
        case LogicalExpression():
            expression.left, expression.right = _exact(expression.left), _exact(expression.right)
        case PrefixExpression():
            expression.right = _exact(expression.right)
        case FilterExpression():
            expression.expression = _exact(expression.expression)
        case FunctionExtension():
            expression.args = [_exact(argument) for argument in expression.args]
        case FilterQuery():
            _compare_by_value(expression.query)
        case FloatLiteral() | IntegerLiteral():
            # The library reads a literal as a binary float, an integer with an exponent too.
            text = expression.token.value
            return FilterExpressionLiteral(
                expression.token, exact_number(text) if set(text) & set(".eE") else int(text)
            )
    return expression


class _Comparison(Expression):
    """A comparison of two values, either of which may be nothing."""

    __slots__ = ("_left", "_operator", "_right")

    def __init__(self, original: ComparisonExpression) -> None:
        super().__init__(original.token)
        self._left = _exact(original.left)
        self._right = _exact(original.right)
        self._operator = original.operator

    def evaluate(self, context: FilterContext) -> bool:
        left, right = _value_of(self._left.evaluate(context)), _value_of(self._right.evaluate(context))
        match self._operator:
            case "==":
                return _equal(left, right)
            case "!=":
                return not _equal(left, right)
            case "<":
                return _less(left, right)
            case ">":
                return _less(right, left)
            case "<=":
                return _less(left, right) or _equal(left, right)
            case _:
                return _less(right, left) or _equal(left, right)


def _value_of(found: object) -> JsonValue:
    if isinstance(found, JSONPathNodeList):
        return found[0].value if found else UNSET
    return UNSET if found is NOTHING else found


def _equal(left: JsonValue, right: JsonValue) -> bool:
    return left is right if left is UNSET or right is UNSET else equal(left, right)


def _less(left: JsonValue, right: JsonValue) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    return is_number(left) and is_number(right) and less(left, right)


class _Length(FilterFunction):
    """`length()`: of text, an array or an object; of all else nothing."""

    arg_types: Final = [ExpressionType.VALUE]
    return_type: Final = ExpressionType.VALUE

    def __call__(self, value: object) -> object:
        return len(value) if isinstance(value, str | list | dict) else NOTHING


class _Matching(FilterFunction):
    """`match()` (`whole`) and `search()`: a pattern or text from a response cannot hang a worker."""

    arg_types: Final = [ExpressionType.VALUE, ExpressionType.VALUE]
    return_type: Final = ExpressionType.LOGICAL

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole

    def __call__(self, text: object, pattern: object) -> bool:
        return isinstance(text, str) and isinstance(pattern, str) and iregexp(pattern, text, whole=self._whole)


class _Environment(JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        own = {"length": _Length(), "match": _Matching(whole=True), "search": _Matching(whole=False)}
        self.function_extensions.update(own)


_ENVIRONMENT: Final = _Environment()
