"""What the journals of several attempts say together about each row."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.journal.reader import Gap, JournalContents
from reqflo_ray._internal.journal.replay import RowHistory, ShardHistory, replay
from reqflo_ray._internal.model.journal import Completion, Intent, JournalRecord, Takeover, Withdrawn
from reqflo_ray._internal.model.results import ResendReason, Status, StepRecord

STEPS = ("a", "b", "c", "d")


def intent(row: int, step: str = "a", attempt: int = 1, resend_count: int = 0) -> Intent:
    reason = ResendReason.UNKNOWN if resend_count else ResendReason.NONE
    return Intent(row=row, step=step, attempt=attempt, fingerprint="f", resend_count=resend_count, resend_reason=reason)


def done(row: int, step: str = "a", attempt: int = 1, final: bool = True, mark: str = "") -> Completion:
    return Completion(row=row, step=step, attempt=attempt, status=Status.PASSED, final=final, captures={"mark": mark})


def withdrawn(row: int, step: str = "a", attempt: int = 1) -> Withdrawn:
    return Withdrawn(row=row, step=step, attempt=attempt)


def history(*journals: tuple[JournalRecord, ...]) -> ShardHistory:
    """The history after attempts 1, 2 and so on. None of them said what it had read, unless a test lets it."""
    return replay([(n, JournalContents(records)) for n, records in enumerate(journals, 1)], steps=STEPS)


def damaged(records: tuple[JournalRecord, ...], *gaps: Gap) -> ShardHistory:
    return replay([(1, JournalContents(records, gaps=gaps))], steps=STEPS)


def doubtful(row: RowHistory) -> str:
    return "".join(sorted(row.doubtful))


def test_a_journal_of_another_format_is_refused_by_name() -> None:
    with pytest.raises(StoreError) as refusal:
        replay([(1, JournalContents()), (2, JournalContents(format=7))], steps=STEPS)
    assert refusal.value.code == "unsupported_journal"
    assert "attempt 2" in str(refusal.value) and "format 7" in str(refusal.value)


def test_a_row_that_no_journal_names_has_an_empty_history() -> None:
    row = history((intent(1),)).row(2)
    assert row == RowHistory(row=2) and row.last_attempt == 0


def test_a_completed_step_is_finished_with_what_it_captured() -> None:
    step = history((intent(1), done(1, mark="x"))).row(1).steps["a"]
    assert step.final is not None and step.final.captures == {"mark": "x"}
    assert step.in_doubt is None and step.attempts_used == 1


def test_an_intent_without_completion_is_in_doubt() -> None:
    step = history((intent(1),)).row(1).steps["a"]
    assert step.in_doubt == intent(1) and step.final is None and step.attempts_used == 0


def test_a_retry_that_was_not_begun_is_not_in_doubt() -> None:
    step = history((intent(1), done(1, final=False))).row(1).steps["a"]
    assert step.in_doubt is None and step.final is None and step.attempts_used == 1


def test_a_retry_in_flight_is_in_doubt_and_the_attempts_before_it_are_kept() -> None:
    step = history((intent(1), done(1, final=False), intent(1, attempt=2))).row(1).steps["a"]
    assert step.in_doubt == intent(1, attempt=2) and step.attempts_used == 1


def test_all_attempts_of_a_step_are_kept_in_order() -> None:
    step = history((intent(1), done(1, final=False)), (intent(1, attempt=2), done(1, attempt=2))).row(1).steps["a"]
    assert [completion.attempt for completion in step.completions] == [1, 2] and step.final is not None


def test_journals_are_taken_in_the_order_of_their_attempts() -> None:
    first, second = JournalContents((done(1, mark="1"),)), JournalContents((done(1, mark="2"),))
    row = replay([(10, second), (9, first)], steps=STEPS).row(1)
    assert row.steps["a"].completions == (done(1, mark="2"),)
    assert row.last_attempt == 10


def test_a_request_sent_again_and_lost_again_keeps_its_count() -> None:
    step = history((intent(1),), (intent(1, resend_count=1),), (intent(1, resend_count=2),)).row(1).steps["a"]
    assert step.in_doubt == intent(1, resend_count=2) and step.resend_count == 2


def test_a_withdrawn_intent_counts_for_nothing() -> None:
    step = history((intent(1), withdrawn(1))).row(1).steps["a"]
    assert step.in_doubt is None and step.attempts_used == 0


def test_withdrawing_a_resend_leaves_the_first_request_in_doubt() -> None:
    step = history((intent(1),), (intent(1, resend_count=1), withdrawn(1))).row(1).steps["a"]
    assert step.in_doubt == intent(1)


def test_a_withdrawal_touches_no_intent_of_another_journal_or_attempt() -> None:
    assert history((intent(1),), (withdrawn(1),)).row(1).steps["a"].in_doubt == intent(1)
    assert history((intent(1), withdrawn(1, attempt=2))).row(1).steps["a"].in_doubt == intent(1)


def test_a_completion_that_an_older_attempt_appended_late_counts() -> None:
    # Attempt 2 had found the request in doubt, sent it again, and died.
    step = history((intent(1), done(1, mark="late")), (intent(1, resend_count=1),)).row(1).steps["a"]
    assert step.final == done(1, mark="late") and step.in_doubt is None


def test_of_two_completions_the_later_attempt_has_the_last_word() -> None:
    # Attempt 2 went on with its own captures, not with those that came late.
    row = history(
        (intent(1), done(1, mark="late")), (intent(1, resend_count=1), done(1, mark="own"), intent(1, "b"))
    ).row(1)
    assert row.steps["a"].completions == (done(1, mark="own"),)
    assert row.steps["b"].in_doubt == intent(1, "b")


def test_a_late_intent_of_a_fenced_attempt_does_not_undo_a_finished_step() -> None:
    row = history((intent(1), done(1, final=False), intent(1, attempt=2)), (done(1),)).row(1)
    assert row.steps["a"].final == done(1) and row.steps["a"].in_doubt is None


def test_a_finished_step_stays_finished_when_a_resend_of_it_ends_in_a_retry() -> None:
    step = (
        history((intent(1), done(1, mark="late")), (intent(1, resend_count=1), done(1, final=False))).row(1).steps["a"]
    )
    assert step.final == done(1, mark="late")


def test_a_resend_after_a_late_completion_of_an_attempt_is_in_doubt_again() -> None:
    step = history((intent(1), done(1, final=False)), (intent(1, resend_count=1),)).row(1).steps["a"]
    assert step.in_doubt == intent(1, resend_count=1)


def sensitive(row: int, step: str = "a") -> Intent:
    return Intent(row=row, step=step, attempt=1, fingerprint="f", resend_reason=ResendReason.SENSITIVE, resend_count=1)


def test_sending_a_step_again_for_its_captures_does_not_change_how_it_ended() -> None:
    again = Completion(row=1, step="a", attempt=1, status=Status.ERROR, final=True)
    row = history((intent(1), done(1), intent(1, "b"), done(1, "b")), (sensitive(1), again)).row(1)
    assert row.steps["a"].final == done(1) and row.steps["a"].repeats == (again,)
    assert row.steps["b"].final is not None


def test_retries_of_a_resend_for_captures_do_not_change_how_the_step_ended() -> None:
    again = (sensitive(1), done(1, final=False, mark="1"), intent(1, attempt=2), done(1, attempt=2, mark="2"))
    step = history((intent(1), done(1, mark="first")), again).row(1).steps["a"]
    assert step.final == done(1, mark="first") and step.attempts_used == 1
    assert [completion.captures["mark"] for completion in step.repeats] == ["1", "2"]


def test_a_finished_step_sent_again_for_its_captures_is_not_in_doubt() -> None:
    step = history((intent(1), done(1)), (sensitive(1),), (sensitive(1), withdrawn(1))).row(1).steps["a"]
    assert step.final == done(1) and step.in_doubt is None and step.resend_count == 1


def test_a_step_that_sends_nothing_needs_no_intent() -> None:
    assert history((done(1, "a"),)).row(1).steps["a"].final is not None


def test_the_next_attempt_is_told_what_to_say_about_those_before_it() -> None:
    second = JournalContents((done(1),), gaps=(Gap(1, 4),))
    found = replay([(2, second), (1, JournalContents((intent(1), intent(2))))], steps=STEPS)
    assert found.takeover == Takeover(seen={1: 2, 2: 5})


def test_an_intent_that_came_after_a_takeover_was_never_sent() -> None:
    row = history((intent(1), done(1), intent(1, "b")), (Takeover(seen={1: 2}),)).row(1)
    assert row.steps["b"].in_doubt is None and row.steps["a"].final == done(1)


def test_a_completion_that_came_after_a_takeover_fills_what_is_open() -> None:
    late = history((intent(1), done(1, mark="late")), (Takeover(seen={1: 1}), intent(1, resend_count=1)))
    assert late.row(1).steps["a"].final == done(1, mark="late")


def test_a_withdrawal_that_came_after_a_takeover_counts() -> None:
    assert history((intent(1), withdrawn(1)), (Takeover(seen={1: 1}),)).row(1).steps["a"].in_doubt is None


def test_a_retry_that_came_after_a_takeover_changes_nothing() -> None:
    step = history((intent(1), done(1, final=False)), (Takeover(seen={1: 1}),)).row(1).steps["a"]
    assert step.in_doubt == intent(1) and step.attempts_used == 0


def test_a_completion_that_came_after_a_takeover_does_not_change_what_was_built_on() -> None:
    # Attempts 1 and 2 both sent `a` and went on for long. 3 took over what 1 had said; what 2 says came later.
    journals = (
        (intent(1), done(1, mark="one")),
        (Takeover(seen={1: 1}), intent(1, resend_count=1), done(1, mark="two")),
        (Takeover(seen={1: 2, 2: 2}), intent(1, "b"), done(1, "b")),
    )
    row = history(*journals).row(1)
    assert row.steps["a"].final == done(1, mark="one") and row.steps["b"].final == done(1, "b")
    # And it stays so for those who come after the next one.
    row = history(*journals, (Takeover(seen={1: 2, 2: 3, 3: 3}),)).row(1)
    assert row.steps["a"].final == done(1, mark="one")


def test_a_takeover_that_came_after_a_takeover_does_not_count() -> None:
    journals = ((intent(1), done(1)), (Takeover(seen={1: 1}),), (Takeover(seen={1: 2, 2: 0}), intent(1, "b")))
    assert history(*journals).row(1).steps["a"].final == done(1)


def test_journals_that_a_takeover_does_not_name_were_empty_then() -> None:
    assert not history((intent(1),), (Takeover(seen={}),)).row(1).steps["a"].in_doubt


def test_records_lost_before_a_takeover_are_counted_as_written() -> None:
    first = JournalContents((intent(1), done(1), intent(1, "b")), gaps=(Gap(1, 2),))
    second = JournalContents((Takeover(seen={1: 4}), intent(2)))
    row = replay([(1, first), (2, second)], steps=STEPS).row(1)
    assert row.steps["a"].final == done(1) and row.steps["b"].in_doubt is None


def test_a_row_that_an_attempt_knew_nothing_of_has_no_history() -> None:
    assert history((inconclusive(1),)).row(1) == RowHistory(row=1)


def inconclusive(row: int, step: str = "a", attempt: int = 1) -> Completion:
    return Completion(row=row, step=step, attempt=attempt, status=Status.INCONCLUSIVE, final=True)


def test_what_an_attempt_did_not_know_is_still_in_doubt_for_the_next_one() -> None:
    step = history((done(1, final=False), intent(1, attempt=2)), (inconclusive(1),)).row(1).steps["a"]
    assert step.final is None and step.in_doubt == intent(1, attempt=2) and step.attempts_used == 1


def test_what_an_attempt_did_not_know_does_not_undo_what_a_newer_one_built_on() -> None:
    # Attempt 1 completed the step after 2 had read its journal and before 3 did; 2 was superseded and wrote late.
    row = history((intent(1), done(1)), (inconclusive(1),), (intent(1, "b"), done(1, "b"))).row(1)
    assert row.steps["a"].final == done(1) and row.steps["b"].final == done(1, "b")


def test_a_rows_start_is_the_start_of_its_earliest_step() -> None:
    def evidence(at: int) -> StepRecord:
        return StepRecord(
            row_index=1, row_key="", step_id="a", step_index=0, attempt=1, status=Status.PASSED, started_at_us=at
        )

    def completion(step: str, at: int) -> Completion:
        return Completion(row=1, step=step, attempt=1, status=Status.PASSED, final=True, record=evidence(at))

    assert history((completion("a", 70), completion("b", 90))).row(1).started_at_us == 70


def test_without_damage_nothing_is_doubtful() -> None:
    found = history((intent(1), done(1), intent(1, "b")))
    assert not found.row(1).doubtful and not found.row(9).doubtful and found.quarantined == 0


def test_lost_records_make_every_unfinished_step_of_an_unseen_row_doubtful() -> None:
    found = damaged((intent(1),), Gap(0, 3))
    assert doubtful(found.row(9)) == "abcd" and found.quarantined == 3


def test_a_row_without_a_record_behind_the_gap_may_have_got_anywhere() -> None:
    assert doubtful(damaged((intent(1), done(1), intent(1, "b")), Gap(3, 1)).row(1)) == "bcd"


def test_a_record_behind_the_gap_shows_how_far_the_row_was() -> None:
    row = damaged((intent(1), intent(1, "c")), Gap(1, 2)).row(1)
    assert doubtful(row) == "ab"
    assert row.steps["c"].in_doubt == intent(1, "c") and row.steps["a"].in_doubt == intent(1)


def test_a_row_whose_steps_all_have_their_records_is_not_doubtful() -> None:
    assert doubtful(damaged((intent(1), done(1), intent(1, "b")), Gap(1, 1)).row(1)) == ""


def test_only_the_last_gap_of_a_journal_decides_how_far_a_row_is_known() -> None:
    records = (intent(1), done(1), intent(1, "b"), done(1, "b"))
    assert doubtful(damaged(records, Gap(1, 1), Gap(4, 1)).row(1)) == "cd"


def test_a_step_sent_again_for_its_captures_does_not_show_where_the_row_was() -> None:
    first = JournalContents((done(1, "a"), done(1, "b")))
    second = JournalContents((intent(1, "a"), done(1, "a")), gaps=(Gap(0, 1),))
    assert doubtful(replay([(1, first), (2, second)], steps=STEPS).row(1)) == "cd"


def test_damage_in_one_attempt_is_doubt_for_rows_that_only_another_names() -> None:
    first = JournalContents((intent(1),), gaps=(Gap(0, 1),))
    second = JournalContents((intent(2), done(2)))
    found = replay([(1, first), (2, second)], steps=STEPS)
    assert doubtful(found.row(2)) == "bcd" and doubtful(found.row(1)) == ""


def test_a_row_finished_before_the_damage_is_not_doubtful() -> None:
    whole = JournalContents(tuple(done(1, step) for step in STEPS))
    found = replay([(1, whole), (2, JournalContents(gaps=(Gap(0, 9),)))], steps=STEPS)
    assert doubtful(found.row(1)) == ""


@pytest.mark.parametrize("left", [(), (intent(1),)], ids=["emptied", "cut between two records"])
def test_what_a_takeover_has_read_and_is_gone_is_lost_and_not_taken_for_never_sent(
    left: tuple[JournalRecord, ...],
) -> None:
    found = history(left, (Takeover(seen={1: 2}), intent(2)))
    assert found.quarantined == 2 - len(left)
    assert doubtful(found.row(1)) == doubtful(found.row(9)) == "abcd"
    assert doubtful(found.row(2)) == "abcd"  # its record in the second journal does not say where it was in the first


def test_a_journal_that_a_takeover_has_read_and_that_is_missing_is_lost() -> None:
    found = replay([(2, JournalContents((Takeover(seen={1: 3}),)))], steps=STEPS)
    assert found.quarantined == 3 and doubtful(found.row(1)) == "abcd"


def test_a_missing_journal_that_was_empty_when_it_was_read_is_no_loss() -> None:
    found = replay([(2, JournalContents((Takeover(seen={1: 0}),)))], steps=STEPS)
    assert found.quarantined == 0 and not found.row(1).doubtful


def test_what_was_known_to_be_lost_already_is_not_lost_twice() -> None:
    first = JournalContents((intent(1),), gaps=(Gap(0, 3),))
    assert replay([(1, first), (2, JournalContents((Takeover(seen={1: 4}),)))], steps=STEPS).quarantined == 3


def test_a_shard_that_was_tried_thousands_of_times_is_read_without_recursion() -> None:
    journals = [(1, JournalContents((intent(1, "a"), done(1, "a"))))]
    journals += [(2, JournalContents((Takeover(seen={1: 2}),)))]
    journals += [(number, JournalContents((Takeover(seen={1: 2, number - 1: 1}),))) for number in range(3, 1500)]
    assert replay(journals, steps=STEPS).row(1).steps["a"].final is not None
