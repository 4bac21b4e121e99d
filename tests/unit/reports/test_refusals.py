"""What takes the place of an earlier report: a document of its format that nobody can take for a run that passed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqflo_ray._internal.errors import DefinitionError, NothingSelectedError, Position, Problem, ReqfloError, Severity
from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.reports.formats import FORMATS, Report, write_refusal
from reqflo_ray._internal.reports.refusal import Refusal

Refused = Callable[..., bytes]
HOSTILE = "</pre><script>x</script> ]]> &a; \x00\x1b[31m \u202e \ud83d | `x` @all\r\n# heading"


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., bytes]:
    """The document of a format that says what an error says."""

    def write(format_: str, error: ReqfloError, subject: str = "place-order") -> bytes:
        write_refusal(Report(format_, tmp_path / "report"), Refusal.of(error, subject))
        return (tmp_path / "report").read_bytes()

    return write


def several() -> ReqfloError:
    return DefinitionError.of(
        (
            Problem(code="odd", message="it is odd", severity=Severity.WARNING),
            Problem(code="first", message="one", position=Position(file="a.yaml", line=3, column=4), cause="why"),
            Problem(code="second", message="two", hint="what to do"),
        )
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_tells_all_reasons_with_their_places(format_: str, refused: Refused) -> None:
    text = refused(format_, several()).decode().replace("&#58;", ":").replace("&#46;", ".")
    assert "no result" in text and "place" in text
    for said in ("one", "two", "a.yaml:3:4", "why", "what to do"):
        assert said in text
    assert "it is odd" not in text


@pytest.mark.parametrize("format_", FORMATS)
def test_no_hostile_text_breaks_it(format_: str, refused: Refused) -> None:
    error = ReqfloError(HOSTILE, code="x", cause=HOSTILE, hint=HOSTILE, position=Position(file=HOSTILE, line=1))
    text = refused(format_, error, HOSTILE).decode()
    assert not any(ord(character) < 32 and character not in "\n\t" for character in text)
    assert "\u202e" not in text
    if format_ in ("html", "markdown", "junit"):
        assert "<script>" not in text


def test_junit_has_one_error_and_nothing_that_passed(refused: Refused) -> None:
    root = ElementTree.fromstring(refused("junit", NothingSelectedError("there is no row to run")))
    for suites in root:
        assert {name: suites.get(name) for name in ("tests", "errors", "failures", "skipped")} == {
            "tests": "1",
            "errors": "1",
            "failures": "0",
            "skipped": "0",
        }
    [case] = root.iter("testcase")
    [error] = case
    assert (case.get("classname"), error.get("type")) == ("place-order", "nothing_selected")
    assert "there is no row to run" in str(error.get("message"))


def test_ctrf_has_one_test_that_failed(refused: Refused) -> None:
    results = json.loads(refused("ctrf", NothingSelectedError("no row")))["results"]
    [test] = results["tests"]
    summary = results["summary"]
    assert (test["status"], summary["tests"], summary["failed"], summary["passed"]) == ("failed", 1, 1, 0)
    assert summary["extra"] | {"leftOut": []} == {"verdict": "error", "exitCode": 5, "complete": False, "leftOut": []}
    assert summary["start"] == summary["stop"] > 0


def test_json_is_the_document_of_a_run_with_a_verdict_that_is_an_error(refused: Refused) -> None:
    import msgspec

    document = json.loads(refused("json", several()))
    verdict = msgspec.convert(document["verdict"], Verdict)
    assert (verdict.status.value, verdict.exit_code, verdict.journey) == ("error", 2, "place-order")
    assert verdict.counts.passed < verdict.counts.rows and verdict.counts.error
    assert (document["complete"], document["rows"]) == (False, [])
    assert [(each["code"], each["place"]) for each in document["problems"]] == [
        ("first", "a.yaml:3:4"),
        ("second", None),
    ]


def test_html_is_one_page_that_loads_nothing(refused: Refused) -> None:
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: Any) -> None:
            opened.append(tag)

    page = refused("html", several()).decode()
    Reader().feed(page)
    assert opened.count("pre") == 1 and not {"script", "link", "img", "a"} & set(opened)
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert 'class="passed"' not in page


def test_very_many_reasons_are_bounded(refused: Refused) -> None:
    error = DefinitionError.of(tuple(Problem(code="x", message="m" * 5000) for _ in range(1000)))
    for format_ in set(FORMATS) - {"json"}:
        text = refused(format_, error)
        assert len(text) < 200_000
        assert "950 more" in text.decode().replace("&#46;", ".")


@settings(max_examples=10)
@given(message=st.text(st.characters()), subject=st.text(st.characters()))
def test_any_text_makes_a_document(tmp_path_factory: pytest.TempPathFactory, message: str, subject: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    for format_ in FORMATS:
        write_refusal(Report(format_, folder / format_), Refusal.of(ReqfloError(message), subject))
    assert ElementTree.fromstring((folder / "junit").read_bytes())[0].get("errors") == "1"
    assert json.loads((folder / "json").read_bytes())["verdict"]["status"] == "error"
    assert json.loads((folder / "ctrf").read_bytes())["results"]["summary"]["failed"] == 1
