from __future__ import annotations

import contextlib
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray.engine.patterns import MAX_CHARACTERS, Pattern, PatternError

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
    assert [Pattern(pattern).found_in(text) for text in TEXTS] == [bool(reference.search(text)) for text in TEXTS]


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
        assert Pattern(pattern).found_in(text) is expected


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{2,1}", "(?P<n>a)(?P<n>b)", r"\p{L}"])
def test_what_python_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="not a regular expression"):
        Pattern(pattern)


def test_a_pattern_that_takes_for_ever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reqflo_ray.engine.patterns.MAX_SECONDS", 0.05)
    with pytest.raises(PatternError, match="took longer"):
        Pattern("(a|aa)+$").found_in("a" * 60 + "b")


def test_a_text_without_bound_is_not_matched() -> None:
    with pytest.raises(PatternError, match="longer than"):
        Pattern("a").found_in("b" * (MAX_CHARACTERS + 1))
