"""The progress bar of a terminal, drawn by rich. It redraws when the driver reports, so it needs no thread.

It must not know what a run is. It is imported only where a bar is drawn, because rich takes a while to load.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from reqflo_ray._internal.cli.display.terminal import Terminal, neutralize_ci_commands
from reqflo_ray._internal.cli.display.wording import describe

if TYPE_CHECKING:
    from reqflo_ray import Progress

_SECONDS_BETWEEN_FRAMES: Final = 0.1


class LiveBar:
    """A bar with rows done, failed rows, steps per second, and time left, below the lines that stay."""

    def __init__(self, terminal: Terminal) -> None:
        self._console = Console(
            file=terminal.error_stream,
            force_terminal=True,
            no_color=not terminal.colors_err,
            width=terminal.columns,
            highlight=False,
        )
        self._bar = RichProgress(
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task: TaskID | None = None
        self._next_frame_s = 0.0

    def begin(self, rows: int) -> None:
        """Draw the empty bar."""
        self._task = self._bar.add_task(f"rows 0/{rows}", total=rows)
        with suppress(OSError):
            self._bar.start()

    def update(self, progress: Progress) -> None:
        """Redraw the bar, at most ten times per second by the clock of the run."""
        if self._task is None or progress.elapsed_s < self._next_frame_s:
            return
        self._next_frame_s = progress.elapsed_s + _SECONDS_BETWEEN_FRAMES
        with suppress(OSError):
            self._bar.update(self._task, completed=progress.counts.rows, description=describe(progress), refresh=True)

    def note(self, text: str) -> None:
        """Write lines above the bar. They keep their colors."""
        with suppress(OSError):
            self._console.print(Text.from_ansi(neutralize_ci_commands(text)), soft_wrap=True)

    def end(self) -> None:
        """Remove the bar."""
        with suppress(OSError):
            self._bar.stop()
