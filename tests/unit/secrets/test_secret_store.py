"""The store reads once, masks before it hands out, and cannot be made to show a value by accident."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.plan import SecretReference, SecretSource
from reqflo_ray._internal.secrets.redactor import Redactor
from reqflo_ray._internal.secrets.store import SecretStore
from reqflo_ray._internal.secrets.value import SecretValue

CANARY = "canary-7f3a9b2c"
Reference = Callable[..., SecretReference]
Listed = Callable[[dict[str, Any]], Any]


def store_of(source: Any, references: dict[str, SecretReference], redactor: Redactor | None = None) -> SecretStore:
    return SecretStore(references, redactor or Redactor(), {SecretSource.ENV: source})


def failure(store: SecretStore, *names: str) -> SecretError:
    with pytest.raises(SecretError) as caught:
        asyncio.run(store.load(names))
    return caught.value


def test_a_loaded_value_is_there_and_masked(listed_source: Listed, reference: Reference) -> None:
    redactor = Redactor()
    store = store_of(listed_source({"TOKEN": CANARY.encode()}), {"TOKEN": reference()}, redactor)
    assert dict(store.values) == {}
    asyncio.run(store.load(["TOKEN"]))
    assert store.values["TOKEN"].reveal() == CANARY
    assert redactor.text(f"a {CANARY}") == "a [secret:TOKEN]"


def test_a_value_is_masked_before_it_can_be_used(listed_source: Listed, reference: Reference) -> None:
    seen: list[bool] = []
    holder: list[SecretStore] = []

    class Watching(Redactor):
        __slots__ = ()

        def register(self, label: str, value: str) -> None:
            seen.append("TOKEN" in holder[0].values)
            super().register(label, value)

    store = store_of(listed_source({"TOKEN": CANARY.encode()}), {"TOKEN": reference()}, Watching())
    holder.append(store)
    asyncio.run(store.load(["TOKEN"]))
    assert seen == [False]


def test_a_value_is_read_once_by_however_many(listed_source: Listed, reference: Reference) -> None:
    source = listed_source({"TOKEN": CANARY.encode(), "OTHER": b"other-value"})
    store = store_of(source, {"TOKEN": reference(), "OTHER": reference("OTHER")})

    async def many() -> None:
        await asyncio.gather(*(store.load(["TOKEN", "OTHER"]) for _ in range(100)))
        await store.load(["TOKEN"])

    asyncio.run(many())
    assert sorted(source.reads) == ["OTHER", "TOKEN"]


def test_reading_does_not_hold_up_the_event_loop(reference: Reference) -> None:
    released = threading.Event()

    class Slow:
        def read(self, _: SecretReference) -> SecretValue:
            assert released.wait(10)
            return SecretValue("TOKEN", CANARY)

    store = store_of(Slow(), {"TOKEN": reference()})

    async def main() -> None:
        loading = asyncio.create_task(store.load(["TOKEN"]))
        await asyncio.sleep(0)
        released.set()  # reached only if the loop is free
        await loading

    asyncio.run(main())
    assert store.values["TOKEN"].reveal() == CANARY


def test_all_that_is_missing_is_told_at_once_and_the_rest_is_loaded(
    listed_source: Listed, reference: Reference
) -> None:
    source = listed_source(
        {"A": SecretError("A is gone", code="secret_not_found"), "B": b"\xff\xfe", "C": b"value-of-c"}
    )
    store = store_of(source, {name: reference(name) for name in "ABC"})
    error = failure(store, "A", "B", "C", "D")
    assert [problem.code for problem in error.problems] == ["secret_not_found", "secret_not_text", "secret_not_found"]
    assert error.exit_code == 3
    assert {name: value.reveal() for name, value in store.values.items()} == {"C": "value-of-c"}


def test_what_will_not_change_is_not_asked_for_again(listed_source: Listed, reference: Reference) -> None:
    source = listed_source({"TOKEN": SecretError("no", code="secret_permission_denied")})
    store = store_of(source, {"TOKEN": reference()})
    assert failure(store, "TOKEN").code == failure(store, "TOKEN").code == "secret_permission_denied"
    assert source.reads == ["TOKEN"]


def test_what_may_pass_is_asked_for_again(listed_source: Listed, reference: Reference) -> None:
    source = listed_source({"TOKEN": SecretError("later", code="secret_unavailable")})
    store = store_of(source, {"TOKEN": reference()})
    assert failure(store, "TOKEN").code == "secret_unavailable"
    source.values["TOKEN"] = CANARY.encode()
    asyncio.run(store.load(["TOKEN"]))
    assert store.values["TOKEN"].reveal() == CANARY


@pytest.mark.parametrize(
    ("value", "code"),
    [(b"", "secret_empty"), (b"abc", "secret_too_short"), (b"\xffcanary", "secret_not_text")],
)
def test_a_value_that_cannot_be_used_is_never_available(
    listed_source: Listed, reference: Reference, value: bytes, code: str
) -> None:
    store = store_of(listed_source({"TOKEN": value}), {"TOKEN": reference()})
    assert failure(store, "TOKEN").code == code
    assert "TOKEN" not in store.values


def test_a_replacement_character_in_a_value_is_text(listed_source: Listed, reference: Reference) -> None:
    store = store_of(listed_source({"TOKEN": "canary\ufffd".encode()}), {"TOKEN": reference()})
    asyncio.run(store.load(["TOKEN"]))
    assert store.values["TOKEN"].reveal() == "canary\ufffd"


def test_nothing_shows_a_value_by_accident(
    listed_source: Listed, reference: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_of(listed_source({"TOKEN": CANARY.encode()}), {"TOKEN": reference()})
    asyncio.run(store.load(["TOKEN"]))
    for holder in (store, store.values):
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("test").debug("%s %r", holder, holder)
        assert CANARY not in f"{holder} {holder!r} {holder!s} {[holder]}{caplog.text}"
        assert not hasattr(holder, "__dict__")
        for leak in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled or copied") as caught:
                leak(holder)
            assert CANARY not in str(caught.value)
    with pytest.raises(KeyError) as missing:
        store.values["OTHER"]
    assert CANARY not in repr(missing.value)


@pytest.mark.parametrize("value", [b"can", b"\xff" + CANARY.encode()])
def test_an_error_carries_no_value_in_any_of_its_parts(
    listed_source: Listed, reference: Reference, value: bytes
) -> None:
    error: BaseException | None = failure(store_of(listed_source({"TOKEN": value}), {"TOKEN": reference()}), "TOKEN")
    shown = value.strip(b"\xff").decode()
    while error is not None:
        assert shown not in "".join(traceback.format_exception_only(error))
        assert shown not in repr(error.args)
        assert shown.encode() not in pickle.dumps(error)
        error = error.__cause__ or error.__context__
