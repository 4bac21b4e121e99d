"""Sensitive values at rest: sealed in rows and record, opened only with the key of their run, and gone with it."""

from __future__ import annotations

import hashlib
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Capture,
    CaptureRoot,
    HttpStep,
    Input,
    JourneyIdentity,
    Output,
    RequestTemplate,
    Variable,
    VariableSource,
)
from reqflo_ray._internal.model.journal import Cookie, SealedValues
from reqflo_ray._internal.model.plan import (
    Environment,
    InputSource,
    InputValue,
    Row,
    RunRecord,
    SecretReference,
    SecretSource,
    Service,
    encode_run,
)
from reqflo_ray._internal.model.values import Literal, Namespace, Reference, Text
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import (
    Sealer,
    find_sealer,
    keep_sealing,
    make_sealer,
    needs_key,
    open_record,
    seal_record,
)
from reqflo_ray._internal.runs.staging.rows import RowSink, encode_rows, read_rows
from reqflo_ray._internal.storage.local import LocalStorage

CANARY = "canary-7d1f-22aa"
KEY = bytes(range(64))
RUN = "run-1"


def artifact(*inputs: Input, **fields: Any) -> Artifact:
    return Artifact(journey=JourneyIdentity(name="j"), inputs=inputs, **fields)


CARD = artifact(Input(name="card", sensitive=True), Input(name="city"))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(LocalStorage(tmp_path / "store"), RUN)


def record(**fields: Any) -> RunRecord:
    return RunRecord(run_id=RUN, nonce="00", created_at="2026-01-01T00:00:00Z", artifact="", journey="j", **fields)


def sealer() -> Sealer:
    return Sealer(KEY, frozenset(("card",)))


def row(index: int = 0, **values: Any) -> Row:
    return Row(index=index, key=f"k{index}", values=values, location=f"data.csv:{index + 2}")


def stored(folder: RunFolder, rows: list[Row], sealed_by: Sealer | None) -> tuple[str, str, bytes]:
    RowSink(folder.storage, RUN, sealed_by).add(rows)
    path = folder.path(layout.rows(0))
    data = folder.storage.read(path)
    return path, hashlib.sha256(data).hexdigest(), data


def test_a_rows_file_holds_no_sensitive_value_and_gives_all_back(folder: RunFolder) -> None:
    rows = [row(0, card=CANARY, city="Bern"), row(1, city="Basel"), row(2, card=Decimal("0.10"), city=None)]
    path, sha256, data = stored(folder, rows, sealer())
    assert CANARY.encode() not in data
    assert read_rows(folder.storage, path, sha256=sha256, sealer=Sealer(KEY)) == rows


def test_rows_without_sensitive_values_are_stored_as_ever(folder: RunFolder) -> None:
    rows = [row(0, city="Bern"), row(1, city="Basel")]
    assert encode_rows(rows, sealer()) == encode_rows(rows)
    path, sha256, _ = stored(folder, rows, sealer())
    assert read_rows(folder.storage, path, sha256=sha256) == rows


def test_the_same_rows_are_the_same_bytes_so_that_two_drivers_agree() -> None:
    rows = [row(index, card=CANARY) for index in range(5)]
    assert encode_rows(rows, sealer()) == encode_rows(rows, sealer())


def test_equal_values_do_not_look_equal() -> None:
    sealed = [sealer().seal_row(index, {"card": CANARY})[1] for index in range(100)]
    assert len(set(sealed)) == 100


def test_without_the_key_the_values_are_gone(folder: RunFolder) -> None:
    path, sha256, _ = stored(folder, [row(card=CANARY)], sealer())
    with pytest.raises(IntegrityError) as caught:
        read_rows(folder.storage, path, sha256=sha256)
    assert caught.value.code == "sealed_values_gone"
    assert "--data" in caught.value.hint


