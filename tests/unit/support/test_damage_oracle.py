"""The law of damaged files is one: each way of breaking it is found, and what keeps it passes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from damage_oracle import (
    REFUSED,
    SAME,
    Answer,
    JournalJudge,
    judge,
    judge_listing,
    judge_pruning,
    judge_rerun,
    judge_resume,
    judge_verification,
)
from gated_shop import Arrival

_NAME = "commits/00001.json"
_UNDAMAGED = Answer(1, "16 rows", "16 rows\nstatus: failed")
_REFUSAL = Answer(3, "", f"error[damaged_file]: `{_NAME}` of run `nightly-1` is damaged or missing")
_CREATE, _PAY, _READ = (Arrival("ref-03", step, key) for step, key in (("create", "k3"), ("pay", ""), ("read", "")))


@pytest.mark.parametrize("law", [judge, judge_listing, judge_verification, judge_rerun, judge_resume])
def test_the_two_ends_are_allowed(law: object) -> None:
    assert callable(law)
    assert law(_UNDAMAGED, replace(_UNDAMAGED, said="a warning besides"), _NAME) == SAME
    assert law(_UNDAMAGED, _REFUSAL, _NAME) == REFUSED


@pytest.mark.parametrize("law", [judge, judge_listing, judge_verification, judge_rerun, judge_resume])
@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (replace(_UNDAMAGED, data="15 rows"), "another answer"),
        (replace(_UNDAMAGED, code=0), "another answer"),
        (Answer(0, "", ""), "another answer"),
        (Answer(2, "", f"error[unknown_run]: {_NAME}"), "exit 2"),
        (replace(_REFUSAL, said="error[damaged_file]: something is damaged"), "without the file's name"),
        (replace(_REFUSAL, said=f"Traceback (most recent call last): {_NAME}"), "it broke"),
        (replace(_REFUSAL, said=f"internal error: ValueError in read {_NAME}"), "it broke"),
        (replace(_REFUSAL, said=f"`{_NAME}`: error[internal_error]"), "it broke"),
    ],
)
def test_no_other_end_is_allowed(law: object, answer: Answer, wrong: str) -> None:
    assert callable(law)
    assert wrong in law(_UNDAMAGED, answer, _NAME)


def test_a_refused_report_leaves_no_report() -> None:
    assert "it wrote" in judge(_UNDAMAGED, replace(_REFUSAL, data="<xml>", left=("report",)), _NAME)


def test_a_list_may_mark_the_damaged_run_if_it_keeps_the_others() -> None:
    lines = [{"run_id": "nightly-2", "state": "finished"}, {"run_id": "nightly-1", "state": "finished"}]
    before = Answer(0, json.dumps(lines), "")
    marked = [lines[0], {"run_id": "nightly-1", "state": "damaged"}]
    assert judge_listing(before, Answer(0, json.dumps(marked), _REFUSAL.said), _NAME) == REFUSED
    assert judge_listing(before, Answer(0, json.dumps(marked), "something is damaged"), _NAME) != REFUSED
    assert "it broke" in judge_listing(before, Answer(0, json.dumps(marked), f"Traceback: {_NAME}"), _NAME)
    assert "hides" in judge_listing(before, Answer(0, json.dumps(marked[1:]), _REFUSAL.said), _NAME)
    assert "another answer" in judge_listing(before, Answer(0, json.dumps(lines[:1]), _REFUSAL.said), _NAME)


def test_pruning_may_keep_more_and_say_so_and_never_delete_more() -> None:
    keeps_one, keeps_none = Answer(0, "nightly-1", ""), Answer(0, "", "")
    assert judge_pruning(keeps_none, keeps_none, _NAME) == SAME
    for code in (0, 3):
        assert judge_pruning(keeps_none, replace(keeps_one, code=code, said=_REFUSAL.said), _NAME) == REFUSED
    broken = replace(keeps_one, said=f"Traceback: {_NAME}")
    assert "it broke" in judge_pruning(keeps_none, broken, _NAME)
    assert "another answer" in judge_pruning(keeps_none, keeps_one, _NAME)
    for code in (0, 3):
        assert "deleted" in judge_pruning(keeps_one, replace(keeps_none, code=code, said=_REFUSAL.said), _NAME)


def test_verification_of_a_finished_run_finds_everything() -> None:
    proven, unproven = replace(_UNDAMAGED, code=0), replace(_UNDAMAGED, code=3)
    assert judge_verification(proven, proven, _NAME) == "it says ok"
    assert judge_verification(proven, proven, ".gitignore") == SAME
    assert judge_verification(unproven, unproven, _NAME) == SAME


def test_a_refused_rerun_sends_nothing_and_a_rerun_the_same_under_other_keys() -> None:
    sent = Counter([_CREATE])
    before = replace(_UNDAMAGED, sent=sent)
    assert "sent" in judge_rerun(before, replace(_REFUSAL, sent=sent), _NAME)
    assert judge_rerun(before, replace(before, sent=Counter([_CREATE._replace(key="new")])), _NAME) == SAME
    assert judge_rerun(before, replace(before, sent=Counter()), _NAME) not in (SAME, REFUSED)


def test_a_resume_sends_nothing_more_whatever_it_says() -> None:
    before = replace(_UNDAMAGED, sent=Counter([_READ]), rows={3: "passed", 9: "passed"})
    more = Counter([_READ, _PAY])
    assert judge_resume(before, before, _NAME) == SAME
    assert judge_resume(before, replace(_REFUSAL, sent=Counter([_READ])), _NAME) == REFUSED
    assert "sent again" in judge_resume(before, replace(_REFUSAL, sent=more), _NAME)
    assert "sent again" in judge_resume(before, replace(before, sent=more), _NAME)
    assert judge_resume(before, replace(before, sent=Counter()), _NAME) not in (SAME, REFUSED)
    assert "ended otherwise" in judge_resume(before, replace(_REFUSAL, rows={9: "failed"}), _NAME)
    assert judge_resume(before, replace(_REFUSAL, rows={3: "committed before"}), _NAME) == REFUSED


# What is told of a journal: the row may be asked again, or is inconclusive; nobody else is concerned.

_DOUBTED = 'row 3, "inconclusive"'


def _told(quarantined: int, **more: Any) -> Answer:
    answer = Answer(3, json.dumps({"counts": {"quarantined": quarantined}}), "", rows={2: "a", 3: "b"})
    return replace(answer, **more)


@pytest.fixture
def law() -> JournalJudge:
    return JournalJudge(1, b"", b"", is_newest=True)


def test_damage_of_a_journal_is_told_in_the_counts_and_the_rows(law: JournalJudge) -> None:
    before = _told(0, code=0)
    assert law(before, _told(2, rows={2: "a", 3: _DOUBTED}), _NAME) == "told"
    assert law(before, _told(2, sent=Counter([_CREATE])), _NAME) == "told"


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (_told(2, sent=Counter([_PAY])), "must not be repeated"),
        (_told(2, rows={2: "a", 3: "failed"}), "ended otherwise"),
        (_told(2, rows={2: "a"}), "rows are lost"),
        (_told(2, sent=Counter([_CREATE._replace(ref="ref-09")])), "another shard"),
        (_told(0, sent=Counter([_CREATE])), "nobody is told"),
        (_told(0, rows={2: "a", 3: _DOUBTED}), "nobody is told"),
    ],
)
def test_nothing_else_becomes_of_damage_of_a_journal(law: JournalJudge, answer: Answer, wrong: str) -> None:
    assert wrong in law(_told(0, code=0), answer, _NAME)
