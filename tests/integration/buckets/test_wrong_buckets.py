"""Stores in buckets that are not there, not ours, or badly named: a clear error, and no credential in it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from bucket_fixtures import S3_KEY, S3_SECRET, Bucket
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gcs_server import Answer, GcsServer

from reqflo_ray._internal.errors import StoreError, UsageError
from reqflo_ray._internal.storage.open import open_storage
from reqflo_ray._internal.storage.protocol import Storage


def _refusals(storage: Storage) -> list[StoreError]:
    actions = (
        lambda: storage.create("a/b", b"x"),
        lambda: storage.write("a/b", b"x"),
        lambda: storage.read("a/b"),
        lambda: storage.list("a"),
    )
    errors = []
    for action in actions:
        with pytest.raises(StoreError) as caught:
            action()
        errors.append(caught.value)
    return errors


def test_a_bucket_that_does_not_exist_is_named(bucket: Bucket) -> None:
    for error in _refusals(open_storage(f"{bucket.scheme}://nowhere/x")):
        assert error.code == "no_such_bucket" and "`nowhere`" in error.message
        assert error.cause == "HTTP 404 NoSuchBucket" and "create it" in error.hint


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_service_that_does_not_answer_is_an_error_in_bounded_time(
    scheme: str, request: pytest.FixtureRequest
) -> None:
    bucket: Bucket = request.getfixturevalue(f"{scheme}_bucket")
    with socket.socket() as closed:  # bound and not listening: nobody else gets the port meanwhile
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("cloudless")
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        with pytest.raises(StoreError) as caught:
            open_storage(bucket.uri).exists("a")
    assert caught.value.code == "store_unreachable"
    assert "resume" in caught.value.hint
    assert S3_SECRET not in repr(vars(caught.value))


def test_credentials_that_the_service_does_not_take_are_not_repeated(
    gcs_server: GcsServer, gs_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_BASE_URL", gcs_server.url)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "wrong-canary-token")
    monkeypatch.setattr(gcs_server, "token", "right-token")
    for error in _refusals(open_storage(gs_bucket.uri)):
        assert error.code == "store_credentials" and "GOOGLE_APPLICATION_CREDENTIALS" in error.hint
        assert "canary" not in repr(vars(error))
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "right-token")
    assert open_storage(gs_bucket.uri).create("x", b"")


def _service_account(url: str) -> str:
    """The JSON of a made-up service account, whose tokens are given out at `url`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {
        "type": "service_account",
        "client_email": "a@b.example",
        "private_key": pem,
        "token_uri": f"{url}/token",
    }
    return json.dumps(account)


def test_application_default_credentials_are_found_as_by_other_tools_of_google(
    gcs_server: GcsServer, gs_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    account = tmp_path / "account.json"
    account.write_text(_service_account(gcs_server.url))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_BASE_URL", gcs_server.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    monkeypatch.setattr(gcs_server, "token", "given-out-token")
    storage = open_storage(gs_bucket.uri)
    assert storage.create("x", b"1") and storage.read("x") == b"1"
    account.write_text("{}")
    with pytest.raises(StoreError) as caught:
        open_storage(gs_bucket.uri).read("x")
    assert caught.value.code == "store_credentials"


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "AccessDenied", "store_not_permitted"),
        (403, "InvalidAccessKeyId", "store_credentials"),
        (403, "SignatureDoesNotMatch", "store_credentials"),
        (401, "Unauthorized", "store_credentials"),
        (400, "ExpiredToken", "store_credentials"),
        (400, "AuthorizationHeaderMalformed", "store_error"),
    ],
)
def test_what_the_service_refuses_is_told_with_its_code_and_without_what_it_quotes(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, status: int, code: str, told: str
) -> None:
    body = (
        f"<Error><Code>{code}</Code><AWSAccessKeyId>{S3_KEY}</AWSAccessKeyId><StringToSign>{S3_SECRET}</StringToSign>"
    )
    with GcsServer() as server:
        monkeypatch.setattr(server, "answer", lambda *_: Answer(status, body.encode()))
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for error in _refusals(open_storage(s3_bucket.uri)):
            assert error.code == told and error.cause == f"HTTP {status} {code}"
            assert S3_KEY not in repr(vars(error)) and S3_SECRET not in repr(vars(error))


def test_no_credentials_at_all_are_told_before_anything_is_sent(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreError) as caught:
        open_storage(s3_bucket.uri).exists("a")
    assert caught.value.code == "store_credentials"
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_an_endpoint_without_tls_is_used_only_if_it_is_written_so(
    s3_bucket: Bucket, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url.replace("http://", "https://"))
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with pytest.raises(StoreError) as caught:
        open_storage(s3_bucket.uri).exists("a")
    assert caught.value.code == "store_unreachable"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://key:canary@bucket/x",
        "gs://canary@bucket/x",
        "s3://bucket/x?access_key=canary",
        "s3://bucket/x#canary",
    ],
)
def test_an_address_with_credentials_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_storage(uri)
    assert caught.value.code == "credentials_in_uri"
    assert "canary" not in repr(vars(caught.value))


@pytest.mark.parametrize(
    "uri",
    ["s3://", "s3:///x", "s3://B/x", "gs://bucket/a//b", "gs://bucket/a/../b", "s3://bucket/*", "s3://bucket/a%20b"],
)
def test_an_address_that_is_no_place_for_a_store_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_storage(uri)
    assert caught.value.code == "invalid_store"


@pytest.mark.parametrize("uri", ["s3://bucket", "gs://bucket/", "s3://bucket/a/b/"])
def test_an_address_is_written_in_one_way_and_needs_no_service_to_be_read(uri: str) -> None:
    assert open_storage(uri).uri == uri.rstrip("/")


def test_a_put_whose_answer_is_lost_is_known_as_ours(gcs_server: GcsServer, gs_bucket: Bucket) -> None:
    storage = open_storage(gs_bucket.uri)
    gcs_server.losing, gcs_server.lose_answers = f"{gs_bucket.prefix}/claim", 1
    assert storage.create("claim", b"ours"), "the second try met what the first had made"
    assert gcs_server.lose_answers == 0
    assert not storage.create("claim", b"ours")
    log = storage.open_log("x.log")
    log.append(b"one")
    gcs_server.losing, gcs_server.lose_answers = f"{gs_bucket.prefix}/x.log", 1
    log.sync()
    log.append(b"two")
    log.sync()
    log.close()
    assert storage.read_log("x.log", synced=True) == b"onetwo"


def test_a_log_is_read_as_far_as_it_has_no_gap(gs_bucket: Bucket, gcs_server: GcsServer) -> None:
    storage = open_storage(gs_bucket.uri)
    log = storage.open_log("x.log")
    for number in range(12):
        log.append(b"%d," % number)
        log.sync()
    log.close()
    del gcs_server.objects[f"{gs_bucket.prefix}/x.log/000011"]
    assert storage.read_log("x.log", synced=True) == b"0,1,2,3,4,5,6,7,8,9,"
    storage.remove_tree("x.log")
    assert storage.list("") == []
