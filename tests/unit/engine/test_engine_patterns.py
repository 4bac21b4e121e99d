from __future__ import annotations

import contextlib
import re
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.engine.values.patterns import MAX_CHARACTERS, IRegexp, Pattern, PatternError
from reqflo_ray._internal.engine.values.work import Unjudged, Work

TEXTS = ["/users/{id}", "a{e}", "x{i}", "", "a", "aaa", "a-b", "[", "]", ":a", "&", "\n", "x{d}y", "{e<=1}", "1", "Z9"]


@pytest.mark.parametrize(
    "pattern",
    ["/users/{id}$", "a{e}", "x{i}", "{e<=1}", "x{d}y", "[[:alpha:]]", "[a&&b]", "[]a]", "[^]a]", "[+-]", "a{2}",
     "a{,3}", "a{1,}", "a{1,2}?", r"\{", r"[\]\[]", r"\N{DIGIT ONE}", "(?i)z", "(?x) a # { comment", r"\d+", r"a++",
     "[a||b]", "^$"],
)  # fmt: skip
def test_a_pattern_means_what_python_takes_it_for(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        reference = re.compile(pattern)
    assert [Pattern(pattern).found_in(text, Work()) for text in TEXTS] == [
        bool(reference.search(text)) for text in TEXTS
    ]


@given(st.text(alphabet="ab{}[]()|?*+.,1^$\\de<=", max_size=10), st.text(alphabet="abde1{}[],<=", max_size=8))
def test_any_pattern_that_python_accepts_finds_the_same(pattern: str, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = bool(re.search(pattern, text))
        except re.error:
            return
    # The other engine refuses a few odd ones; that is said, not guessed.
    with contextlib.suppress(PatternError):
        assert Pattern(pattern).found_in(text, Work()) is expected


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{2,1}", "(?P<n>a)(?P<n>b)", r"\p{L}"])
def test_what_python_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="not a regular expression"):
        Pattern(pattern)


def test_a_pattern_that_takes_for_ever_is_stopped_and_decides_nothing() -> None:
    with pytest.raises(Unjudged, match="took longer") as stopped:
        Pattern("(a|aa)+$").found_in("a" * 60 + "b", Work(pattern_seconds=0.05))
    assert stopped.value.code == "pattern_timeout"


def test_a_text_without_bound_is_not_matched() -> None:
    with pytest.raises(Unjudged, match="longer than") as refused:
        Pattern("a").found_in("b" * (MAX_CHARACTERS + 1), Work())
    assert refused.value.code == "work_limit"


# Compiling these takes all memory that there is.
BOMB = "(((a{999}){999}){999})"


@pytest.mark.parametrize("compiled", [Pattern.met, lambda text, work: IRegexp.met(text, work, whole=True)])
def test_a_pattern_that_data_brings_along_is_never_compiled_where_others_wait(compiled: Any) -> None:
    for text in (BOMB, "a" * 1001):
        with pytest.raises(Unjudged):
            compiled(text, Work(10_000, alone=False))
    with pytest.raises(Unjudged, match="too long"):
        compiled("a" * 1001, Work())
    assert compiled("a+", Work()).found_in("aa", Work())