def test_another_key_opens_nothing(folder: RunFolder) -> None:
    path, sha256, _ = stored(folder, [row(card=CANARY)], sealer())
    with pytest.raises(IntegrityError) as caught:
        read_rows(folder.storage, path, sha256=sha256, sealer=Sealer(KEY[::-1]))
    assert caught.value.code == "sealed_values_damaged"


def test_a_value_cannot_be_moved_to_another_row() -> None:
    _, sealed = sealer().seal_row(3, {"card": CANARY})
    with pytest.raises(IntegrityError):
        sealer().open_row(4, sealed)


@given(st.binary(max_size=80))
def test_whatever_is_not_sealed_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        sealer().open_row(0, data)


_text = st.text(st.characters() | st.characters(categories=["Cs"]))
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from([2**70, -(10**4000), Decimal("0.10"), Decimal("1e400"), 0.5])
    | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
)
_cookies = st.builds(Cookie, _text, st.none() | _text, _text, st.booleans(), _text, st.booleans())
_step_values = st.builds(
    SealedValues,
    captures=st.dictionaries(_text, _json, max_size=3),
    variables=st.dictionaries(_text, _json, max_size=2),
    cookies=st.lists(_cookies, max_size=2).map(tuple),
    outputs=st.lists(st.tuples(_text, _text), max_size=2).map(tuple),
)


@given(st.integers(0, 10**9), _json)
def test_any_value_comes_back_as_it_was(index: int, value: Any) -> None:
    shown, sealed = sealer().seal_row(index, {"card": value, "city": "Bern"})
    assert shown == {"city": "Bern"}
    assert sealer().open_row(index, sealed) == {"card": value}


@given(_step_values)
def test_whatever_a_step_brings_comes_back_as_it_was(values: SealedValues) -> None:
    sealed = sealer().seal_step(values, 3, "login", 1)
    assert Sealer(KEY).open_step(sealed, 3, "login", 1) == values
    assert sealer().seal_step(values, 3, "login", 1) == sealed, "it is not deterministic"


TOKEN = SealedValues(captures={"outputs.token": CANARY})


@pytest.mark.parametrize("place", [(4, "login", 1), (3, "logout", 1), (3, "login", 2)])
def test_a_value_of_a_step_cannot_be_moved_to_another_attempt(place: tuple[int, str, int]) -> None:
    sealed = sealer().seal_step(TOKEN, 3, "login", 1)
    with pytest.raises(IntegrityError):
        sealer().open_step(sealed, *place)


def test_a_value_of_a_step_opens_with_its_own_key_only() -> None:
    sealed = sealer().seal_step(TOKEN, 3, "login", 1)
    assert CANARY.encode() not in sealed
    with pytest.raises(IntegrityError):
        Sealer(KEY[::-1]).open_step(sealed, 3, "login", 1)


@given(st.binary(max_size=80))
def test_whatever_is_no_sealed_value_of_a_step_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        sealer().open_step(data, 0, "login", 1)


@pytest.mark.parametrize("data", [b"", b"[", b"[1]", b'[{"a": ' + b"[" * 5000, b"\xff"])
def test_what_was_sealed_but_holds_no_values_is_refused(data: bytes) -> None:
    sealed = sealer().seal(data, b"row 0 attempt 1 step login")
    with pytest.raises(IntegrityError):
        sealer().open_step(sealed, 0, "login", 1)


@pytest.mark.parametrize("surrogate", ["", "\ud800"])
def test_what_cannot_be_written_down_is_told_as_such(surrogate: str) -> None:
    deep: Any = surrogate
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError):
        sealer().seal_step(SealedValues(captures={"outputs.deep": deep}), 0, "login", 1)


