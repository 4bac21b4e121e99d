"""What the doctor says of a store, the secrets and this process, and that it leaves nothing behind."""

from __future__ import annotations

import grp
import resource
from pathlib import Path

import pytest

from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.runner.prepare import doctor
from reqflo_ray._internal.runner.prepare.doctor import (
    Finding,
    FindingLevel,
    examine_process,
    examine_secrets,
    examine_store,
)
from reqflo_ray._internal.storage.local import LocalStorage

CANARY = "canary-4a0e-91bc"


def env(name: str) -> SecretReference:
    return SecretReference(name=name, source=SecretSource.ENV, key=name)


def test_a_good_store_is_ok_and_stays_as_it_was(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    (store / "mine").write_text("")
    assert [finding.level for finding in examine_store(str(store))] == [FindingLevel.OK, FindingLevel.OK]
    assert [path.name for path in store.iterdir()] == ["mine"]


def test_a_store_that_two_can_claim_at_once_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overwrite(self: LocalStorage, path: str, data: bytes) -> bool:
        self.write(path, data)
        return True

    monkeypatch.setattr(LocalStorage, "create", overwrite)
    [finding] = examine_store(str(tmp_path / "store"))
    assert finding.level is FindingLevel.FAIL
    assert "create the same file" in finding.message
    assert finding.hint


def access(store: Path, mode: int) -> list[Finding]:
    store.mkdir(exist_ok=True)
    store.chmod(mode)
    return [finding for finding in examine_store(str(store)) if finding.subject == "access"]


def test_a_store_of_one_user_says_so(tmp_path: Path) -> None:
    [finding] = access(tmp_path / "store", 0o700)
    assert (finding.level, finding.hint) == (FindingLevel.OK, "")
    assert "readable by their owner only" in finding.message


def test_a_store_of_a_group_names_it(tmp_path: Path) -> None:
    [finding] = access(tmp_path / "store", 0o2770)
    assert finding.level is FindingLevel.OK
    group = grp.getgrgid((tmp_path / "store").stat().st_gid).gr_name
    assert f"readable by their owner and the group `{group}`" in finding.message


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o704, 0o2775])
def test_a_store_that_everybody_may_look_into_is_warned_of(tmp_path: Path, mode: int) -> None:
    first, warning = access(tmp_path / "store", mode)
    assert first.level is FindingLevel.OK
    assert (warning.level, warning.hint) == (FindingLevel.WARN, f"run `chmod -R o-rwx {tmp_path / 'store'}`")


@pytest.mark.parametrize("inner", [0o700, 0o2750, 0o770])
def test_a_store_whose_folders_its_group_may_not_use_is_warned_of(tmp_path: Path, inner: int) -> None:
    (tmp_path / "store" / "runs").mkdir(parents=True)
    (tmp_path / "store" / "runs").chmod(inner)
    [warning] = access(tmp_path / "store", 0o2770)
    assert warning.level is FindingLevel.WARN
    assert "may not write to `runs`" in warning.message
    assert warning.hint.startswith(f"run `chmod -R g+rwX {tmp_path / 'store'}; find ")


def test_a_store_that_cannot_be_written_fails_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [finding] = examine_store(str(tmp_path / "file" / "store"))
    assert (finding.level, finding.subject) == (FindingLevel.FAIL, "store")
    assert finding.hint


def test_a_store_of_an_unknown_kind_fails() -> None:
    [finding] = examine_store("ftp://somewhere/runs")
    assert finding.level is FindingLevel.FAIL


def test_another_folder_of_the_same_name_is_found_out(tmp_path: Path) -> None:
    marker = doctor.make_marker(str(tmp_path / "here"))
    assert examine_store(str(tmp_path / "here"), marker=marker)[0].level is FindingLevel.OK
    [finding] = examine_store(str(tmp_path / "there"), marker=marker)
    assert finding.level is FindingLevel.FAIL
    assert "not the same folder" in finding.message
    doctor.remove_marker(str(tmp_path / "here"), marker)
    assert not list((tmp_path / "here").glob("doctor-*"))


def test_secrets_are_looked_for_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE", CANARY)
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOWHERE", raising=False)
    findings = examine_secrets([env("THERE"), env("EMPTY"), env("NOWHERE")], may_read=True)
    assert [finding.level for finding in findings] == [FindingLevel.OK, FindingLevel.FAIL, FindingLevel.FAIL]
    assert CANARY not in str(findings)
    assert all(finding.hint for finding in findings[1:])


def test_a_secret_file_that_others_can_read_fails(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(CANARY)
    path.chmod(0o644)
    [finding] = examine_secrets([SecretReference(name="T", source=SecretSource.FILE, key=str(path))], may_read=True)
    assert (finding.level, finding.hint) == (FindingLevel.FAIL, f"run `chmod 600 {path}`")


def test_core_dumps_that_a_program_collects_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = tmp_path / "core_pattern"
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, 1))
    pattern.write_text("|/usr/bin/collect %p")
    assert examine_process(pattern).level is FindingLevel.WARN
    pattern.write_text("core")
    assert examine_process(pattern).level is FindingLevel.OK
    pattern.unlink()
    assert examine_process(pattern).level is FindingLevel.OK


def test_a_finding_names_the_node_it_is_about() -> None:
    assert Finding(subject="store", level=FindingLevel.OK, message="m").at("10.0.0.1").where == "10.0.0.1"
