"""The registry of error codes and the code that raises them say the same."""

from __future__ import annotations

import ast
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from error_code_literals import codes_in

import reqflo_ray
from reqflo_ray._internal.error_codes.registry import SECTIONS
from reqflo_ray._internal.model.http.exchange import FailureKind
from reqflo_ray._internal.runs.upkeep.verify import FindingKind

PACKAGE = Path(reqflo_ray.__file__).parent
REGISTERED = tuple(chain.from_iterable(section.codes for section in SECTIONS))
FOUND = codes_in(PACKAGE)


def test_every_code_of_the_source_is_registered_and_no_other() -> None:
    of_enums = {kind.value for kind in (*FailureKind, *FindingKind)}
    found = {code: FOUND.places.get(code, []) for code in {*FOUND.places, *of_enums}}
    registered = {entry.name for entry in REGISTERED}
    assert {code: places for code, places in found.items() if code not in registered} == {}, "add it to error_codes/"
    assert registered - found.keys() == set(), "nothing raises it any more: remove it from error_codes/"


def test_no_code_is_made_up_at_run_time() -> None:
    assert FOUND.unclear == []


def test_each_code_is_registered_once() -> None:
    assert [code for code, times in Counter(entry.name for entry in REGISTERED).items() if times > 1] == []


def test_cause_and_remedy_are_one_sentence_each() -> None:
    def is_sentence(text: str) -> bool:
        begins = text[0].isupper() or text.startswith(("`", "reqflo-ray"))
        return begins and text.endswith(".") and "\n" not in text and len(text) <= 120

    wrong = [entry for entry in REGISTERED if not (is_sentence(entry.cause) and is_sentence(entry.remedy))]
    assert wrong == []


def _module(folder: Path, text: str) -> Path:
    ast.parse(text)
    (folder / "module.py").write_text(text)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "raise UsageError('m', code='new_code')",
        "Problem(code='new_code' if wide else 'new_code', message='m')",
        "class NewError(StoreError):\n    default_code = 'new_code'",
        "def refuse(code, message): ...\nrefuse('new_code', 'm')",
        "class Fault(Exception):\n    def __init__(self, code, message): ...\n"
        "class RowFault(Fault): ...\nraise RowFault('new_code', 'm')",
        "outcome.code, outcome.message = 'new_code', 'm'",
        "GONE: Final = 'new_code'\nraise UsageError('m', code=GONE)",
        "KINDS: Final = {'a': 'new_code'}\nraise UsageError('m', code=KINDS[kind])",
        "def end(*, code: str = 'new_code'): ...",
        "class Refusal(NamedTuple):\n    message: str\n    code: str\nRefusal('m', 'new_code')",
    ],
)
def test_a_code_is_found_however_it_is_written(tmp_path: Path, text: str) -> None:
    found = codes_in(_module(tmp_path, text))
    assert (list(found.places), found.unclear) == (["new_code"], [])


@pytest.mark.parametrize(
    "text",
    [
        "raise UsageError('m', code=f'unknown_{kind}')",
        "raise UsageError('m', code=made_up())",
        "def refuse(code, message): ...\nrefuse('unknown_' + kind, 'm')",
    ],
)
def test_a_code_that_is_put_together_is_noticed(tmp_path: Path, text: str) -> None:
    assert len(codes_in(_module(tmp_path, text)).unclear) == 1


@pytest.mark.parametrize("text", ["code = process.wait()", "sys.exit(code)", "names.add('not_a_code')", "code = 3"])
def test_what_is_no_error_code_is_not_taken_for_one(tmp_path: Path, text: str) -> None:
    found = codes_in(_module(tmp_path, text))
    assert (found.places, found.unclear) == ({}, [])
