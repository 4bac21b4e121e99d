"""Hostile YAML is refused at its place, within two seconds and with little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from reqflo_ray._internal.compiler.yaml.reader import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_DIRECTIVES,
    MAX_FILE_BYTES,
    MAX_WRITTEN,
    read_documents,
)
from reqflo_ray._internal.errors import DefinitionError

MIB = 2**20
BILLION_LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGE_BOMB = (
    "a0: &a0 {"
    + ", ".join(f"k{n}: {n}" for n in range(40))
    + "}\n"
    + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], x{n}: {{<<: *a{n - 1}}}, y{n}: *a{n - 1}}}\n"
        for n in range(1, 9)
    )
)

HARMLESS = "".join(f"k{n}: 1\n" for n in range(MAX_WRITTEN // 40))  # a key and its value count as two

HOSTILE = {
    "too large": "a: 1\n" * (MIB // 4),
    "flow nesting": "[" * MIB,
    "flow mapping nesting": "{a: " * (MIB // 4),
    "block nesting": "".join(" " * n + "a:\n" for n in range(1400)),
    "dashes": "- " * (MIB // 2),
    "question marks": "? " * (MIB // 2),
    "alias bomb": BILLION_LAUGHS,
    "merge bomb": MERGE_BOMB,
    "many aliases": "a: &a 1\nb: [" + "*a, " * (MAX_ALIASES + 1) + "]",
    "aliases nest": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, MAX_DEPTH + 2)),
    "many values": "[" + "1," * (MAX_WRITTEN + 10) + "]",
    "many keys": "".join(f"k{n}: 1\n" for n in range(MAX_WRITTEN)),
    "many documents": "--- 1\n" * 120_000,
    "directives": "%A b\n" * (MIB // 5),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_quickly_at_its_place(name: str) -> None:
    started = time.process_time()
    read_documents(HARMLESS.encode(), "x.yaml")
    harmless = time.process_time() - started
    with pytest.raises(DefinitionError) as caught:
        read_documents(HOSTILE[name].encode(), "x.yaml")
    # A ratio, because machines differ: the largest allowed file is 20 times as large, and takes about 20 times as long.
    assert time.process_time() - started - harmless < 60 * harmless
    assert caught.value.code in ("yaml_limit", "yaml_syntax")
    assert caught.value.position is not None
    assert caught.value.position.file == "x.yaml"


@pytest.mark.parametrize("name", ["alias bomb", "merge bomb", "many values", "flow nesting"])
def test_a_hostile_file_needs_little_memory(name: str) -> None:
    program = """
import sys
from peak_memory import peak_kib
from reqflo_ray._internal.compiler.yaml.reader import read_documents
from reqflo_ray._internal.errors import DefinitionError
try:
    read_documents(sys.stdin.buffer.read(), "x.yaml")
except DefinitionError as refusal:
    print(refusal.code, peak_kib() // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=HOSTILE[name].encode(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    code, mebibytes = done.stdout.split()
    assert code == b"yaml_limit"
    assert int(mebibytes) < 256


def test_a_file_that_is_just_within_the_limits_is_read() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read_documents(deep.encode(), "x.yaml")
    assert read_documents(("a: &a 1\nb: [" + "*a, " * MAX_ALIASES + "]").encode(), "x.yaml")
    assert read_documents(("%A b\n" * MAX_DIRECTIVES + "---\na: 1").encode(), "x.yaml")
    assert read_documents(("# " + "x" * (MAX_FILE_BYTES - 10) + "\na: 1").encode(), "x.yaml")


def test_one_level_of_nesting_too_many_is_refused() -> None:
    with pytest.raises(DefinitionError, match="nested more than 64 levels"):
        read_documents(("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).encode(), "x.yaml")
