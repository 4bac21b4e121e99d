"""Judges YAML documents by the JSON Schema that editors get."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from reqflo_ray._internal.compiler.authoring.json_schema import document_schema
from reqflo_ray._internal.compiler.yaml.reader import read_documents
from reqflo_ray._internal.compiler.yaml.tree import plain


def documents(text: bytes | str) -> list[Any]:
    """Return the documents of a YAML file as JSON data."""
    data = text.encode() if isinstance(text, str) else text
    return [_with_floats(plain(document)) for document in read_documents(data, "document.yaml")]


def complaints(document: Any) -> list[str]:
    """Return what the schema finds wrong in a document."""
    return [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in _validator().iter_errors(document)
    ]


def need_accepted(files: Iterable[Path]) -> None:
    """Fail if the schema refuses a document of these files."""
    for file in files:
        for document in documents(file.read_bytes()):
            assert complaints(document) == [], file


@cache
def _validator() -> Any:
    return jsonschema_rs.validator_for(document_schema())


def _with_floats(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda item: float(item) if isinstance(item, Decimal) else item))