def test_the_record_holds_masks_and_opens_again() -> None:
    definition = artifact(
        Input(name="card", sensitive=True),
        Input(name="city"),
        variables=(
            Variable(name="pin", sensitive=True, source=VariableSource.ENVIRONMENT, key="shop.pin"),
            Variable(name="mine", sensitive=True, source=VariableSource.ME, key="badge"),
        ),
    )
    plain = record(
        inputs={
            "card": InputValue(node=Literal(CANARY), source=InputSource.SET),
            "city": InputValue(node=Literal("Bern"), source=InputSource.CASE, source_name="c"),
        },
        environment=Environment(
            name="e",
            values={"mine": Literal(CANARY + "-1"), "region": Literal("ch")},
            services={"shop": Service(base_url=Literal("http://s"), config={"pin": Literal(CANARY + "-2")})},
        ),
        me={"user": "anna", "badge": CANARY + "-3"},
    )
    sealed = seal_record(plain, definition, sealer())
    assert CANARY.encode() not in encode_run(sealed)
    assert sealed.inputs["card"] == InputValue(node=Literal("[sensitive:given.card]"), source=InputSource.SET)
    assert (sealed.inputs["city"], sealed.me["user"]) == (plain.inputs["city"], "anna")
    assert open_record(sealed, Sealer(KEY)) == plain


def test_a_sensitive_value_that_refers_to_a_secret_opens_to_the_same_reference() -> None:
    node = Text(("Bearer ", Reference(Namespace.SECRETS, "TOKEN")))
    reference = SecretReference(name="TOKEN", source=SecretSource.ENV, key="TOKEN")
    plain = record(inputs={"card": InputValue(node=node, source=InputSource.CASE)}, secrets={"TOKEN": reference})
    assert open_record(seal_record(plain, CARD, sealer()), sealer()) == plain


def test_a_record_without_sensitive_values_stays_as_it_is() -> None:
    plain = record(inputs={"city": InputValue(node=Literal("Bern"), source=InputSource.SET)})
    assert seal_record(plain, CARD, sealer()) is plain
    assert open_record(plain, None) is plain


@pytest.mark.parametrize(
    ("sealed", "code"), [("no hex", "sealed_values_damaged"), ("00" * 40, "sealed_values_damaged")]
)
def test_a_damaged_record_is_refused(sealed: str, code: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        open_record(record(sealed=sealed), sealer())
    assert caught.value.code == code


def test_a_sealed_record_without_its_key_is_refused() -> None:
    plain = record(inputs={"card": InputValue(node=Literal(CANARY), source=InputSource.SET)})
    with pytest.raises(IntegrityError) as caught:
        open_record(seal_record(plain, CARD, sealer()), None)
    assert caught.value.code == "sealed_values_gone"


def test_a_key_is_made_once_and_only_its_owner_may_read_it(folder: RunFolder, tmp_path: Path) -> None:
    first, second = make_sealer(folder, CARD, record()), make_sealer(folder, CARD, record())
    assert first is not None and second is not None
    assert second.open_row(0, first.seal_row(0, {"card": CANARY})[1]) == {"card": CANARY}
    path = tmp_path / "store" / folder.path(layout.SEALING_KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = find_sealer(folder)
    assert found is not None and found.open_row(0, first.seal_row(0, {"card": 1})[1]) == {"card": 1}


def test_nobody_pays_who_has_nothing_to_hide(folder: RunFolder) -> None:
    plain = artifact(Input(name="city"), steps=(step(outputs=(Output(name="o", root=CaptureRoot.BODY),)),))
    assert not needs_key(plain, record())
    assert make_sealer(folder, plain, record()) is None
    keep_sealing(folder, plain, record())
    assert find_sealer(folder) is None
    assert CARD.sensitive_names == {"card"}


def step(**fields: Any) -> HttpStep:
    return HttpStep(id="login", request=RequestTemplate(method="POST"), **fields)


_SECRET = {"TOKEN": SecretReference(name="TOKEN", source=SecretSource.ENV, key="TOKEN")}


@pytest.mark.parametrize(
    ("definition", "run"),
    [
        (CARD, record()),
        (artifact(variables=(Variable(name="pin", sensitive=True),)), record()),
        (artifact(steps=(step(outputs=(Output(name="o", root=CaptureRoot.BODY, sensitive=True),)),)), record()),
        (
            artifact(steps=(step(captures=(Capture(key="body.o", root=CaptureRoot.BODY, sensitive=True),)),)),
            record(),
        ),
        (
            artifact(
                steps=(
                    step(captures=(Capture(key="headers.set-cookie", root=CaptureRoot.HEADERS, path=("set-cookie",)),)),
                )
            ),
            record(),
        ),
        (artifact(cookies=True), record()),
        (artifact(), record(secrets=_SECRET)),
    ],
    ids=["input", "variable", "output", "part of a response", "credential header", "cookies", "secret"],
)
def test_whoever_may_meet_what_nobody_may_read_has_a_key(
    folder: RunFolder, definition: Artifact, run: RunRecord
) -> None:
    assert needs_key(definition, run)
    assert make_sealer(folder, definition, run) is not None
    assert find_sealer(folder) is not None


def key_file(tmp_path: Path) -> Path:
    return tmp_path / "store" / "runs" / RUN / layout.SEALING_KEY


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"",
        lambda data: data[:63],
        lambda data: data[:65],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: bytes(len(data)),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1] + bytes([data[-1] ^ 128]),
        lambda data: data * 2,
        lambda data: data[64:] + data[:64],
    ],
    ids=["empty", "cut", "cut behind", "cut at the end", "longer", "zeros", "bit", "last bit", "doubled", "swapped"],
)
def test_a_damaged_key_is_refused_by_its_name(folder: RunFolder, tmp_path: Path, harm: Any) -> None:
    make_sealer(folder, CARD, record())
    path = key_file(tmp_path)
    path.write_bytes(harm(path.read_bytes()))
    for use in (find_sealer, lambda folder: make_sealer(folder, CARD, record()), keep):
        with pytest.raises(IntegrityError) as caught:
            use(folder)
        assert caught.value.code == "damaged_file"
        assert "`sealing.key` of run `run-1`" in caught.value.message


