"""Google's genuine client against a Secret Manager on loopback: values, pinning, faults, and that nothing leaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from secret_manager import CANARY, KEY, Manager, serving

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.secrets.gcp import GoogleSecretManager, RetryPolicy, usual_client
from reqflo_ray._internal.secrets.redactor import Redactor
from reqflo_ray._internal.secrets.store import SecretStore

_QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.02, call_timeout=5.0)


class Clients:
    """Makes clients as the source would, and closes them."""

    def __init__(self) -> None:
        self._made: list[Any] = []

    def make(self) -> Any:
        self._made.append(usual_client())
        return self._made[-1]

    def close(self) -> None:
        for client in self._made:
            client.transport.close()


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def address(manager: Manager) -> Iterator[str]:
    with serving(manager) as address:
        yield address


@pytest.fixture
def source(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleSecretManager]:
    monkeypatch.setenv("REQFLO_SECRET_MANAGER_EMULATOR", address)
    clients = Clients()
    yield GoogleSecretManager(clients.make, policy=_QUICK)
    clients.close()


def reference(version: str = "2", key: str = KEY) -> SecretReference:
    return SecretReference(name="TOKEN", source=SecretSource.GCP, key=key, version=version)


def test_a_value_is_read_through_the_store_and_masked(source: GoogleSecretManager, manager: Manager) -> None:
    redactor = Redactor()
    store = SecretStore({"TOKEN": reference()}, redactor, {SecretSource.GCP: source})

    async def main() -> None:
        await asyncio.gather(*(store.load(["TOKEN"]) for _ in range(50)))

    asyncio.run(main())
    assert store.values["TOKEN"].reveal() == CANARY
    assert redactor.text(CANARY) == "[secret:TOKEN]"
    assert manager.calls == [("access", f"{KEY}/versions/2")]


def test_latest_is_pinned_to_its_number_without_reading_it(source: GoogleSecretManager, manager: Manager) -> None:
    pinned = source.pin(reference("latest"))
    assert pinned == reference("2")
    manager.versions[KEY][3] = b"a-newer-value"
    assert source.read(pinned).reveal() == CANARY
    assert [method for method, _ in manager.calls] == ["get", "access"]


def test_without_the_right_to_metadata_no_value_is_read_instead(source: GoogleSecretManager, manager: Manager) -> None:
    manager.refuse_get = True
    with pytest.raises(SecretError) as caught:
        source.pin(reference("latest"))
    assert caught.value.code == "secret_permission_denied"
    assert "Secret Manager Viewer" in caught.value.hint
    assert [method for method, _ in manager.calls] == ["get"]


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_what_may_pass_is_tried_again(source: GoogleSecretManager, manager: Manager, status: str) -> None:
    manager.faults = [grpc.StatusCode[status]] * 2
    assert source.read(reference()).reveal() == CANARY
    assert len(manager.calls) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("NOT_FOUND", "secret_not_found"),
        ("PERMISSION_DENIED", "secret_permission_denied"),
        ("UNAUTHENTICATED", "secret_unauthenticated"),
        ("FAILED_PRECONDITION", "secret_disabled"),
        ("INVALID_ARGUMENT", "secret_invalid_reference"),
    ],
)
def test_what_will_not_pass_is_final(source: GoogleSecretManager, manager: Manager, status: str, code: str) -> None:
    manager.faults = [grpc.StatusCode[status]] * 5
    with pytest.raises(SecretError) as caught:
        source.read(reference())
    assert caught.value.code == code
    assert len(manager.calls) == 1
    assert CANARY not in repr(vars(caught.value))


def test_retries_are_bounded(source: GoogleSecretManager, manager: Manager) -> None:
    manager.faults = [grpc.StatusCode.UNAVAILABLE] * 100
    with pytest.raises(SecretError) as caught:
        source.read(reference())
    assert caught.value.code == "secret_unavailable"
    assert len(manager.calls) == _QUICK.attempts


def test_a_missing_secret_and_a_missing_version_are_not_found(source: GoogleSecretManager) -> None:
    for wanted in (reference(key="projects/p1/secrets/none"), reference("9")):
        with pytest.raises(SecretError) as caught:
            source.read(wanted)
        assert caught.value.code == "secret_not_found"


def test_a_disabled_version_is_refused_when_pinned_and_when_read(source: GoogleSecretManager, manager: Manager) -> None:
    manager.disabled = {2}
    attempts: tuple[Callable[[], object], ...] = (
        lambda: source.pin(reference("latest")),
        lambda: source.read(reference()),
    )
    for attempt in attempts:
        with pytest.raises(SecretError) as caught:
            attempt()
        assert caught.value.code == "secret_disabled"


def test_a_payload_damaged_on_its_way_is_refused(source: GoogleSecretManager, manager: Manager) -> None:
    manager.wrong_checksum = True
    with pytest.raises(SecretError) as caught:
        source.read(reference())
    assert caught.value.code == "secret_corrupted"
    assert CANARY not in repr(vars(caught.value))


def test_a_dead_address_ends_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQFLO_SECRET_MANAGER_EMULATOR", "127.0.0.1:1")
    clients = Clients()
    dead = GoogleSecretManager(clients.make, policy=RetryPolicy(attempts=2, call_timeout=0.5, first_delay=0.01))
    with pytest.raises(SecretError) as caught:
        dead.read(reference())
    assert caught.value.code == "secret_unavailable"
    clients.close()


def test_googles_own_log_does_not_show_a_value_at_debug(
    source: GoogleSecretManager, caplog: pytest.LogCaptureFixture
) -> None:
    google = logging.getLogger("google")
    level, propagate = google.level, google.propagate
    google.setLevel(logging.DEBUG)
    google.propagate = True
    try:
        with caplog.at_level(logging.DEBUG):
            assert source.read(reference()).reveal() == CANARY
    finally:
        google.setLevel(level)
        google.propagate = propagate
    shown = caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    assert CANARY not in Redactor().text(shown)
    known = Redactor()
    known.register("secret:TOKEN", CANARY)
    assert known.text(shown) is shown  # in no encoding either
