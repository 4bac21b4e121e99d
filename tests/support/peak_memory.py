"""The peak memory of this process since a given moment, on Linux. `ru_maxrss` is not suitable: it never falls, and a
new program inherits it from its parent."""

from __future__ import annotations

from pathlib import Path


def forget_peak() -> int:
    """Begin anew: the peak is what the process holds now, in KiB, which is returned."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kib()


def peak_kib() -> int:
    """The most that this process has held since its start, or since `forget_peak`, in KiB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
