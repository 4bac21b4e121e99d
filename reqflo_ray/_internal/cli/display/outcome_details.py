"""The details of a run that has ended: of a single row its steps, of more rows what failed in how many of them.

They are read from the store. If that fails, the run ends as it would without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import reqflo_ray
from reqflo_ray._internal.cli.display.render_row import Paint, render_steps
from reqflo_ray._internal.cli.display.terminal import Terminal, escape, shorten
from reqflo_ray._internal.cli.display.wording import counted
from reqflo_ray._internal.errors import ReqfloError

if TYPE_CHECKING:
    from reqflo_ray import FailureGroup, FailureGroups, RunOutcome

_SHOWN_GROUPS: Final = 10
_LONGEST_PART: Final = 300


def outcome_details(outcome: RunOutcome, terminal: Terminal, store_option: str) -> Iterator[str]:
    """Yield the lines for standard error; none for many rows that all passed without retries or soft failures."""
    counts = outcome.verdict.counts
    only_row = outcome.complete and counts.rows == 1
    if not only_row and counts.rows == counts.passed and not counts.soft_failures and not counts.flaky:
        return
    if not only_row and "://" in outcome.store:
        # This would read all results from the bucket.
        yield f"failures: reqflo-ray show {outcome.run_id}{store_option}"
        return
    try:
        store = reqflo_ray.open_store(outcome.store)
        if only_row:
            row = store.row(outcome.run_id, 0)
            yield from render_steps(row.steps, terminal.paint, not_reached=row.not_reached)
        else:
            yield from group_lines(store.failure_groups(outcome.run_id), terminal.paint)
    except ReqfloError as error:
        yield f"details are in the store, but cannot be shown: {escape(error.in_one_line)}"
    except Exception as error:  # its text may quote anything
        yield f"details are in the store, but cannot be shown: {type(error).__name__}"


def group_lines(groups: FailureGroups, paint: Paint) -> Iterator[str]:
    """Yield what failed in how many rows, one line per group below the title of its kind."""
    yield from _section("did not pass", groups.failures, groups.more_failures, paint)
    yield from _section("soft assertions failed", groups.soft, 0, paint)
    yield from _section("passed only after a retry", groups.retried, 0, paint)


def _section(title: str, groups: Sequence[FailureGroup], more: int, paint: Paint) -> Iterator[str]:
    if not groups:
        return
    yield f"{title}:"
    shown = groups[:_SHOWN_GROUPS]
    width = max(len(counted(group.rows, "row")) for group in shown)
    for group in shown:
        known = " (known flaky)" if group.known_flaky else ""
        at = f" at step {_part(group.step)}{known}" if group.step else ""
        why = f": {_part(group.message)}" if group.message else ""
        status = paint(escape(group.status), "red")
        what = _part(group.assertion or group.error)
        yield f"  {counted(group.rows, 'row'):>{width}}  {status}{at}: {what}{why}  (row {group.row_index})"
    if more := more + len(groups) - len(shown):
        yield f"  … and {counted(more, 'more group')}"


def _part(text: str) -> str:
    return shorten(escape(text), _LONGEST_PART)
