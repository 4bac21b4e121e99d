"""A process that holds secret values writes no core file."""

from __future__ import annotations

import resource

import pytest

from reqflo_ray.secrets.core_dumps import no_core_dumps


def soft_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def test_no_core_file_is_written_meanwhile() -> None:
    with no_core_dumps():
        assert soft_limit() == 0


def test_the_limit_is_what_it_was_also_after_an_error() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    with pytest.raises(KeyError), no_core_dumps():
        raise KeyError
    assert resource.getrlimit(resource.RLIMIT_CORE) == before
