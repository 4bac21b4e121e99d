"""What may be shown: escapes, widths, CI commands, colours, closed pipes."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from screens import ClosedStream, Screen

from reqflo_ray._internal.cli.display.live_bar import LiveBar
from reqflo_ray._internal.cli.display.terminal import (
    OutputClosedError,
    display_width,
    escape,
    escape_json,
    neutralize_ci_commands,
    shorten,
)

ANY_TEXT = st.text() | st.text(alphabet="\x1b[]0;\x07\x9b\u202e\u2066\u200b#:\n\r\t\udc80\U000e0041 ab")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ufeffmark", "\\ufeffmark"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("lone \udc80", "lone \\udc80"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("null\x00", "null\\x00"),
        ("plain äöü 漢字 👩‍💻", "plain äöü 漢字 👩‍💻"),
    ],
)
def test_a_character_that_could_steer_or_hide_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_line_feeds_and_tabs_stay_in_multiline_text_but_carriage_returns_do_not() -> None:
    assert escape("a\n\tb\r\n", multiline=True) == "a\n\tb\\r\n"


@given(ANY_TEXT)
def test_escaped_text_holds_no_control_and_no_format_character_but_joiners(text: str) -> None:
    for character in escape(text):
        category = unicodedata.category(character)
        assert category not in ("Cc", "Cs"), character
        assert unicodedata.bidirectional(character) not in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )


@given(ANY_TEXT)
def test_escaping_twice_is_escaping_once(text: str) -> None:
    assert escape(escape(text)) == escape(text)


def test_no_naughty_string_reaches_a_terminal_raw(naughty_strings: list[str]) -> None:
    for text in naughty_strings:
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", escape(text)), repr(text)


@given(st.dictionaries(st.text(), st.text()))
def test_json_that_is_made_safe_means_the_same(value: dict[str, str]) -> None:
    assert json.loads(escape_json(json.dumps(value, ensure_ascii=False))) == value


def test_json_that_is_made_safe_holds_no_bidirectional_control_and_no_ci_marker() -> None:
    text = json.dumps({"a": "\u202e\x9b ##[error]x ##vso[task] section_end:1:x \U000e0041"}, ensure_ascii=False)
    safe = escape_json(text)
    assert json.loads(safe) == json.loads(text)
    assert "\u202e" not in safe
    assert "\x9b" not in safe
    assert "##" not in safe
    assert "section_end:" not in safe
    assert "\\udb40\\udc41" in safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::stop", "\\x3a:error::stop"),
        ("  ::add-mask::x", "  \\x3a:add-mask::x"),
        ("fine\n::set-output name=a::b", "fine\n\\x3a:set-output name=a::b"),
        ("x ##vso[task.setvariable]y", "x \\x23#vso[task.setvariable]y"),
        ("##teamcity[testFailed]", "\\x23#teamcity[testFailed]"),
        ("##[group]x", "\\x23#[group]x"),
        (
            "section_start:1560896352:build[collapsed=true]\r\x1b[0K",
            "section_start\\x3a1560896352:build[collapsed=true]\r\x1b[0K",
        ),
        ("section_end:1:x", "section_end\\x3a1:x"),
        ("a section_start: see below", "a section_start: see below"),
        ("std::vector and a ## heading", "std::vector and a ## heading"),
    ],
)
def test_a_log_command_of_a_ci_system_is_broken_visibly(text: str, shown: str) -> None:
    assert neutralize_ci_commands(text) == shown


@given(st.text(alphabet=":# \n\r[vsoteamcity]x"))
def test_no_line_is_a_ci_command_after_neutralising(text: str) -> None:
    for line in neutralize_ci_commands(text).splitlines():
        assert not line.lstrip().startswith("::")
        assert not re.search(r"##(\[|vso\[|teamcity\[)", line)


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_shortened_text_fits_and_is_a_beginning_of_the_text(text: str, cells: int) -> None:
    shown = shorten(text, cells)
    assert display_width(shown) <= cells
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


def test_wide_characters_take_two_cells_and_combining_ones_none() -> None:
    assert display_width("漢字") == 4
    assert display_width("e\u0301") == 1
    assert shorten("漢字漢字", 5) == "漢字…"


@pytest.mark.parametrize(
    ("environment", "is_terminal", "colorful"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colours_follow_the_terminal_and_the_environment(
    environment: dict[str, str], is_terminal: bool, colorful: bool
) -> None:
    terminal = Screen(is_terminal=is_terminal, environment=environment)
    assert (terminal.paint("x", "bold red") != "x") is colorful
    assert (terminal.paint_out("x", "bold red") != "x") is colorful


def test_an_empty_text_is_not_painted() -> None:
    assert Screen(is_terminal=True).paint("", "red") == ""


def test_data_is_untouched_when_piped_and_escaped_on_a_terminal() -> None:
    piped, watched = Screen(), Screen(is_terminal=True)
    for terminal in (piped, watched):
        terminal.data("a\x1b[2Jb\n")
    assert piped.shown_out == "a\x1b[2Jb\n"
    assert watched.shown_out == "a\\x1b[2Jb\n"


@pytest.mark.parametrize("environment", [{}, {"GITHUB_ACTIONS": "true"}])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_lines_for_people_hold_no_ci_command_whatever_is_known_of_ci(
    environment: dict[str, str], is_terminal: bool
) -> None:
    terminal = Screen(environment=environment, is_terminal=is_terminal)
    terminal.note("::error::x")
    terminal.text("::error::y")
    assert terminal.shown_err == "\\x3a:error::x\n"
    assert terminal.shown_out == "\\x3a:error::y\n"


def test_lines_above_a_bar_hold_no_ci_command() -> None:
    terminal = Screen(is_terminal=True)
    LiveBar(terminal).note("  ::error::x\n##vso[task.complete]")
    assert terminal.shown_err == "  \\x3a:error::x\n\\x23#vso[task.complete]\n"


def test_data_that_a_terminal_shows_holds_no_ci_command() -> None:
    terminal = Screen(is_terminal=True)
    terminal.data("id\n::error::x\n")
    assert terminal.shown_out == "id\n\\x3a:error::x\n"


def test_a_closed_standard_error_stops_nobody() -> None:
    terminal = Screen(err=ClosedStream())
    terminal.note("nobody listens")
    terminal.text("somebody reads")
    assert terminal.shown_out == "somebody reads\n"


def test_a_closed_standard_output_is_told_apart_from_every_other_error() -> None:
    terminal = Screen(out=ClosedStream())
    for write in (terminal.data, terminal.text):
        with pytest.raises(OutputClosedError):
            write("x")


def test_a_bar_is_drawn_only_on_a_terminal_that_is_no_ci_log() -> None:
    assert Screen(is_terminal=True).animates
    assert not Screen(is_terminal=True, environment={"CI": "true"}).animates
    assert not Screen(is_terminal=True, environment={"TERM": "dumb"}).animates
    assert not Screen().animates


def test_running_text_is_80_wide_when_piped_and_never_wider_than_100() -> None:
    assert Screen(columns=200).wrap_width == 80
    assert Screen(is_terminal=True, columns=200).wrap_width == 100
    assert Screen(is_terminal=True, columns=60).wrap_width == 60
