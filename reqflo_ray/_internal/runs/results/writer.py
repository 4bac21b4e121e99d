"""Encodes results and steps as the bytes of Parquet files. Pure: it writes no file.

Every step passes through here, so columns are built flat: one list of values per column, and offsets where a cell holds
several. `tables` says how columns are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reqflo_ray._internal.model.http.exchange import Headers
from reqflo_ray._internal.model.results import AssertionResult, LogEvent, RowResult, StepRecord
from reqflo_ray._internal.runs.results import tables
from reqflo_ray._internal.runs.results.tables import Column, Encoding

Array: TypeAlias = "pa.Array[Any]"

_ENCODINGS: Final = {Encoding.SPLIT: "BYTE_STREAM_SPLIT"}
_STEP_ORDER: Final = attrgetter("row_index", "step_index", "attempt")
_DELTA_OF_TEXT: Final = "DELTA_BYTE_ARRAY"
_DELTA_OF_NUMBERS: Final = "DELTA_BINARY_PACKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the lines of a file come from. `flaky_steps` are the steps that are labeled `flaky: true`."""

    run_id: str
    journey: str
    shard: int
    flaky_steps: frozenset[str] = frozenset()


def results_file(results: Iterable[RowResult], origin: Origin) -> bytes:
    """Return the `results` file of a shard, sorted by row."""
    rows = sorted(results, key=attrgetter("row_index"))
    columns = {
        **_origin(origin, len(rows)),
        "row_index": [row.row_index for row in rows],
        "row_key": [row.row_key or None for row in rows],
        "status": [row.status for row in rows],
        "error_code": [row.error_code or None for row in rows],
        "error_message": [row.error_message or None for row in rows],
        "failed_step": [row.failed_step or None for row in rows],
        "inputs": [row.inputs for row in rows],
        "started_at": [row.started_at_us for row in rows],
        "duration_ms": [row.duration_ms for row in rows],
        "resumed": [row.resumed for row in rows],
        "requests": [row.requests for row in rows],
        "retries": [row.retries for row in rows],
        "resent": [row.resent for row in rows],
        "resent_sensitive": [row.resent_sensitive for row in rows],
        "shard": pa.repeat(pa.scalar(origin.shard, pa.int32()), len(rows)),
        "soft_failures": [row.soft_failures for row in rows],
        "flaky": [row.flaky for row in rows],
        "known_flaky": [row.known_flaky for row in rows],
        "fingerprint": [row.fingerprint or None for row in rows],
    }
    return _parquet(tables.RESULTS, columns)


def steps_file(records: Iterable[StepRecord], origin: Origin) -> bytes:
    """Return the `steps` file of a shard: a line per attempt of a step, sorted by row, step, and attempt.

    A body in UTF-8 is stored as text, any other as bytes in the column next to it.
    """
    steps = sorted(records, key=_STEP_ORDER)
    columns: dict[str, Any] = {
        **_origin(origin, len(steps)),
        "row_index": [step.row_index for step in steps],
        "row_key": [step.row_key or None for step in steps],
        "step_id": [step.step_id for step in steps],
        "step_index": [step.step_index for step in steps],
        "attempt": [step.attempt for step in steps],
        "status": [step.status for step in steps],
        "error_code": [step.error_code or None for step in steps],
        "error_message": [step.error_message or None for step in steps],
        **_request_columns(steps),
        **_response_columns(steps),
        **_time_columns(steps),
        "outputs": [step.outputs or None for step in steps],
        "assertions": _assertions([step.assertions for step in steps]),
        "events": _events([step.events for step in steps]),
        "idempotency_key": [step.idempotency_key or None for step in steps],
        "resend_count": [step.resend_count for step in steps],
        "resend_reason": [step.resend_reason or None for step in steps],
        "resumed": [step.resumed for step in steps],
        "last_attempt": _last_attempts(steps),
        "known_flaky": [step.step_id in origin.flaky_steps for step in steps],
        "url_template": pa.nulls(len(steps), pa.string()),
        "trace_id": pa.nulls(len(steps), pa.string()),
    }
    return _parquet(tables.STEPS, columns)


