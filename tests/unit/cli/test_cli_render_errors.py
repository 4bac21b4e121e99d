"""How errors read, character by character."""

from __future__ import annotations

import textwrap
import time

import pytest
from screens import Screen

from reqflo_ray._internal.cli.display.render_errors import count_problems, render_error, render_problem, render_problems
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, RunConflictError, Severity, StoreError


def golden(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


def place(text: str, column: int, line: int = 12) -> Position:
    return Position(file="journeys/place-order.yaml", line=line, column=column, text=text)


def test_an_error_shows_what_where_why_and_what_to_do() -> None:
    problem = Problem(
        code="unknown_key",
        message="step `create` has no key `templte`",
        position=place('      templte: "POST /orders"', 7),
        cause="a step has these keys: id, name, template, values",
        hint="did you mean `template`?",
    )
    assert render_problem(problem, Screen()) == golden(
        """
        error[unknown_key]: step `create` has no key `templte`
           --> journeys/place-order.yaml:12:7
           |
        12 |       templte: "POST /orders"
           |       ^
        cause: a step has these keys: id, name, template, values
        hint: did you mean `template`?
        """
    )


def test_a_place_without_its_line_is_named_without_a_caret() -> None:
    problem = Problem(code="bad_row", message="too many cells", position=Position(file="data.csv", line=7, column=3))
    assert render_problem(problem, Screen()) == "error[bad_row]: too many cells\n  --> data.csv:7:3"


def test_a_caret_stands_below_its_column_after_tabs_and_wide_characters() -> None:
    rendered = render_problem(Problem(code="x", message="m", position=place("\t漢: value", 5, line=1)), Screen())
    source, caret = rendered.splitlines()[-2:]
    assert source == "1 |     漢: value"
    # A tab is four cells, the ideograph two, the colon and the space one each: the caret is below the v.
    assert caret == "  |         ^"


def test_a_caret_behind_the_end_of_its_line_stands_after_the_last_character() -> None:
    rendered = render_problem(Problem(code="x", message="m", position=place("abc", 99)), Screen())
    assert rendered.splitlines()[-1] == "   |    ^"


@pytest.mark.parametrize("column", [1, 50, 399, 400])
def test_a_long_source_line_is_shown_around_its_column(column: int) -> None:
    text = "".join(chr(ord("a") + index % 26) for index in range(400))
    rendered = render_problem(Problem(code="x", message="m", position=place(text, column)), Screen())
    source, caret = rendered.splitlines()[-2:]
    assert len(source) <= 80
    assert source[caret.index("^")] == text[column - 1]


@pytest.mark.parametrize("column", [1, 500_000, 999_999])
def test_hundreds_of_findings_on_a_line_of_a_megabyte_are_shown_at_once(column: int) -> None:
    text = "".join(chr(ord("a") + index % 26) for index in range(1_000_000))
    started = time.process_time()
    problems = [Problem(code="x", message=f"m{number}", position=place(text, column)) for number in range(200)]
    rendered = render_problems(problems, Screen())
    assert time.process_time() - started < 2
    source, caret = rendered.splitlines()[3:5]
    assert len(source) <= 80
    assert source[caret.index("^")] == text[column - 1]


def test_long_causes_and_hints_are_wrapped_but_the_headline_stays_one_line() -> None:
    words = "word " * 30
    rendered = render_problem(Problem(code="x", message=words.strip(), cause=words, hint=words), Screen())
    headline, *others = rendered.splitlines()
    assert headline == f"error[x]: {words.strip()}"
    assert all(len(line) <= 80 for line in others)
    assert others[1].startswith("       word")


def test_a_path_longer_than_the_line_is_not_broken() -> None:
    path = "/very/long/" + "folder-name/" * 12
    assert path in render_problem(Problem(code="x", message="m", hint=f"look at {path}"), Screen())


def test_the_lines_of_a_cause_keep_their_alignment() -> None:
    cause = "LINE 1: select nme from results\n               ^"
    assert render_problem(Problem(code="query_error", message="no such column", cause=cause), Screen()) == (
        "error[query_error]: no such column\ncause: LINE 1: select nme from results\n                      ^"
    )


def test_a_name_with_a_line_of_its_own_begins_no_line() -> None:
    name = "x\n::error title=from data::y"
    rendered = render_problem(Problem(code="c", message=f"no column `{name}`", hint=f"known: `{name}`"), Screen())
    assert rendered == (
        "error[c]: no column `x\\n::error title=from data::y`\nhint: known: `x\\n::error title=from data::y`"
    )


def test_errors_come_before_warnings_with_their_number_at_the_end() -> None:
    warning = Problem(code="undeclared_column", message="column `x` is not used").as_warning()
    first, second = (Problem(code=f"e{number}", message=f"error {number}") for number in (1, 2))
    assert render_problems((warning, first, second), Screen()) == golden(
        """
        error[e1]: error 1

        error[e2]: error 2

        warning[undeclared_column]: column `x` is not used

        2 errors, 1 warning
        """
    )


def test_a_single_problem_is_not_counted() -> None:
    assert render_problems((Problem(code="a", message="b"),), Screen()) == "error[a]: b"


def test_an_error_made_of_problems_does_not_repeat_the_first() -> None:
    problems = tuple(Problem(code=f"e{number}", message=f"error {number}") for number in (1, 2))
    assert render_error(DefinitionError.of(problems), Screen()) == golden(
        """
        error[e1]: error 1

        error[e2]: error 2

        2 errors
        """
    )


def test_an_error_with_words_of_its_own_says_them_before_its_problems() -> None:
    error = RunConflictError(
        "run `r1` exists with different inputs",
        hint="use another `--run-id`",
        problems=(Problem(code="different_input", message="environment: `local`, was `staging`"),),
    )
    assert render_error(error, Screen()) == golden(
        """
        error[run_conflict]: run `r1` exists with different inputs
        hint: use another `--run-id`

        error[different_input]: environment: `local`, was `staging`
        """
    )


def test_a_plain_error_is_shown_with_its_facts() -> None:
    error = StoreError("`.reqflo` is full", cause="No space left on device", hint="make room")
    assert render_error(error, Screen()) == golden(
        """
        error[store_error]: `.reqflo` is full
        cause: No space left on device
        hint: make room
        """
    )


def test_counts_leave_out_what_there_is_none_of() -> None:
    error = Problem(code="e", message="m")
    assert count_problems(()) == ""
    assert count_problems((error,)) == "1 error"
    assert count_problems((error.as_warning(), error.as_warning())) == "2 warnings"


def test_colours_mark_the_words_and_change_nothing_else() -> None:
    problem = Problem(code="x", message="m", position=place("abc", 2), hint="h", severity=Severity.WARNING)
    colorful = render_problem(problem, Screen(is_terminal=True))
    plain = colorful
    for code in ("1;31", "1;33", "1;34", "1;36", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert "\x1b[1;33mwarning[x]:\x1b[0m" in colorful
    assert plain == render_problem(problem, Screen())


def test_nothing_naughty_gets_out_of_any_part_of_a_problem(naughty_strings: list[str]) -> None:
    for text in [*naughty_strings, "\x1b]8;;http://x\x07link", "\u202egnp.exe"]:
        problem = Problem(
            code="x",
            message=text,
            cause=text,
            hint=text,
            position=Position(file=text, line=1, column=len(text) // 2 + 1, text=text),
        )
        rendered = render_problem(problem, Screen())
        assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in rendered), repr(text)
        assert not any(c in rendered for c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"), repr(text)
