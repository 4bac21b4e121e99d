"""Which clusters are talked to, and with which token."""

from __future__ import annotations

from pathlib import Path

import pytest

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.ray_cluster.address import find_cluster

TOKEN = {"RAY_AUTH_TOKEN": "made-up-token"}


def code_of(address: str | None, environment: dict[str, str], *, allow: bool = False) -> str:
    with pytest.raises(UsageError) as refused:
        find_cluster(address, environment, allow_unauthenticated=allow)
    assert "made-up-token" not in f"{refused.value.message}{refused.value.cause}{refused.value.hint}"
    return refused.value.code


@pytest.mark.parametrize("address", ["http://10.0.0.5:8265", "http://head:8265", "http://[2001:db8::1]:8265"])
def test_another_machine_without_tls_and_token_is_refused_unless_told_otherwise(address: str) -> None:
    assert code_of(address, {}) == "unauthenticated_cluster"
    assert find_cluster(address, {}, allow_unauthenticated=True).url == address
    assert find_cluster(address, TOKEN, allow_unauthenticated=False).token == "made-up-token"


def test_a_token_does_not_count_where_authentication_is_switched_off() -> None:
    assert code_of("http://head:8265", {**TOKEN, "RAY_AUTH_MODE": "disabled"}) == "unauthenticated_cluster"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8265", "http://localhost:8265/", "http://[::1]:8265", "https://head.example"]
)
def test_this_machine_and_tls_need_no_token(address: str) -> None:
    assert find_cluster(address, {}, allow_unauthenticated=False).headers == {}


@pytest.mark.parametrize(
    "address", ["head:8265", "auto", "ray://head:10001", "http://", "http://user:made-up-token@head:8265", "ftp://head"]
)
def test_what_is_no_dashboard_is_refused(address: str) -> None:
    assert code_of(address, TOKEN) == "invalid_address"


def test_no_address_at_all_is_refused() -> None:
    assert code_of(None, {}) == "missing_address"


def test_the_address_may_come_from_the_environment() -> None:
    found = find_cluster(None, {"RAY_API_SERVER_ADDRESS": "http://127.0.0.1:1"}, allow_unauthenticated=False)
    assert found.url == "http://127.0.0.1:1"


def test_the_token_is_found_where_ray_finds_it(tmp_path: Path) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("at-home\n")
    (tmp_path / "token").write_text("in-a-file\n")
    homely = {"HOME": str(tmp_path)}
    filed = {**homely, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    tokens = [find_cluster("http://h:1", given, allow_unauthenticated=False).token for given in (homely, filed)]
    assert tokens == ["at-home", "in-a-file"]
    assert find_cluster("http://h:1", {**filed, **TOKEN}, allow_unauthenticated=False).token == "made-up-token"


def test_a_named_token_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    assert code_of("http://h:1", {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")}) == "unreadable_token"


def test_an_address_never_shows_its_token() -> None:
    assert "made-up-token" not in repr(find_cluster("http://h:1", TOKEN, allow_unauthenticated=False))
