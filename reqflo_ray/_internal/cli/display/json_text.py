"""The JSON that the command line shows and writes: plain data, structs, instants, bytes.

It must not know what the data means.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from reqflo_ray._internal.cli.display.terminal import escape_json
from reqflo_ray._internal.model.json_text import indented


def encode_json(value: Any) -> bytes:
    """Return `value` (plain data, structs, instants, bytes) as one line of JSON. Instants are RFC 3339 in UTC."""
    return _encoder.encode(value)


def readable_json(value: Any) -> str:
    """Return `value` as indented JSON that is safe to show on a terminal and ends with a line feed."""
    return escape_json(indented(encode_json(value)).decode()) + "\n"


def as_json_value(value: Any) -> Any:
    """Return a cell of a table as people expect it in JSON: bytes as base64, naive instants as UTC."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat() + "Z"
    if isinstance(value, dict):
        return {str(key): as_json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json_value(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")
