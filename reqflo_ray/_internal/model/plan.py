"""The definition of a run: the run record (frozen at dispatch), the shard plan, a row of data. Data only, no I/O."""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Sequence
from enum import StrEnum
from typing import Final, overload

import msgspec

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import JsonValue, Literal, Node

FORMAT: Final = 2
# In format 1, the documents of a run have no checksums.
READABLE_FORMATS: Final = (1, FORMAT)
_DIGEST_BYTES: Final = 32


class Damaged(StrEnum):
    """What a query does if result files are damaged: it is refused, or answered without them, with a warning."""

    REFUSE = "refuse"
    SKIP = "skip"


class Evidence(StrEnum):
    """The rows of which results keep requests and responses: all, those that did not pass, or none."""

    FULL = "full"
    FAILURES = "failures"
    NONE = "none"


class Durability(StrEnum):
    """What confirmed records survive: `host` a power cut (synced to disk), `process` a crash of the process."""

    HOST = "host"
    PROCESS = "process"


class SecretSource(StrEnum):
    """Where workers read secret values."""

    ENV = "env"
    FILE = "file"
    GCP = "gcp"


class SecretReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the value of the secret `name` is stored, and where it may be sent; never the value.

    `key` is the environment variable, the path of the file, or for `gcp` the full name `projects/P/secrets/S`.
    `version` is a number pinned for the run, "" for `env` and `file`. `hosts` None means any host.
    """

    name: str
    source: SecretSource
    key: str
    version: str = ""
    hosts: tuple[str, ...] | None = None


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service of the chosen environment. Journeys read `config` as `env.<service>.<key>`."""

    base_url: Node
    config: dict[str, Node] = {}


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chosen environment. Journeys read `values` as `env.<key>`. `name` "" means that none was chosen."""

    name: str = ""
    services: dict[str, Service] = {}
    values: dict[str, Node] = {}
    insecure: bool = False


class InputSource(StrEnum):
    """Where a value for the whole run comes from, highest precedence first."""

    SET = "set"
    CASE = "case"
    PRESET = "preset"


class InputValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that an input or variable has in all rows, converted to the declared type.

    `source_name` is the name of the case or preset.
    """

    node: Node
    source: InputSource
    source_name: str = ""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How every request of the run is sent. Times are in milliseconds, sizes in bytes.

    `max_redirects` 0 means that no redirect is followed. `evidence_body_bytes` of a body are kept as evidence.
    `max_in_flight_per_host` is the number of requests that one worker may have in flight to one `host:port`, 0 for any
    number. `proxy` is a URL, "" for none; `proxy_username` and `proxy_password` refer only to secrets; `proxy_bypass`
    are the hosts that are called directly.
    """

    engine: str = "httptools"
    connect_ms: int = 5_000
    read_ms: int = 30_000
    total_ms: int = 60_000
    max_body_bytes: int = 32 * 2**20
    max_redirects: int = 0
    evidence_body_bytes: int = 64 * 2**10
    max_in_flight_per_host: int = 0
    allow_link_local: bool = False
    verify: bool = True
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    proxy: str = ""
    proxy_username: Node = Literal("")
    proxy_password: Node = Literal("")
    proxy_bypass: tuple[str, ...] = ()
    user_agent: str = "reqflo-ray"

    def __post_init__(self) -> None:
        # An engine of earlier versions, which the default engine replaces.
        if self.engine == "aiohttp":
            msgspec.structs.force_setattr(self, "engine", "httptools")


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the rows are executed.

    `concurrency` is the number of rows in flight per worker, `rate` the requests per second over the whole run (None:
    unlimited). `max_failures` stops the run after that many rows that did not pass.
    """

    evidence: Evidence = Evidence.FULL
    durability: Durability = Durability.HOST
    workers: int | str = 0  # N, MIN:MAX or auto, see `model.workers`; 0 means auto
    concurrency: int = 64
    rate: float | None = None
    row_timeout_ms: int = 600_000
    rows_per_shard: int = 0  # 0: staging chooses it from rows and workers
    strict: bool = False
    max_failures: int | None = None


class DatasetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of a dataset as it was when the run started.

    `size` is in bytes. `digest` is `sha256:…`, or `etag:…` for an object in a bucket, "" if neither is available; it is
    encrypted (hex) if rows may have sensitive values.
    """

    name: str
    size: int
    digest: str


class DatasetSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the rows came from.

    `files` are the paths as written; `key_column` names each row; `delimiter` separates the cells of CSV, "" to detect
    it in each file. `columns` and `contents` are the columns and files that were found, in order; 0.1.0 recorded no
    `contents`.
    """

    files: tuple[str, ...] = ()
    key_column: str = ""
    encoding: str = "utf-8"
    delimiter: str = ""
    columns: tuple[str, ...] = ()
    contents: tuple[DatasetFile, ...] = ()


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`run.json`: all that decides what the run sends, frozen at dispatch. A resume reads this, not the workspace.

    `nonce` (hex) makes idempotency keys unique to the run. `dataset` None means one row without data. `me` identifies
    the user who runs. `sources` maps a step's ID to `file:line` in the workspace, for display. `row_required` are the
    inputs and variables that only a row can supply. `sealed` (hex) holds the encrypted values of sensitive inputs and
    variables, whose places hold masks; it can be decrypted while the run is unfinished.
    """

    format: int = FORMAT
    run_id: str
    nonce: str
    created_at: str  # RFC 3339, UTC
    artifact: str  # digest
    journey: str
    journey_version: str = ""
    workspace: str = ""
    environment: Environment = Environment()
    case: str = ""
    presets: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    inputs: dict[str, InputValue] = msgspec.field(default_factory=dict, name="given")
    me: dict[str, str] = {}
    secrets: dict[str, SecretReference] = {}
    http: HttpSettings = HttpSettings()
    options: RunOptions = RunOptions()
    dataset: DatasetSource | None = None
    backend: str = "local"
    user: str = ""
    host: str = ""
    versions: dict[str, str] = {}
    sources: dict[str, str] = {}
    row_required: tuple[str, ...] = ()
    rerun_of: str = ""
    sealed: str = ""


class ShardPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `plan.parquet`: rows `first_row` … `first_row + rows - 1`, in `rows/shard-NNNNN.parquet`."""

    shard: int
    first_row: int
    rows: int
    sha256: str


class Plan(Sequence[ShardPlan]):
    """The shards of a run in order, all or some of them, in 56 bytes each; a `ShardPlan` is created on access."""

    __slots__ = ("_digests", "_first_rows", "_rows", "_shards")

    def __init__(self, lines: Iterable[ShardPlan] = ()) -> None:
        self._shards, self._first_rows, self._rows = array("q"), array("q"), array("q")
        self._digests = bytearray()
        for line in lines:
            self.append(line)

    def append(self, line: ShardPlan) -> None:
        """Add a line. Raises `ValueError` if its digest is not a SHA-256."""
        digest = bytes.fromhex(line.sha256)
        if len(digest) != _DIGEST_BYTES:
            raise ValueError(f"{line.sha256!r} is not a SHA-256")
        self._shards.append(line.shard)
        self._first_rows.append(line.first_row)
        self._rows.append(line.rows)
        self._digests += digest

    @property
    def rows(self) -> int:
        """The number of rows of all shards."""
        return sum(self._rows)

    @property
    def shards(self) -> Sequence[int]:
        """The numbers of the shards."""
        return self._shards

    def without(self, shards: Container[int]) -> Plan:
        """Return a plan without these shards."""
        return Plan(line for line in self if line.shard not in shards)

    def __len__(self) -> int:
        return len(self._shards)

    @overload
    def __getitem__(self, place: int) -> ShardPlan: ...
    @overload
    def __getitem__(self, place: slice) -> Plan: ...
    def __getitem__(self, place: int | slice) -> ShardPlan | Plan:
        if isinstance(place, slice):
            return Plan(self[each] for each in range(len(self))[place])
        place = range(len(self))[place]
        return ShardPlan(
            shard=self._shards[place],
            first_row=self._first_rows[place],
            rows=self._rows[place],
            sha256=self._digests[place * _DIGEST_BYTES : (place + 1) * _DIGEST_BYTES].hex(),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Plan of {len(self)} shards>"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A staged row.

    `values` are those that the row supplies, converted to the declared types. `key` is "" if no key column was named.
    `location` is `file:line` in the dataset, "" if there is none.
    """

    index: int
    key: str
    values: dict[str, JsonValue]
    location: str = ""


_read = json_text.reader(RunRecord)


def encode_run(record: RunRecord) -> bytes:
    """Return the bytes of `run.json`."""
    return json_text.indented(json_text.encode_exactly(record))


def decode_run(data: bytes) -> RunRecord:
    """Read `run.json`. Raises `msgspec.DecodeError` if it is not valid."""
    return _read(data)
