"""A process that holds secret values writes no core file, and none of its memory into any dump."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reqflo_ray._internal.secrets.core_dumps import no_core_dumps

_FILTER = Path("/proc/self/coredump_filter")
on_linux = pytest.mark.skipif(not _FILTER.exists(), reason="what a dump holds can be told on Linux only")


def soft_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def dumped_kinds() -> int:
    return int(_FILTER.read_text(), 16)


def test_no_core_file_is_written_meanwhile() -> None:
    with no_core_dumps():
        assert soft_limit() == 0


@on_linux
def test_no_memory_goes_into_a_dump_that_is_piped_to_a_collector() -> None:
    before = dumped_kinds()
    assert before != 0
    with no_core_dumps():
        assert dumped_kinds() == 0
    assert dumped_kinds() == before


@on_linux
def test_runs_that_overlap_restore_the_settings_when_the_last_has_ended() -> None:
    before = dumped_kinds()
    first, second = no_core_dumps(), no_core_dumps()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert dumped_kinds() == 0
    second.__exit__(None, None, None)
    assert dumped_kinds() == before != 0


def test_the_limit_is_what_it_was_also_after_an_error() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    with pytest.raises(KeyError), no_core_dumps():
        raise KeyError
    assert resource.getrlimit(resource.RLIMIT_CORE) == before


def dumped(folder: Path, block: str) -> bytes:
    """What a process leaves behind that holds a value (made by it, so that its command line has none) and is aborted
    within `block`, though it may write as large a core file as it likes."""
    folder.mkdir()
    program = (
        "import contextlib, os, resource\n"
        "from reqflo_ray._internal.secrets.core_dumps import no_core_dumps\n"
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "value = 'canary-'.encode() + b'-'.join([b'7f3a'] * 9)\n"
        f"with {block}:\n"
        "    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"
        "    os.abort()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=folder, stderr=subprocess.DEVNULL, check=False)
    assert ended.returncode == -signal.SIGABRT
    return b"".join(path.read_bytes() for path in folder.iterdir())


@on_linux
def test_a_dump_that_is_written_all_the_same_holds_no_value(tmp_path: Path) -> None:
    canary = b"canary-" + b"-".join([b"7f3a"] * 9)
    if canary not in dumped(tmp_path / "without", "contextlib.nullcontext()"):
        pytest.skip("this machine writes no core files into the folder of the process")
    assert canary not in dumped(tmp_path / "with", "no_core_dumps()")
