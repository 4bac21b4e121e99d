"""Masking JSON text leaves JSON text, or one row's value would break what is read of all rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.secrets.redactor import Redactor, still_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "secret", "shown"),
    [
        ({"pin": 1234, "other": "x"}, "1234", {"pin": "[sensitive:pin]", "other": "x"}),
        ([1234, "1234", {"a": [1234]}], "1234", ["[sensitive:pin]", "[sensitive:pin]", {"a": ["[sensitive:pin]"]}]),
        ({"card": 4111111111111111, "n": 9411111111111111119}, "411111", None),
        ([True, "true"], "true", ["[sensitive:pin]", "[sensitive:pin]"]),
        ({"a": "x", "b": 1}, '","b":1', None),
        ({"a": "[sensitive:b] 7"}, "7", {"a": "[sensitive:b] [sensitive:pin]"}),
    ],
)
def test_a_masked_number_is_a_text(value: Any, secret: str, shown: Any) -> None:
    redactor = Redactor()
    redactor.register("sensitive:pin", secret)
    masked = still_json(redactor.text(json_text.encode_text(value)))
    read = json.loads(masked)
    assert shown is None or read == shown
    assert secret not in masked


@given(VALUES, st.data())
def test_whatever_is_masked_in_a_json_text_it_is_json_afterwards(value: Any, data: st.DataObject) -> None:
    text = json_text.encode_text(value)
    begin = data.draw(st.integers(0, len(text)))
    secret = text[begin : begin + data.draw(st.integers(1, 20))]
    redactor = Redactor()
    redactor.register("sensitive:part", secret)
    masked = still_json(redactor.text(text))
    assert json.loads(masked) == value or masked != text
