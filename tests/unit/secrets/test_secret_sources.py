"""Reading values from the environment and from files, and every way that goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.secrets.sources import (
    EnvironmentSource,
    FileSource,
    SecretLook,
    default_sources,
    look_at_secret,
)

Reference = Callable[..., SecretReference]
VALUE = b"canary-value-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir(mode=0o700)
    return made


def put(path: Path, content: bytes = VALUE, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def refused(path: str, reference: Reference) -> SecretError:
    with pytest.raises(SecretError) as caught:
        FileSource().read(reference(key=path, source=SecretSource.FILE))
    assert "canary" not in repr(caught.value.__dict__)
    return caught.value


def test_a_variable_is_read_by_its_key(reference: Reference) -> None:
    source = EnvironmentSource({"SHOP_TOKEN": "canary-value-1"})
    assert source.read(reference("TOKEN", "SHOP_TOKEN")).reveal() == VALUE.decode()


def test_a_variable_that_is_not_set_is_named(reference: Reference) -> None:
    with pytest.raises(SecretError) as caught:
        EnvironmentSource({"OTHER": "canary"}).read(reference("TOKEN", "SHOP_TOKEN"))
    assert caught.value.code == "secret_not_found"
    assert "SHOP_TOKEN" in caught.value.message
    assert "SHOP_TOKEN" in caught.value.hint


def test_bytes_of_the_environment_that_are_no_text_are_told_as_such_and_not_shown(reference: Reference) -> None:
    source = EnvironmentSource({"TOKEN": os.fsdecode(b"\xff\xfe123456")})
    with pytest.raises(SecretError) as caught:
        source.read(reference())
    assert caught.value.code == "secret_not_text"
    assert "123456" not in repr(caught.value.__dict__)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"canary", b"canary"),
        (b"canary\n", b"canary"),
        (b"canary\r\n", b"canary"),
        (b"canary\n\n", b"canary\n"),
        (b" canary \n", b" canary "),
        (b"canary\r", b"canary\r"),
    ],
)
def test_one_newline_at_the_end_of_a_file_is_left_out(
    folder: Path, reference: Reference, content: bytes, value: bytes
) -> None:
    path = put(folder / "TOKEN", content)
    assert FileSource().read(reference(key=path, source=SecretSource.FILE)).reveal() == value.decode()


def test_a_missing_file_is_named(folder: Path, reference: Reference) -> None:
    error = refused(str(folder / "TOKEN"), reference)
    assert error.code == "secret_not_found"
    assert "TOKEN" in error.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o660, 0o601])
def test_a_file_that_others_may_touch_is_refused(folder: Path, reference: Reference, mode: int) -> None:
    error = refused(put(folder / "TOKEN", mode=mode), reference)
    assert error.code == "secret_file_permissions"
    assert f"{mode:04o}" in error.cause
    assert error.hint.startswith("run `chmod 600")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_the_owner_alone_is_read(folder: Path, reference: Reference, mode: int) -> None:
    path = put(folder / "TOKEN", mode=mode)
    assert FileSource().read(reference(key=path, source=SecretSource.FILE)).reveal() == VALUE.decode()


def test_a_path_that_climbs_out_is_refused(folder: Path, reference: Reference) -> None:
    put(folder.parent / "outside")
    assert refused(f"{folder}/../outside", reference).code == "secret_path_refused"


def test_a_link_out_of_the_folder_is_refused(folder: Path, reference: Reference) -> None:
    put(folder.parent / "outside")
    (folder / "TOKEN").symlink_to(folder.parent / "outside")
    assert refused(str(folder / "TOKEN"), reference).code == "secret_path_refused"


def test_a_link_within_the_folder_is_followed(folder: Path, reference: Reference) -> None:
    (folder / "..data").mkdir()
    put(folder / "..data" / "TOKEN")
    (folder / "TOKEN").symlink_to(Path("..data") / "TOKEN")
    assert FileSource().read(reference(key=str(folder / "TOKEN"), source=SecretSource.FILE)).reveal() == VALUE.decode()


def test_a_folder_and_a_pipe_are_no_secrets(folder: Path, reference: Reference) -> None:
    (folder / "inner").mkdir()
    os.mkfifo(folder / "pipe", 0o600)
    assert refused(str(folder / "inner"), reference).code == "secret_path_refused"
    assert refused(str(folder / "pipe"), reference).code == "secret_path_refused"


def test_a_huge_file_is_refused(folder: Path, reference: Reference) -> None:
    assert refused(put(folder / "TOKEN", b"canary" * 20_000), reference).code == "secret_too_large"


def test_a_path_with_a_nul_is_refused(reference: Reference) -> None:
    assert refused("secrets/TO\0KEN", reference).code in ("secret_path_refused", "secret_unreadable")


def test_there_is_a_source_of_each_kind() -> None:
    assert set(default_sources({})) == set(SecretSource)


def test_what_is_there_can_be_used(folder: Path, reference: Reference) -> None:
    assert look_at_secret(reference(), {"TOKEN": "canary-value-1"}) == SecretLook()
    assert look_at_secret(reference(key=put(folder / "T"), source=SecretSource.FILE)).reason is None


def test_what_cannot_be_used_has_a_reason(folder: Path, reference: Reference) -> None:
    missing = look_at_secret(reference(), {}).reason
    assert missing is not None
    assert "TOKEN" in missing
    open_to_all = look_at_secret(reference(key=put(folder / "T", mode=0o644), source=SecretSource.FILE)).reason
    assert open_to_all is not None
    assert "0644" in open_to_all
    assert "canary" not in open_to_all
    assert look_at_secret(reference(), {"TOKEN": ""}).reason == "the value of secret `TOKEN` is empty"
    too_short = look_at_secret(reference(), {"TOKEN": "12345"}).reason
    assert too_short is not None
    assert "too short to be masked" in too_short
    assert "12345" not in too_short


@pytest.mark.parametrize(
    ("value", "like"),
    [
        ("created", "an ordinary word"),
        ("Production", "an ordinary word"),
        ("PENDING", "an ordinary word"),
        ("123456", "a small number"),
        ("hunter2", ""),
        ("passWord", ""),
        ("correcthorsebattery", ""),
        ("4111111111111111", ""),
        ("2f1d6c", ""),
    ],
)
def test_what_a_value_looks_like_besides_is_told(reference: Reference, value: str, like: str) -> None:
    assert look_at_secret(reference(), {"TOKEN": value}) == SecretLook(None, like)


def test_a_secret_of_google_is_taken_to_be_there(reference: Reference) -> None:
    look = look_at_secret(reference(key="projects/p/secrets/s", source=SecretSource.GCP, version="1"))
    assert look == SecretLook()
