"""What travels to a cluster, and what must not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from reqflo_ray._internal.errors import DatasetError, UsageError
from reqflo_ray._internal.model.artifact import Artifact, Input, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource, InputSource, InputValue, RunRecord
from reqflo_ray._internal.model.values import Literal, Namespace, Node, Reference
from reqflo_ray._internal.runner.prepare import job_bundle
from reqflo_ray._internal.runner.prepare.job_bundle import JobBundle, Order, own_version, pack, unpack

SENSITIVE = Input(name="password", sensitive=True)
PLAIN = Input(name="city")


def a_bundle(
    *files: str, columns: tuple[str, ...] = ("city",), given: dict[str, Node] | None = None, nonce: str = "00"
) -> JobBundle:
    record = RunRecord(
        run_id="r",
        nonce=nonce,
        created_at="2026-01-01T00:00:00Z",
        artifact="a",
        journey="j",
        inputs={name: InputValue(node=node, source=InputSource.SET) for name, node in (given or {}).items()},
        dataset=DatasetSource(files=files, columns=columns) if files else None,
    )
    artifact = Artifact(journey=JourneyIdentity(name="j"), inputs=(SENSITIVE, PLAIN))
    return JobBundle(order=Order(store="/s", version=own_version()), record=record, artifact=artifact)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "cities.csv"
    path.write_text("city\nOslo\n")
    return path


def refusal(folder: Path, given: JobBundle) -> UsageError:
    with pytest.raises(UsageError) as refused:
        pack(folder, given, ship_data=True)
    assert list(folder.rglob("*.*")) == []
    return refused.value


def test_what_was_packed_is_unpacked(folder: Path, data: Path) -> None:
    packed = pack(folder, a_bundle(str(data), given={"city": Literal(Decimal("1.10"))}), ship_data=True)
    assert unpack(folder) == packed
    assert packed.record.dataset is not None
    [name] = packed.record.dataset.files
    assert (folder / name).read_text() == data.read_text()
    assert name.endswith("/cities.csv")


def test_the_same_data_from_another_folder_is_the_same_run(folder: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / data.name
    other.parent.mkdir()
    other.write_text(data.read_text())
    (tmp_path / "job2").mkdir()
    here = pack(folder, a_bundle(str(data), nonce="01"), ship_data=True)
    there = pack(tmp_path / "job2", a_bundle(str(other), nonce="02"), ship_data=True)
    assert here.digest == there.digest


def test_changed_data_is_another_run(folder: Path, data: Path, tmp_path: Path) -> None:
    before = pack(folder, a_bundle(str(data)), ship_data=True)
    data.write_text("city\nRome\n")
    (tmp_path / "job2").mkdir()
    assert pack(tmp_path / "job2", a_bundle(str(data)), ship_data=True).digest != before.digest


def test_shared_data_stays_where_it_is(folder: Path, data: Path) -> None:
    packed = pack(folder, a_bundle(str(data), columns=("city", "password")), ship_data=False)
    assert packed.record.dataset is not None
    assert packed.record.dataset.files == (str(data),)
    assert not (folder / "submitted").exists()


def test_a_sensitive_value_does_not_travel(folder: Path) -> None:
    refused = refusal(folder, a_bundle(given={"password": Literal("made-up-value")}))
    assert refused.code == "sensitive_value_in_job"
    assert "made-up-value" not in f"{refused.message}{refused.hint}{refused.cause}"


def test_a_sensitive_value_that_is_a_secret_travels_by_name(folder: Path) -> None:
    reference = Reference(Namespace.SECRETS, "PASSWORD")
    pack(folder, a_bundle(given={"password": reference}), ship_data=True)
    assert unpack(folder).record.inputs["password"].node == reference


def test_a_sensitive_column_does_not_travel(folder: Path, data: Path) -> None:
    refused = refusal(folder, a_bundle(str(data), columns=("city", "password")))
    assert refused.code == "sensitive_data_in_job"


def test_data_that_is_too_large_does_not_travel(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_bundle, "SHIPPED_BYTES", 5)
    assert refusal(folder, a_bundle(str(data))).code == "data_too_large"


def test_data_here_and_data_there_is_refused(folder: Path, data: Path) -> None:
    assert refusal(folder, a_bundle(str(data), "gs://bucket/more.csv")).code == "mixed_data"


def test_data_that_is_missing_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no file"):
        pack(folder, a_bundle(str(tmp_path / "none.csv")), ship_data=True)


def test_another_version_of_reqflo_ray_is_refused(folder: Path) -> None:
    given = a_bundle()
    older = msgspec.structs.replace(given.order, version="0.0.1")
    pack(folder, JobBundle(order=older, record=given.record, artifact=given.artifact), ship_data=True)
    with pytest.raises(UsageError, match=r"submitted with 0\.0\.1"):
        unpack(folder)


def test_a_folder_without_a_submission_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError) as refused:
        unpack(folder)
    assert refused.value.code == "no_submission"
