"""What Google's errors become, and which of them are tried again; with a client that is made up."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.secrets.gcp import GoogleSecretManager, RetryPolicy, crc32c

Reference = Callable[..., SecretReference]
MakeGoogle = Callable[..., GoogleSecretManager]
KEY = "projects/p1/secrets/token"


class Payload(SimpleNamespace):
    def __contains__(self, name: str) -> bool:
        return hasattr(self, name)


def value_answer(data: bytes, **fields: Any) -> Any:
    return SimpleNamespace(name=f"{KEY}/versions/7", payload=Payload(data=data, **fields))


class Client:
    """Answers with the outcomes that it was given, one a call; the last for ever."""

    def __init__(self, *outcomes: Any, metadata: Any = None) -> None:
        self.outcomes = list(outcomes)
        self.metadata = metadata
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def access_secret_version(self, **arguments: Any) -> Any:
        self.calls.append(("access", arguments))
        return self._give(self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0])

    def get_secret_version(self, **arguments: Any) -> Any:
        self.calls.append(("get", arguments))
        return self._give(self.metadata)

    @staticmethod
    def _give(outcome: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Watch:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def google(reference: Reference, watch: Watch) -> MakeGoogle:
    def make(client: Client, policy: RetryPolicy | None = None) -> GoogleSecretManager:
        return GoogleSecretManager(lambda: client, policy=policy, sleep=watch.sleep, monotonic=watch.monotonic)

    return make


@pytest.fixture
def secret(reference: Reference) -> SecretReference:
    return reference("TOKEN", KEY, SecretSource.GCP, "7")


FINAL = [
    (exceptions.NotFound("canary"), "secret_not_found"),
    (exceptions.PermissionDenied("canary"), "secret_permission_denied"),
    (exceptions.Forbidden("canary"), "secret_permission_denied"),
    (exceptions.FailedPrecondition("canary"), "secret_disabled"),
    (exceptions.Unauthenticated("canary"), "secret_unauthenticated"),
    (exceptions.InvalidArgument("canary"), "secret_invalid_reference"),
    (auth.DefaultCredentialsError("canary"), "secret_unauthenticated"),
    (auth.RefreshError("canary"), "secret_unauthenticated"),
    (ValueError("canary"), "secret_failed"),
]
PASSING = [
    exceptions.ServiceUnavailable("canary"),
    exceptions.DeadlineExceeded("canary"),
    exceptions.ResourceExhausted("canary"),
    exceptions.TooManyRequests("canary"),
    exceptions.InternalServerError("canary"),
    auth.TransportError("canary"),
    auth.RefreshError("canary", retryable=True),
]


@pytest.mark.parametrize(("problem", "code"), FINAL, ids=lambda value: getattr(type(value), "__name__", ""))
def test_what_will_not_pass_is_final_and_carries_nothing_of_googles(
    google: MakeGoogle, secret: SecretReference, watch: Watch, problem: Exception, code: str
) -> None:
    client = Client(problem)
    with pytest.raises(SecretError) as caught:
        google(client).read(secret)
    error = caught.value
    assert error.code == code
    assert "TOKEN" in error.message
    assert len(client.calls) == 1
    assert watch.sleeps == []
    assert error.__context__ is None
    assert error.__cause__ is None
    assert b"canary" not in pickle.dumps(error)


@pytest.mark.parametrize("problem", PASSING, ids=lambda value: type(value).__name__)
def test_what_may_pass_is_tried_again(
    google: MakeGoogle, secret: SecretReference, watch: Watch, problem: Exception
) -> None:
    client = Client(problem, problem, value_answer(b"the-value"))
    assert google(client).read(secret).reveal() == "the-value"
    assert len(client.calls) == 3
    assert 0.18 <= watch.sleeps[0] <= 0.32 < watch.sleeps[1] <= 0.63


def test_retries_end_with_their_number(google: MakeGoogle, secret: SecretReference, watch: Watch) -> None:
    client = Client(exceptions.ServiceUnavailable("canary"))
    with pytest.raises(SecretError) as caught:
        google(client, RetryPolicy(attempts=4)).read(secret)
    assert caught.value.code == "secret_unavailable"
    assert len(client.calls) == 4
    assert "canary" not in repr(vars(caught.value))


def test_retries_end_with_their_time(google: MakeGoogle, secret: SecretReference, watch: Watch) -> None:
    client = Client(exceptions.ServiceUnavailable(""))
    with pytest.raises(SecretError):
        google(client, RetryPolicy(attempts=1000, total=10.0)).read(secret)
    assert watch.now <= 10.0 * 1.25


def test_googles_own_retries_are_off_and_every_call_is_bounded(google: MakeGoogle, secret: SecretReference) -> None:
    client = Client(value_answer(b"the-value"))
    google(client).read(secret)
    ((_, arguments),) = client.calls
    assert arguments == {"request": {"name": f"{KEY}/versions/7"}, "retry": None, "timeout": 10.0}


def test_the_client_is_made_once(reference: Reference, secret: SecretReference) -> None:
    made: list[Client] = []

    def factory() -> Client:
        made.append(Client(value_answer(b"the-value")))
        return made[-1]

    source = GoogleSecretManager(factory)
    source.read(secret)
    source.read(secret)
    assert len(made) == 1


@pytest.mark.parametrize(
    "key", ["", "token", "projects/p/secrets/", "projects/p/secrets/a/versions/1", "projects/p/x/a"]
)
def test_a_name_that_is_none_is_refused_without_a_call(google: MakeGoogle, reference: Reference, key: str) -> None:
    client = Client()
    with pytest.raises(SecretError) as caught:
        google(client).read(reference("TOKEN", key, SecretSource.GCP, "1"))
    assert caught.value.code == "secret_invalid_reference"
    assert client.calls == []


@pytest.mark.parametrize("version", ["newest", "-1", "1.0", "٣", "1/versions/2"])
def test_a_version_that_is_none_is_refused_without_a_call(
    google: MakeGoogle, reference: Reference, version: str
) -> None:
    with pytest.raises(SecretError) as caught:
        google(Client()).read(reference("TOKEN", KEY, SecretSource.GCP, version))
    assert caught.value.code == "secret_invalid_reference"


def test_a_payload_with_the_right_checksum_is_taken(google: MakeGoogle, secret: SecretReference) -> None:
    assert (
        google(Client(value_answer(b"the-value", data_crc32c=crc32c(b"the-value")))).read(secret).reveal()
        == "the-value"
    )


def test_a_damaged_payload_is_refused_without_showing_it(google: MakeGoogle, secret: SecretReference) -> None:
    with pytest.raises(SecretError) as caught:
        google(Client(value_answer(b"canary", data_crc32c=1))).read(secret)
    assert caught.value.code == "secret_corrupted"
    assert b"canary" not in pickle.dumps(caught.value)


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (b"\0" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_checksum_is_crc_32c(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


def metadata(state: str = "ENABLED", number: str = "12") -> Any:
    return SimpleNamespace(name=f"projects/123/secrets/token/versions/{number}", state=SimpleNamespace(name=state))


@pytest.mark.parametrize("version", ["", "latest"])
def test_latest_is_pinned_without_reading_the_value(google: MakeGoogle, reference: Reference, version: str) -> None:
    client = Client(metadata=metadata())
    latest = reference("TOKEN", KEY, SecretSource.GCP, version)
    pinned = google(client).pin(latest)
    assert pinned == reference("TOKEN", KEY, SecretSource.GCP, "12")
    assert client.calls == [
        ("get", {"request": {"name": f"{KEY}/versions/latest"}, "retry": None, "timeout": 10.0}),
    ]


def test_pinning_never_reads_a_value(google: MakeGoogle, reference: Reference) -> None:
    client = Client(value_answer(b"the-value"), metadata=exceptions.PermissionDenied("canary"))
    with pytest.raises(SecretError) as caught:
        google(client).pin(reference("TOKEN", KEY, SecretSource.GCP, "latest"))
    assert caught.value.code == "secret_permission_denied"
    assert "canary" not in str(caught.value) and "number" in caught.value.hint
    assert [method for method, _ in client.calls] == ["get"]


def test_a_number_is_pinned_already(google: MakeGoogle, secret: SecretReference) -> None:
    client = Client()
    assert google(client).pin(secret) is secret
    assert client.calls == []


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_latest_version_that_is_off_is_refused(google: MakeGoogle, reference: Reference, state: str) -> None:
    with pytest.raises(SecretError) as caught:
        google(Client(metadata=metadata(state))).pin(reference("TOKEN", KEY, SecretSource.GCP, "latest"))
    assert caught.value.code == "secret_disabled"
    assert state.lower() in caught.value.cause


def test_an_answer_without_a_number_is_refused(google: MakeGoogle, reference: Reference) -> None:
    with pytest.raises(SecretError):
        google(Client(metadata=metadata(number="latest"))).pin(reference("TOKEN", KEY, SecretSource.GCP, "latest"))


def test_an_emulator_on_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch, secret: SecretReference) -> None:
    monkeypatch.setenv("REQFLO_SECRET_MANAGER_EMULATOR", "10.0.0.1:9000")
    with pytest.raises(SecretError) as caught:
        GoogleSecretManager().read(secret)
    assert caught.value.code == "secret_invalid_reference"


def test_a_connection_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(GoogleSecretManager())