def _origin(origin: Origin, lines: int) -> dict[str, Any]:
    return {"run_id": pa.repeat(origin.run_id, lines), "journey": pa.repeat(origin.journey, lines)}


def _last_attempts(steps: Sequence[StepRecord]) -> list[bool]:
    """Return for each line whether it is the last one of its step in its row; `steps` are sorted."""
    places = [(step.row_index, step.step_index) for step in steps]
    return [place != following for place, following in zip(places, [*places[1:], None], strict=True)] if steps else []


def _request_columns(steps: Sequence[StepRecord]) -> dict[str, Any]:
    texts, binaries = _bodies([(step.request_body, step.request_body_truncated) for step in steps])
    return {
        "http_request_method": [step.method or None for step in steps],
        "url_full": [step.url or None for step in steps],
        "http_request_headers": _headers([step.request_headers for step in steps]),
        "http_request_body": texts,
        "http_request_body_binary": binaries,
        "http_request_body_bytes": [step.request_body_size if step.method else None for step in steps],
        "http_request_body_sha256": [step.request_body_sha256 or None for step in steps],
        "http_request_body_truncated": [step.request_body_truncated if step.method else None for step in steps],
    }


def _response_columns(steps: Sequence[StepRecord]) -> dict[str, Any]:
    texts, binaries = _bodies([(step.response_body, step.response_body_truncated) for step in steps])
    answered = [step.response_status is not None for step in steps]
    return {
        "http_response_status_code": [step.response_status for step in steps],
        "http_response_reason": [step.response_reason or None for step in steps],
        "http_response_headers": _headers([step.response_headers for step in steps]),
        "http_response_body": texts,
        "http_response_body_binary": binaries,
        "http_response_body_bytes": [
            step.response_body_size if there else None for step, there in zip(steps, answered, strict=True)
        ],
        "http_response_body_sha256": [step.response_body_sha256 or None for step in steps],
        "http_response_body_truncated": [
            step.response_body_truncated if there else None for step, there in zip(steps, answered, strict=True)
        ],
        "network_protocol_version": [step.http_version or None for step in steps],
    }


def _time_columns(steps: Sequence[StepRecord]) -> dict[str, Any]:
    timings = [step.timings for step in steps]
    return {
        "started_at": [step.started_at_us for step in steps],
        "duration_ms": [step.duration_ms for step in steps],
        "blocked_ms": [timing and timing.blocked_ms for timing in timings],
        "dns_ms": [timing and timing.dns_ms for timing in timings],
        "connect_ms": [timing and timing.connect_ms for timing in timings],
        "tls_ms": [timing and timing.tls_ms for timing in timings],
        "wait_ms": [timing and timing.wait_ms for timing in timings],
        "receive_ms": [timing and timing.receive_ms for timing in timings],
        "connection_reused": [timing and timing.reused for timing in timings],
    }


def _headers(cells: Sequence[Headers]) -> Array:
    """Return headers with names in lower case, because they are case-insensitive; repeated ones are joined as in
    HTTP."""
    names: list[str] = []
    values: list[str] = []
    sizes: list[int] = []
    for cell in cells:
        if cell:
            shape, texts = zip(*cell, strict=True)
            lowered = _lowered(shape)
            if lowered is None:
                lowered, texts = zip(*_unique(cell), strict=True)
            names += lowered
            values += texts
            sizes.append(len(lowered))
        else:
            sizes.append(0)
    return pa.MapArray.from_arrays(_offsets(sizes), _texts(names), _texts(values))


