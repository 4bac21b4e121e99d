"""Evaluates parsed JSONPath queries, including filters, and counts every node that it looks at.

It must not know the text of a path, nor the use of the values that are found. It does not recurse into documents, so
that their depth does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from jsonpath_rfc9535 import JSONPathQuery
from jsonpath_rfc9535.filter_expressions import (
    BooleanLiteral,
    ComparisonExpression,
    Expression,
    FilterExpression,
    FilterQuery,
    FloatLiteral,
    FunctionExtension,
    IntegerLiteral,
    LogicalExpression,
    NullLiteral,
    PrefixExpression,
    RelativeFilterQuery,
    StringLiteral,
)
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment
from jsonpath_rfc9535.selectors import (
    FilterSelector,
    IndexSelector,
    JSONPathSelector,
    NameSelector,
    SliceSelector,
    WildcardSelector,
)

from reqflo_ray._internal.engine.values.compare import equal, is_number, less
from reqflo_ray._internal.engine.values.patterns import IRegexp
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model.values import UNSET, JsonValue, exact_number


@dataclass(frozen=True, slots=True)
class Search:
    """One evaluation of a path: the document that `$` stands for, and what may be spent on it."""

    root: JsonValue
    work: Work


Query: TypeAlias = Callable[[JsonValue, Search], list[JsonValue]]
_Selector: TypeAlias = Callable[[JsonValue, list[JsonValue], Search], None]
_Test: TypeAlias = Callable[[JsonValue, Search], bool]
_Value: TypeAlias = Callable[[JsonValue, Search], JsonValue]


def compile_query(query: JSONPathQuery) -> Query:
    """Return the function that finds all values that `query` selects, starting at a value, in document order.

    It raises `Unjudged`.
    """
    segments = [
        (isinstance(segment, JSONPathRecursiveDescentSegment), [_selector(one) for one in segment.selectors])
        for segment in query.segments
    ]

    def find(start: JsonValue, search: Search) -> list[JsonValue]:
        nodes = [start]
        for descends, selectors in segments:
            found: list[JsonValue] = []
            for node in nodes:
                for place in _descendants(node, search.work) if descends else (node,):
                    for select in selectors:
                        select(place, found, search)
            nodes = found
        return nodes

    return find


def singular_steps(query: JSONPathQuery) -> tuple[str | int, ...]:
    """Return the names and indexes of a singular query."""
    steps: list[str | int] = []
    for segment in query.segments:
        match segment.selectors[0]:
            case NameSelector(name=name):
                steps.append(name)
            case IndexSelector(index=index):
                steps.append(index)
    return tuple(steps)


def walk(document: JsonValue, steps: tuple[str | int, ...]) -> JsonValue:
    """Return the value at the end of names and indexes (negative ones count from the end), or `UNSET`."""
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


def _descendants(node: JsonValue, work: Work) -> Iterator[JsonValue]:
    """Yield `node` and all arrays and objects in it, parents first; other values have nothing to select from."""
    pending = [node]
    while pending:
        place = pending.pop()
        yield place
        children = _children(place)
        work.spend(1 + len(children))
        pending.extend([child for child in reversed(children) if isinstance(child, dict | list)])


def _children(node: JsonValue) -> list[JsonValue]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _selector(selector: JSONPathSelector) -> _Selector:
    match selector:
        case NameSelector(name=name):
            return lambda node, found, search: _take(node, name, found, search)
        case IndexSelector(index=index):
            return lambda node, found, search: _take(node, index, found, search)
        case SliceSelector(slice=part):
            return lambda node, found, search: _take_slice(node, part, found, search)
        case WildcardSelector():
            return _take_all
        case FilterSelector(expression=expression):
            test = _test(expression)
            return lambda node, found, search: _take_where(node, test, found, search)
    raise TypeError(f"{type(selector).__name__} is unknown")


def _take(node: JsonValue, step: str | int, found: list[JsonValue], search: Search) -> None:
    search.work.spend(1)
    value = walk(node, (step,))
    if value is not UNSET:
        found.append(value)


def _take_slice(node: JsonValue, part: slice, found: list[JsonValue], search: Search) -> None:
    search.work.spend(1)
    if isinstance(node, list) and part.step != 0:
        search.work.spend(len(range(*part.indices(len(node)))))
        found.extend(node[part])


def _take_all(node: JsonValue, found: list[JsonValue], search: Search) -> None:
    children = _children(node)
    search.work.spend(1 + len(children))
    found.extend(children)


def _take_where(node: JsonValue, test: _Test, found: list[JsonValue], search: Search) -> None:
    children = _children(node)
    search.work.spend(1 + len(children))
    found.extend([child for child in children if test(child, search)])


def _test(expression: Expression) -> _Test:
    """Return the function that tests a filter on a value."""
    match expression:
        case FilterExpression(expression=inner):
            return _test(inner)
        case PrefixExpression(right=operand):
            test = _test(operand)
            return lambda value, search: not test(value, search)
        case LogicalExpression(left=left, operator=operator, right=right):
            one, other = _test(left), _test(right)
            if operator == "&&":
                return lambda value, search: one(value, search) and other(value, search)
            return lambda value, search: one(value, search) or other(value, search)
        case ComparisonExpression():
            return _comparison(expression)
        case FilterQuery():
            nodes = _nodes(expression)
            return lambda value, search: bool(nodes(value, search))
        case FunctionExtension(name="match" | "search"):
            return _matching(expression)
    raise TypeError(f"{type(expression).__name__} is not a test")


def _nodes(expression: Expression) -> Query:
    if not isinstance(expression, FilterQuery):
        raise TypeError(f"{type(expression).__name__} is not a query")
    query = expression.query
    if query.singular_query():
        one = _value(expression)

        def find_one(value: JsonValue, search: Search) -> list[JsonValue]:
            found = one(value, search)
            return [] if found is UNSET else [found]

        return find_one
    find = compile_query(query)
    if isinstance(expression, RelativeFilterQuery):
        return find
    return lambda value, search: find(search.root, search)


def _value(expression: Expression) -> _Value:
    """Return the function that evaluates an operand, to `UNSET` if it has no value."""
    match expression:
        case StringLiteral() | BooleanLiteral() | NullLiteral():
            literal: JsonValue = expression.value
            return lambda value, search: literal
        case FloatLiteral() | IntegerLiteral():
            # The library reads a literal as a binary float, even an integer with an exponent.
            text = expression.token.value
            number = exact_number(text) if set(text) & set(".eE") else int(text)
            return lambda value, search: number
        case FilterQuery(query=query):
            return _singular(query, relative=isinstance(expression, RelativeFilterQuery))
        case FunctionExtension(name="length", args=[argument]):
            measured = _value(argument)
            return lambda value, search: _length(measured(value, search))
        case FunctionExtension(name="count", args=[argument]):
            counted = _nodes(argument)
            return lambda value, search: len(counted(value, search))
        case FunctionExtension(name="value", args=[argument]):
            nodes = _nodes(argument)
            return lambda value, search: _only(nodes(value, search))
    raise TypeError(f"{type(expression).__name__} is not a value")


def _singular(query: JSONPathQuery, *, relative: bool) -> _Value:
    steps = singular_steps(query)
    cost = 1 + len(steps)

    def value_of(value: JsonValue, search: Search) -> JsonValue:
        search.work.spend(cost)
        return walk(value if relative else search.root, steps)

    return value_of


def _length(value: JsonValue) -> JsonValue:
    return len(value) if isinstance(value, str | list | dict) else UNSET


def _only(nodes: list[JsonValue]) -> JsonValue:
    return nodes[0] if len(nodes) == 1 else UNSET


def _comparison(expression: ComparisonExpression) -> _Test:
    left, right = _value(expression.left), _value(expression.right)
    compare = _COMPARISONS[expression.operator]
    return lambda value, search: compare(left(value, search), right(value, search), search.work)


def _equal(left: JsonValue, right: JsonValue, work: Work) -> bool:
    return left is right if left is UNSET or right is UNSET else equal(left, right, work)


def _less(left: JsonValue, right: JsonValue, work: Work) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        work.spend_on_text(min(len(left), len(right)))
        return left < right
    return is_number(left) and is_number(right) and less(left, right)


_COMPARISONS: Final[dict[str, Callable[[JsonValue, JsonValue, Work], bool]]] = {
    "==": _equal,
    "!=": lambda left, right, work: not _equal(left, right, work),
    "<": _less,
    ">": lambda left, right, work: _less(right, left, work),
    "<=": lambda left, right, work: _less(left, right, work) or _equal(left, right, work),
    ">=": lambda left, right, work: _less(right, left, work) or _equal(left, right, work),
}


def _matching(expression: FunctionExtension) -> _Test:
    """Compile `match()` or `search()`. A pattern in the path is compiled once, one from a response when it is met."""
    whole = expression.name == "match"
    text_of, pattern_of = (_value(argument) for argument in expression.args)
    literal = expression.args[1]
    fixed = IRegexp(literal.value, whole=whole) if isinstance(literal, StringLiteral) else None

    def matches(value: JsonValue, search: Search) -> bool:
        text, pattern = text_of(value, search), pattern_of(value, search)
        if not isinstance(text, str) or not isinstance(pattern, str):
            return False
        found = fixed if fixed is not None else IRegexp.met(pattern, search.work, whole=whole)
        return found.found_in(text, search.work)

    return matches
