"""Numbers keep the spelling of their author, wherever they are put; a spelling that nobody chose has no exponent."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.engine.responses.schemas import compile_schema
from reqflo_ray._internal.engine.values.compare import equal, less
from reqflo_ray._internal.engine.values.expressions import to_text
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.plan import InputSource, InputValue, RunRecord, decode_run, encode_run
from reqflo_ray._internal.model.values import Literal, WrittenNumber, exact_number, without_exponent
from reqflo_ray._internal.runs.folder.run_record import record_differences

SPELLINGS = (
    "0.00000001", "1e3", "1E+3", "1.50E+2", "-0.0", "1.0", "19.90", "1E400", "1e-400", "-0.000000010", "5e0", "0E+5",
    "123456789012345678901234567890.10", "18446744073709551617", "-9007199254740993", "1E999999",
)  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_is_text_and_json_as_it_was_written(spelling: str) -> None:
    number = json_text.decode(spelling).value
    assert to_text(number) == spelling
    assert json_text.encode({"n": [number]}) == b'{"n":[' + spelling.encode() + b"]}"
    # Beside half of a surrogate pair JSON is written in another way.
    assert json_text.encode(["\ud83d", number]).endswith(b"," + spelling.encode() + b"]")
    assert to_text({"n": number}) == '{"n":' + spelling + "}"


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_any_number_of_json_is_written_as_it_was_read(spelling: str) -> None:
    number = json_text.decode(spelling).value
    if spelling == "-0":  # an integer, which has no sign of its own
        assert number == 0
        return
    assert json_text.encode(number).decode() == spelling
    assert json_text.encode(pickle.loads(pickle.dumps(number))).decode() == spelling  # noqa: S301


def test_a_spelling_outlives_copies_and_the_run_record() -> None:
    number = WrittenNumber("1e3")
    given = {"n": InputValue(node=Literal(number), source=InputSource.SET)}
    record = RunRecord(run_id="r", nonce="0", created_at="", artifact="", journey="j", inputs=given)
    again = decode_run(encode_run(record))
    assert again.inputs["n"].node == Literal(number)
    assert str(copy.deepcopy(number)) == "1e3"
    assert record_differences(record, again) == ()
    other = {"n": InputValue(node=Literal(WrittenNumber("1e4")), source=InputSource.SET)}
    changed = RunRecord(run_id="r", nonce="0", created_at="", artifact="", journey="j", inputs=other)
    assert record_differences(record, changed) == ("given.n",)


def test_numbers_compare_by_value_however_they_are_spelled() -> None:
    assert equal(WrittenNumber("1e3"), 1000, Work())
    assert equal(WrittenNumber("0.10e1"), 1.0, Work())
    assert not equal(WrittenNumber("1e-8"), 0, Work())
    assert less(WrittenNumber("1e-8"), 0.1)


@pytest.mark.parametrize(
    ("schema", "number", "holds"),
    [
        ({"type": "integer", "minimum": 2}, "1e3", True),
        ({"type": "integer"}, "0.00000001", False),
        ({"multipleOf": 10}, "1E400", True),
        ({"minimum": WrittenNumber("1e3")}, "1e2", False),
    ],
)
def test_a_schema_judges_numbers_of_any_spelling(schema: Any, number: str, holds: bool) -> None:
    document = json_text.decode('{"a":[' + number + "]}").value
    validate = compile_schema({"properties": {"a": {"items": schema}}})
    assert (validate(document, Work()) == "") is holds


@pytest.mark.parametrize(
    ("number", "text"),
    [(1e-8, "0.00000001"), (1e22, "1" + 22 * "0" + ".0"), (Decimal("1E-10"), "0.0000000001"), (Decimal("2E+3"), "2000"),
     (1.5, "1.5"), (-0.0, "-0.0"), (-1e-7, "-0.0000001"), (Decimal("1.50"), "1.50")],
)  # fmt: skip
def test_a_number_that_nobody_wrote_gets_no_exponent(number: float | Decimal, text: str) -> None:
    assert to_text(without_exponent(number)) == text
    assert float(without_exponent(number)) == float(number)


def test_of_a_member_that_an_answer_has_twice_the_last_counts() -> None:
    assert json_text.decode(b'{"a": 1, "a": 2}').value == {"a": 2}
    assert json_text.decode('{"a": 1, "a": ' + 5000 * "9" + "}").value == {"a": Decimal(5000 * "9")}
    with pytest.raises(json_text.RepeatedMember):
        json_text.decode_strictly('{"a": ' + 5000 * "9" + ', "a": 1}')


def test_what_is_no_number_has_no_spelling() -> None:
    assert type(exact_number("1.5")) is float
    assert type(exact_number("1.50")) is Decimal
    with pytest.raises(json_text.NotJson):
        json_text.decode_strictly("0x1")
    with pytest.raises(ArithmeticError):
        WrittenNumber("1e3x")