# The responses of an API, and the requests of a journey, have the same few sets of headers.
@lru_cache(maxsize=1024)
def _lowered(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the names in lower case; None if two of them are the same."""
    lowered = tuple([name.lower() for name in names])
    return lowered if len(set(lowered)) == len(lowered) else None


def _unique(headers: Headers) -> Headers:
    joined: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        # The only header that a comma cannot join, because its dates contain commas.
        glue = "\n" if name == "set-cookie" else ", "
        joined[name] = f"{joined[name]}{glue}{value}" if name in joined else value
    return tuple(joined.items())


def _bodies(bodies: Sequence[tuple[bytes | None, bool]]) -> tuple[Array, Array]:
    texts: list[bytes | None] = []
    binaries: list[bytes | None] = []
    for body, truncated in bodies:
        text = None if body is None else _as_text(body, truncated)
        texts.append(text)
        binaries.append(body if text is None else None)
    # Checked above, so the bytes need no second check.
    return pa.array(texts, pa.binary()).view(pa.string()), pa.array(binaries, pa.binary())


def _as_text(body: bytes, truncated: bool) -> bytes | None:
    """Return `body` if it is UTF-8, without a character that truncation cut; None if it is anything else."""
    try:
        body.decode()
    except UnicodeDecodeError as problem:
        if truncated and problem.reason == "unexpected end of data":
            return body[: problem.start]
        return None
    return body


def _assertions(cells: Sequence[tuple[AssertionResult, ...]]) -> Array:
    results = list(chain.from_iterable(cells))
    columns = [
        _texts([result.type for result in results]),
        _texts([result.target or None for result in results]),
        _texts([result.operator for result in results]),
        _texts([result.expected or None for result in results]),
        _texts([result.actual or None for result in results]),
        _texts([result.status for result in results]),
        pa.array([result.soft for result in results], pa.bool_()),
        _texts([result.origin for result in results]),
        _texts([result.id or None for result in results]),
        _texts([result.message or None for result in results]),
    ]
    offsets = _offsets(map(len, cells))
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(tables.ASSERTION)))


def _events(cells: Sequence[tuple[LogEvent, ...]]) -> Array:
    events = list(chain.from_iterable(cells))
    columns = [
        pa.array([event.at_us for event in events], pa.int64()).view(tables.INSTANT),
        _texts([event.kind for event in events]),
        _texts([event.text for event in events]),
    ]
    offsets = _offsets(map(len, cells))
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(tables.EVENT)))


def _offsets(sizes: Iterable[int]) -> Any:
    return pa.array(accumulate(sizes, initial=0), pa.int32())


def _texts(values: Sequence[str | None]) -> Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can hold and UTF-8 cannot.
        encoded = [value if value is None else value.encode("utf-8", "backslashreplace") for value in values]
        return pa.array(encoded, pa.string())


def _milliseconds(values: Sequence[float | None]) -> Array:
    parts, thousandths = float(tables.MILLISECOND_PARTS), pc.round(pa.array(values, pa.float64()), 3)
    return pc.divide(pc.round(pc.multiply(thousandths, parts)), parts)


_BUILD: Final[dict[pa.DataType, Callable[[Any], Array]]] = {
    pa.string(): _texts,
    tables.MILLISECONDS: _milliseconds,
    tables.INSTANT: lambda values: pa.array(values, pa.int64()).view(tables.INSTANT),
}


def _parquet(columns: tuple[Column, ...], values: dict[str, Any]) -> bytes:
    arrays = [_array(column.type, values[column.name]) for column in columns]
    table = pa.table(arrays, schema=tables.schema(columns))
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [leaf for leaf, _, how in _leaves(columns) if how is Encoding.DICTIONARY],
        "column_encoding": {
            leaf: _ENCODINGS.get(how) or _delta(kind)
            for leaf, kind, how in _leaves(columns)
            if how in (Encoding.DELTA, Encoding.SPLIT)
        },
        "write_statistics": [column.name for column in columns if column.statistics],
        # The Arrow schema would repeat the Parquet schema, in 2 kB per file.
        "store_schema": False,
    }
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **options) as writer:
        writer.add_key_value_metadata(tables.METADATA)
        writer.write_table(table, row_group_size=max(len(table), 1))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _array(kind: pa.DataType, values: Any) -> Array:
    if isinstance(values, pa.Array):
        return values
    build = _BUILD.get(kind)
    return build(values) if build else pa.array(values, kind)


def _leaves(columns: tuple[Column, ...]) -> Iterable[tuple[str, pa.DataType, Encoding]]:
    for column in columns:
        if not column.leaves:
            yield column.name, column.type, column.encoding
        for leaf, encoding in column.leaves:
            yield f"{column.name}.{leaf}", tables.INSTANT if leaf.endswith("_at") else pa.string(), encoding


def _delta(kind: pa.DataType) -> str:
    return _DELTA_OF_TEXT if pa.types.is_string(kind) else _DELTA_OF_NUMBERS