def keep(folder: RunFolder) -> None:
    keep_sealing(folder, CARD, record())


def test_the_key_of_another_run_is_none_of_this_one(folder: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(folder.storage, "run-2")
    make_sealer(other, CARD, record())
    make_sealer(folder, CARD, record())
    key_file(tmp_path).write_bytes(other.read_file(layout.SEALING_KEY))
    with pytest.raises(IntegrityError, match=r"sealing\.key"):
        find_sealer(folder)


def test_a_key_without_a_checksum_as_earlier_versions_wrote_it_is_used(folder: RunFolder) -> None:
    folder.storage.create(folder.path(layout.SEALING_KEY), KEY)
    found = make_sealer(folder, CARD, record())
    assert found is not None
    assert found.open_step(sealer().seal_step(TOKEN, 0, "login", 1), 0, "login", 1) == TOKEN


def test_a_run_that_goes_on_without_a_key_gets_one(folder: RunFolder) -> None:
    keep_sealing(folder, artifact(cookies=True), record())
    first = find_sealer(folder)
    keep_sealing(folder, artifact(cookies=True), record())
    second = find_sealer(folder)
    assert first is not None and second is not None
    assert second.open_step(first.seal_step(TOKEN, 0, "login", 1), 0, "login", 1) == TOKEN


def test_a_run_whose_inputs_lie_sealed_gets_no_other_key(folder: RunFolder) -> None:
    keep_sealing(folder, CARD, record())
    assert find_sealer(folder) is None, "rows that cannot be opened any more would be told as damaged"
    with pytest.raises(IntegrityError) as caught:
        keep_sealing(folder, CARD, record(sealed="00"))
    assert caught.value.code == "sealed_values_gone" and "`sealing.key`" in caught.value.message


def test_a_sealer_shows_nothing() -> None:
    assert repr(sealer()) == "<Sealer>"
    assert msgspec.json.encode(sealer().names) == b'["card"]'
