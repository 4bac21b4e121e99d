"""Declares the Parquet tables of a run: their columns, types, and encodings. The schema is versioned, and columns are
only added.

Names follow OpenTelemetry for HTTP; durations end in `_ms`, sizes in `_bytes`, instants in `_at` (UTC). Missing values
are null. Version 1 has durations as decimals, and does not have the columns `SINCE_2`; the SQL views show both alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import pyarrow as pa

from reqflo_ray._internal.model.results import TABLE_VERSION

# The metadata of every file.
METADATA: Final = {"reqflo_schema_version": str(TABLE_VERSION)}


class Encoding(Enum):
    """How the values of a column are written; chosen by measuring a shard of 1,000 rows."""

    PLAIN = auto()
    DICTIONARY = auto()  # few distinct values
    DELTA = auto()  # numbers close to their neighbors, and texts with the same beginning as their neighbors
    SPLIT = auto()  # numbers in which few bytes differ


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `statistics` is for columns that queries filter by. `leaves` are the encodings within a nested type."""

    name: str
    type: pa.DataType
    encoding: Encoding = Encoding.PLAIN
    statistics: bool = False
    leaves: tuple[tuple[str, Encoding], ...] = ()


# In units of 1/1024: so close to thousandths that rounding restores these, and with so few bits set that they take no
# more space than whole numbers of thousandths would.
MILLISECONDS: Final = pa.float64()
MILLISECOND_PARTS: Final = 1024
INSTANT: Final = pa.timestamp("us", tz="UTC")
HEADERS: Final = pa.map_(pa.string(), pa.string())
ASSERTION: Final = pa.struct(
    [
        ("type", pa.string()),
        ("path", pa.string()),
        ("operator", pa.string()),
        ("expected", pa.string()),
        ("actual", pa.string()),
        ("status", pa.string()),
        ("soft", pa.bool_()),
        ("origin", pa.string()),
        ("id", pa.string()),
        ("message", pa.string()),
    ]
)
EVENT: Final = pa.struct([("logged_at", INSTANT), ("kind", pa.string()), ("text", pa.string())])

_DICTIONARY, _DELTA, _SPLIT = Encoding.DICTIONARY, Encoding.DELTA, Encoding.SPLIT
_HEADER_LEAVES = (("key_value.key", _DICTIONARY), ("key_value.value", _DICTIONARY))
_ASSERTION_LEAVES = tuple((f"list.element.{field.name}", _DICTIONARY) for field in ASSERTION if field.name != "soft")
_EVENT_LEAVES = (("list.element.logged_at", _DELTA), ("list.element.kind", _DICTIONARY))

# Where each line comes from, so that a file can be used alone.
_ORIGIN: Final = (
    Column("run_id", pa.string(), _DICTIONARY, statistics=True),
    Column("journey", pa.string(), _DICTIONARY),
)

RESULTS: Final = (
    *_ORIGIN,
    Column("row_index", pa.int64(), _DELTA, statistics=True),
    Column("row_key", pa.string(), _DELTA, statistics=True),
    Column("status", pa.string(), _DICTIONARY, statistics=True),
    Column("error_code", pa.string(), _DICTIONARY),
    Column("error_message", pa.string(), _DICTIONARY),
    Column("failed_step", pa.string(), _DICTIONARY),
    Column("inputs", pa.string()),
    Column("started_at", INSTANT, _DELTA, statistics=True),
    Column("duration_ms", MILLISECONDS, _SPLIT),
    Column("resumed", pa.bool_()),
    Column("requests", pa.int32(), _DICTIONARY),
    Column("retries", pa.int32(), _DICTIONARY),
    Column("resent", pa.int32(), _DICTIONARY),
    Column("resent_sensitive", pa.int32(), _DICTIONARY),
    Column("shard", pa.int32(), _DICTIONARY),
    Column("soft_failures", pa.int32(), _DICTIONARY),
    Column("flaky", pa.bool_()),
    Column("known_flaky", pa.bool_()),
    Column("fingerprint", pa.string(), _DICTIONARY),
)

STEPS: Final = (
    *_ORIGIN,
    Column("row_index", pa.int64(), _DELTA, statistics=True),
    Column("row_key", pa.string(), _DELTA, statistics=True),
    Column("step_id", pa.string(), _DICTIONARY, statistics=True),
    Column("step_index", pa.int32(), _DICTIONARY),
    Column("attempt", pa.int32(), _DICTIONARY),
    Column("status", pa.string(), _DICTIONARY, statistics=True),
    Column("error_code", pa.string(), _DICTIONARY),
    Column("error_message", pa.string(), _DICTIONARY),
    Column("http_request_method", pa.string(), _DICTIONARY),
    Column("url_full", pa.string()),
    Column("http_request_headers", HEADERS, leaves=_HEADER_LEAVES),
    Column("http_request_body", pa.string()),
    Column("http_request_body_binary", pa.binary()),
    Column("http_request_body_bytes", pa.int64(), _DICTIONARY),
    Column("http_request_body_sha256", pa.string()),
    Column("http_request_body_truncated", pa.bool_()),
    Column("http_response_status_code", pa.int32(), _DICTIONARY, statistics=True),
    Column("http_response_reason", pa.string(), _DICTIONARY),
    Column("http_response_headers", HEADERS, leaves=_HEADER_LEAVES),
    Column("http_response_body", pa.string()),
    Column("http_response_body_binary", pa.binary()),
    Column("http_response_body_bytes", pa.int64(), _DICTIONARY),
    Column("http_response_body_sha256", pa.string()),
    Column("http_response_body_truncated", pa.bool_()),
    Column("network_protocol_version", pa.string(), _DICTIONARY),
    Column("started_at", INSTANT, _DELTA, statistics=True),
    Column("duration_ms", MILLISECONDS, _SPLIT),
    Column("blocked_ms", MILLISECONDS, _SPLIT),
    Column("dns_ms", MILLISECONDS, _SPLIT),
    Column("connect_ms", MILLISECONDS, _SPLIT),
    Column("tls_ms", MILLISECONDS, _SPLIT),
    Column("wait_ms", MILLISECONDS, _SPLIT),
    Column("receive_ms", MILLISECONDS, _SPLIT),
    Column("connection_reused", pa.bool_()),
    Column("outputs", pa.string()),
    Column("assertions", pa.list_(ASSERTION), leaves=_ASSERTION_LEAVES),
    Column("events", pa.list_(EVENT), leaves=_EVENT_LEAVES),
    Column("idempotency_key", pa.string()),
    Column("resend_count", pa.int32(), _DICTIONARY),
    Column("resend_reason", pa.string(), _DICTIONARY),
    Column("resumed", pa.bool_()),
    Column("last_attempt", pa.bool_()),
    Column("known_flaky", pa.bool_()),
    # Reserved for later; null until then.
    Column("url_template", pa.string(), _DICTIONARY),
    Column("trace_id", pa.string(), _DICTIONARY),
)

SINCE_2: Final = frozenset(
    [
        *("run_id", "journey", "soft_failures", "flaky", "known_flaky", "fingerprint"),
        *("last_attempt", "url_template", "trace_id"),
    ]
)


def schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Return the Arrow schema of `columns`."""
    return pa.schema([pa.field(column.name, column.type) for column in columns])
