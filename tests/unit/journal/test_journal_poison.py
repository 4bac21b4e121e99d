"""Which row killed its workers: deaths, suspects, rows that have to run alone."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from reqflo_ray._internal.journal.poison import Blame, blame
from reqflo_ray._internal.model.journal import Completion, Intent, JournalRecord, Poisoned, Solo, Takeover, Withdrawn
from reqflo_ray._internal.model.results import Status


def intent(row: int, step: str = "a") -> Intent:
    return Intent(row=row, step=step, attempt=1, fingerprint="f")


def done(row: int, step: str = "a") -> Completion:
    return Completion(row=row, step=step, attempt=1, status=Status.PASSED, final=True)


def judge(*journals: list[JournalRecord], died: Collection[int]) -> Blame:
    return blame(list(enumerate(journals, 1)), died)


def test_without_deaths_nobody_is_blamed() -> None:
    assert judge([intent(1)], [intent(1)], died=()) == Blame()


def test_one_death_blames_nobody() -> None:
    found = judge([intent(1)], died={1})
    assert not found.suspects and not found.poisoned and found.deaths_without_progress == 1 and not found.all_alone


def test_rows_in_flight_at_two_deaths_are_suspects() -> None:
    found = judge([intent(1), intent(2), done(2)], [intent(1), intent(3)], died={1, 2})
    assert found.suspects == (1,) and not found.all_alone


def test_deaths_of_a_node_or_a_driver_and_stops_never_count() -> None:
    assert not judge([intent(1)], [intent(1)], [intent(1)], died={2}).suspects


def test_two_worker_deaths_are_successive_also_with_another_end_between_them() -> None:
    assert judge([intent(1)], [], [intent(1)], died={1, 3}).suspects == (1,)


@pytest.mark.parametrize("attempt", [2, 3])
def test_a_row_that_completed_something_between_the_deaths_is_no_suspect(attempt: int) -> None:
    journals: list[list[JournalRecord]] = [[intent(1)], [], [intent(1, "b")]]
    journals[attempt - 1].insert(0, done(1))
    assert not judge(*journals, died={1, 3}).suspects


def test_progress_of_other_rows_does_not_shield_a_row_that_makes_none() -> None:
    assert judge([intent(1)], [intent(1), intent(2), done(2)], died={1, 2}).suspects == (1,)


def test_a_withdrawn_request_was_not_in_flight() -> None:
    records: list[JournalRecord] = [intent(1), Withdrawn(row=1, step="a", attempt=1)]
    assert not judge(records, records, died={1, 2}).suspects


def test_a_row_that_is_alone_when_its_worker_dies_three_times_is_poison() -> None:
    alone: list[JournalRecord] = [Solo(row=1), intent(1)]
    found = judge([intent(1)], [intent(1)], alone, alone, died={1, 2, 3, 4})
    assert not found.poisoned and found.suspects == (1,) and not found.all_alone
    found = judge([intent(1)], [intent(1)], alone, alone, alone, died={1, 2, 3, 4, 5})
    assert found.poisoned == {1} and not found.suspects and not found.all_alone


def test_a_row_that_gets_further_is_no_poison_however_often_its_worker_dies() -> None:
    journals: list[list[JournalRecord]] = [[Solo(row=1), done(1, step), intent(1, "z")] for step in "abcd"]
    found = judge(*journals, died={1, 2, 3, 4})
    assert not found.poisoned and found.suspects == (1,)


def test_sending_a_step_again_for_its_sensitive_value_is_not_getting_further() -> None:
    again: list[JournalRecord] = [Solo(row=1), done(1), intent(1, "b")]
    assert judge(again, again, again, again, died={1, 2, 3, 4}).poisoned == {1}


def test_a_row_that_is_alone_when_its_node_dies_is_not_poison() -> None:
    found = judge([intent(1)], [intent(1)], [Solo(row=1), intent(1)], died={1, 2})
    assert not found.poisoned and found.suspects == (1,)


def test_a_row_that_survived_alone_is_cleared() -> None:
    journals: list[list[JournalRecord]] = [[intent(1), intent(2)], [intent(2), intent(1)]]
    third: list[JournalRecord] = [Solo(row=1), intent(1), done(1), Solo(row=1, over=True), Solo(row=2), intent(2)]
    later: list[JournalRecord] = [Solo(row=2), intent(2)]
    found = judge(*journals, third, later, later, died={1, 2, 3, 4, 5})
    assert found.poisoned == {2} and found.suspects == ()


def test_a_row_whose_time_alone_is_over_is_not_blamed() -> None:
    solo: list[JournalRecord] = [Solo(row=1), intent(1), done(1), Solo(row=1, over=True)]
    assert not judge(solo, died={1}).poisoned


def test_a_row_is_not_blamed_once_another_one_is_at_work() -> None:
    assert not judge([Solo(row=1), intent(1), done(1), intent(2)], died={1}).poisoned


def test_what_was_found_to_be_poison_stays_poison() -> None:
    found = judge([Poisoned(row=4)], [intent(4)], [intent(4)], died={2, 3})
    assert found.poisoned == {4} and not found.suspects


def test_deaths_without_progress_and_without_a_common_row_make_all_rows_run_alone() -> None:
    assert judge([], [], died={1, 2}).all_alone
    assert judge([intent(1)], [intent(2)], died={1, 2}).all_alone
    assert not judge([intent(1)], [done(1)], died={1, 2}).all_alone


def test_deaths_while_all_rows_wait_for_a_place_are_not_held_against_the_shard() -> None:
    waiting: list[JournalRecord] = [Takeover(seen={1: 1})]
    found = judge([intent(1)], waiting, waiting, waiting, died={1, 2, 3, 4})
    assert found.deaths_without_progress == 1 and not found.all_alone and not found.suspects
    assert judge([intent(1)], waiting, [intent(1)], died={1, 2, 3}).suspects == (1,)


def test_a_shard_whose_workers_always_die_before_any_row_begins_is_not_run_for_ever() -> None:
    waiting: list[JournalRecord] = [Takeover(seen={1: 0})]
    assert judge([], *[waiting] * 17, died=range(1, 19)).deaths_without_progress == 6


def test_rows_run_together_again_once_the_culprit_is_found() -> None:
    alone: list[JournalRecord] = [Solo(row=7)]
    found = judge([], [], alone, alone, alone, died={1, 2, 3, 4, 5})
    assert found.poisoned == {7} and not found.all_alone and found.deaths_without_progress == 2


def test_deaths_without_progress_are_counted_until_something_is_completed() -> None:
    assert judge([], [], [], died={1, 2, 3}).deaths_without_progress == 3
    assert judge([], [done(1)], [], died={1, 2, 3}).deaths_without_progress == 2
    assert judge([], [], [done(1)], died={1, 2}).deaths_without_progress == 0


def test_a_worker_that_died_before_its_journal_existed_counts_as_a_death() -> None:
    assert blame([(2, [intent(1)])], died={1, 2}).deaths_without_progress == 2
