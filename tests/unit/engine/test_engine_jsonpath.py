from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import jsonpath_rfc9535
import pytest
from data_sets import OWN_SETS, set_of_others
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.engine.values.jsonpath import PathError, compile_path
from reqflo_ray._internal.engine.values.work import Unjudged, Work
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import UNSET

RULES_JSON = (OWN_SETS / "jsonpath" / "rules.json").read_bytes()
RULES: list[dict[str, Any]] = json.loads(RULES_JSON)
NAMES = st.sampled_from(["a", "b", "c d", "ä", "0", "'"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(NAMES, children, max_size=4),
    max_leaves=20,
)
STEPS = st.lists(NAMES | st.integers(-5, 5), max_size=4)


@pytest.mark.parametrize("exact", [False, True], ids=["floats", "exact numbers"])
@pytest.mark.parametrize("number", range(len(RULES)), ids=[rule["rule"].split()[0] for rule in RULES])
def test_a_rule_of_rfc_9535_holds(number: int, exact: bool) -> None:
    rule = (json_text.decode(RULES_JSON).value if exact else RULES)[number]
    for text, expected in rule["found"]:
        assert compile_path(text).find(rule["document"], Work()) == expected, text
    assert [text for text in rule["refused"] if _is_path(text)] == []


@pytest.mark.xfail(strict=True, reason="the parser takes a little more than the grammar of RFC 9535")
def test_what_only_the_grammar_refuses_is_refused() -> None:
    texts = ["$[?!!@.a]", "$[?(@.a) == 1]", "$[?@.a == (1)]", "$[?@.a == -01]", "$[?length(@.a,) == 1]"]
    assert not any(map(_is_path, texts))


@pytest.mark.parametrize("exact", [False, True], ids=["floats", "exact numbers"])
def test_the_compliance_suite_of_rfc_9535_passes_whole(exact: bool) -> None:
    data = set_of_others("jsonpath/cts.json").read_bytes()
    tests = (json_text.decode(data).value if exact else json.loads(data))["tests"]
    wrong = []
    for test in tests:
        try:
            found = compile_path(test["selector"]).find(test["document"], Work()) if "document" in test else None
            accepted = bool(compile_path(test["selector"]))
        except PathError:
            found, accepted = None, False
        if test.get("invalid_selector"):
            right = not accepted
        else:
            right = accepted and found in test.get("results", [test.get("result")])
        if not right:
            wrong.append(test["name"])
    assert wrong == []
    assert len(tests) == 703


def _is_path(text: str) -> bool:
    try:
        compile_path(text)
    except PathError:
        return False
    return True


@given(DOCUMENTS, STEPS)
def test_a_singular_path_finds_what_the_library_finds(document: Any, steps: list[str | int]) -> None:
    text = "$" + "".join(f"[{json.dumps(step)}]" for step in steps)
    path = compile_path(text)
    assert path.singular
    expected = [node.value for node in jsonpath_rfc9535.find(text, document)]
    assert json.dumps(path.find(document, Work())) == json.dumps(expected)
    first = path.first(document, Work())
    assert (first is UNSET) == (not expected)


def test_null_that_is_there_is_not_the_same_as_nothing() -> None:
    path = compile_path("$.a")
    assert path.first({"a": None}, Work()) is None
    assert path.first({}, Work()) is UNSET
    assert path.find({"a": None}, Work()) == [None]


def test_a_path_with_a_wildcard_gives_all_and_is_not_singular() -> None:
    path = compile_path("$.orders[*].id")
    assert not path.singular
    assert path.find({"orders": [{"id": 1}, {"id": 2}]}, Work()) == [1, 2]
    assert path.first({"orders": []}, Work()) is UNSET


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("$[?@ == 1.10]", [Decimal("1.10"), 1.1, 1], [Decimal("1.10"), 1.1]),
        ("$[?@ > 1]", [Decimal("1.50"), 1.5, 1, "x", True], [Decimal("1.50"), 1.5]),
        ("$[?@ <= 287]", [Decimal("287.00"), 288], [Decimal("287.00")]),
        ("$[?@ != 2]", [Decimal("2.00"), 3], [3]),
        ("$[?@ == 12345678901234567890.5]", [Decimal("12345678901234567890.5"), 12345678901234567890], ["first"]),
        ("$[?@.a == $[0].b]", [{"b": [1]}, {"a": [True]}, {"a": [Decimal("1.0")]}], [{"a": [Decimal("1.0")]}]),
        ("$[?length(@) == 2]", ["ab", [1, 2], {"a": 1}, Decimal("22")], ["ab", [1, 2]]),
        ("$[?match(@, '[a-z]+')]", ["abc", "ab1", 1], ["abc"]),
        ("$[?search(@, '[0-9]')]", ["abc", "ab1", 1], ["ab1"]),
        ("$[?!(@.a && @.b == 1.0)]", [{"a": 1, "b": 1}, {"a": 1}], [{"a": 1}]),
        ("$[?count(@[?@ > 1.5]) == 1]", [[1, Decimal("2.0")], [2, 3]], [[1, Decimal("2.0")]]),
    ],
)
def test_filters_compare_numbers_by_value(path: str, document: list[Any], found: list[Any]) -> None:
    assert compile_path(path).find(document, Work()) == ([document[0]] if found == ["first"] else found)


@pytest.mark.parametrize(
    "text",
    ["", "a", "$.", "$[", "$['a", "$[?(", "$..", "$[01]", "$[?@ == ]", "$[?f(@)]", "$.a b", "$" + "[?" * 300,
     "$[?" + "!" * 20_000 + "@.a]", "$[9007199254740992]"],
)  # fmt: skip
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        compile_path(text)


@given(st.text(alphabet="$.[]?@*'\"ab01-:=<>!&|(),~", max_size=25))
def test_no_text_makes_the_compiler_raise_anything_else(text: str) -> None:
    with contextlib.suppress(PathError):
        assert isinstance(compile_path("$" + text).find({"a": [{"b": 1}], "b": "x"}, Work()), list)


def test_a_document_is_searched_however_deeply_it_is_nested() -> None:
    document: Any = {"a": 1}
    for _ in range(50_000):
        document = [document]
    assert compile_path("$..a").find(document, Work()) == [1]
    assert compile_path("$[?@..a]").find(document, Work()) == document


def test_a_pattern_that_takes_for_ever_is_stopped() -> None:
    with pytest.raises(Unjudged, match="took longer"):
        compile_path("$[?search(@, '(a|aa)+b')]").find(["a" * 60 + "c"], Work(pattern_seconds=0.05))
