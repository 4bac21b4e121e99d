"""Every kind of file of a finished and of a killed run is damaged in every way, and every command reads it.

Two ends are allowed: the same answer as undamaged, or a refusal that names the file; `damage_oracle` has the law. A
sample runs with all tests, all of it with `make chaos`, which counts the ends by kind of file. To run one combination:
`pytest -m "chaos or not chaos" "tests/durability/test_damage_to_every_file.py::NAME[KIND-FAULT-COMMAND]"`.
"""

from __future__ import annotations

import random
import subprocess
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from damage_oracle import ENDS, OF_FINISHED, READING, Answer, Command, JournalJudge, Place, judge_resume
from damaged_files import NEIGHBOUR, OF_BYTES, OF_JSON, OF_PATH, SWAPPED, TWIN, Fault, bit_in_token, json_tokens
from damaged_runs import (
    BUSY,
    COMMON_KINDS,
    EMPTY_KINDS,
    FINISHED_KINDS,
    JSON_KINDS,
    KILLED_KINDS,
    RUN,
    SINGLE_KINDS,
    UNREAD_KINDS,
    WRONG,
    Original,
    contents,
    kind_of,
    make_finished,
    make_killed,
)
from disturbed_run import COMMAND
from example_workspace import CLIENT_SECRET, child_environment
from gated_shop import GatedShop

from reqflo_ray._internal.runner.drive import ownership

pytestmark = pytest.mark.timeout(60)

# What is random in a fault is tried so often.
_SEEDS: Final = {"bit": 2, "bit in a token": 2, SWAPPED: 2}
# So many combinations of every kind of file run with all tests, and so many that resume.
_SAMPLED: Final = 2
_SAMPLED_RESUMES: Final = 1


def _faults(kind: str, *, neighbour_has_it: bool) -> list[Fault]:
    if kind in UNREAD_KINDS:
        return [Fault(name) for name in ("missing", "a directory", "bit", "zeros")]
    names = list(OF_PATH)
    names += ["garbage appended"] if kind in EMPTY_KINDS else OF_BYTES
    names += OF_JSON if kind in JSON_KINDS else ()
    names += [SWAPPED] if kind not in SINGLE_KINDS else ()
    if kind not in COMMON_KINDS:
        names += [TWIN, NEIGHBOUR] if neighbour_has_it else [TWIN]
    return [Fault(name, seed) for name in names for seed in range(_SEEDS.get(name, 1))]


def _combinations(kinds: Sequence[str], commands: Sequence[Command]) -> list[tuple[str, Fault, Command]]:
    return [
        (kind, fault, command)
        for kind in kinds
        for fault, command in product(_faults(kind, neighbour_has_it=kind in FINISHED_KINDS), commands)
    ]


def _name(*words: object) -> str:
    return "-".join(str(word) for word in words).replace(" ", "_").replace("'", "")


def _sample(combinations: Sequence[tuple[str, Fault, Command]]) -> set[str]:
    """The names of some combinations of every kind: by chance, and always the same ones."""
    by_chance = sorted(combinations, key=lambda combination: zlib.crc32(_name(*combination).encode()))
    chosen = []
    for kind in dict.fromkeys(kind for kind, *_ in combinations):
        of_kind = [combination for combination in by_chance if combination[0] == kind]
        chosen += of_kind[:_SAMPLED]
        chosen += [combination for combination in of_kind if combination[2].judge is judge_resume][:_SAMPLED_RESUMES]
    return {_name(*combination) for combination in chosen}


_ALL: Final = {
    "finished": _combinations(FINISHED_KINDS, OF_FINISHED),
    "killed": _combinations(KILLED_KINDS, READING),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Thousands of combinations are not even collected where only the sample is asked for.
    only_sample = metafunc.config.option.markexpr == "not chaos"
    for state, combinations in _ALL.items():
        if f"combination_of_{state}" in metafunc.fixturenames:
            cases, sampled = [], _sample(combinations)
            for combination in combinations:
                name = _name(*combination)
                is_sampled = name in sampled
                if is_sampled or not only_sample:
                    marks = () if is_sampled else (pytest.mark.chaos,)
                    cases.append(pytest.param(combination, id=name, marks=marks))
            metafunc.parametrize(f"combination_of_{state}", cases)


@dataclass
class Laboratory:
    """An original, a copy of it that is damaged again and again, and what every command says of it undamaged."""

    original: Original
    folder: Path
    known: dict[str, Answer] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        return Place(self.folder / "store", self.folder, self.original)

    def undamaged(self, command: Command) -> Answer:
        if command.name not in self.known:
            self.original.renew(self.place.store)
            self.known[command.name] = command.call(self.place)
        return self.known[command.name]

    def end(self, command: Command, path: str, harm: Callable[[Path], bool]) -> str | None:
        """How `command` ends when the file at `path` is harmed: an allowed end, or what is wrong; None if nothing was
        changed."""
        before = self.undamaged(command)
        damaged = self.original.renew(self.place.store) / path
        if not harm(damaged):
            return None
        judge = command.judge
        if judge is judge_resume and "/journal/" in path:
            judge = self._judge_of_journal(path, damaged) or judge
        return judge(before, command.call(self.place), path.removeprefix(f"runs/{RUN}/"))

    def _judge_of_journal(self, path: str, damaged: Path) -> JournalJudge | None:
        """None if its shard is committed: then nobody needs it."""
        original = self.original.store / path
        if (self.original.store / "runs" / RUN / "commits" / f"{original.parent.name}.json").exists():
            return None
        after = damaged.read_bytes() if damaged.is_file() else b""
        is_newest = original == max(original.parent.iterdir())
        return JournalJudge(int(original.parent.name), original.read_bytes(), after, is_newest)


@pytest.fixture(scope="module")
def shops() -> Iterator[tuple[GatedShop, GatedShop]]:
    with GatedShop(wrong=WRONG, busy=BUSY) as shop, GatedShop(wrong=WRONG, busy=BUSY) as twins:
        yield shop, twins


@pytest.fixture(scope="module")
def finished(shops: tuple[GatedShop, GatedShop], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)
        original = make_finished(folder / "originals", *shops)
        yield from _laboratory(original, folder)


@pytest.fixture(scope="module")
def killed(
    shops: tuple[GatedShop, GatedShop], finished: Laboratory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Laboratory]:
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        # The drivers are dead. Where damage hides that, a driver waits half a minute for a sign of life; not here.
        patch.setattr(ownership, "SILENCE_SECONDS", 0.0)
        original = make_killed(folder / "originals", *shops, finished.original)
        yield from _laboratory(original, folder)


def _laboratory(original: Original, folder: Path) -> Iterator[Laboratory]:
    before = contents(original.store)
    yield Laboratory(original, folder)
    assert contents(original.store) == before, "a command wrote into a file in its place: copies were not independent"


def _judge(
    laboratory: Laboratory,
    combination: tuple[str, Fault, Command],
    record_property: Callable[[str, object], None],
) -> None:
    kind, fault, command = combination
    path, other = laboratory.original.choose(kind, fault)
    end = laboratory.end(command, path, lambda damaged: fault.strike(damaged, other))
    if end is None:
        pytest.skip("this fault changes nothing here")
    state = "finished" if laboratory.original.finished else "killed"
    record_property("damage", (state, kind, end if end in ENDS else "wrong"))
    assert end in ENDS, f"{path}, {fault}, `{command}`: {end}"


def test_a_damaged_file_of_a_finished_run_changes_no_answer(
    finished: Laboratory,
    combination_of_finished: tuple[str, Fault, Command],
    record_property: Callable[[str, object], None],
) -> None:
    _judge(finished, combination_of_finished, record_property)


def test_a_damaged_file_of_a_killed_run_changes_no_answer(
    killed: Laboratory,
    combination_of_killed: tuple[str, Fault, Command],
    record_property: Callable[[str, object], None],
) -> None:
    _judge(killed, combination_of_killed, record_property)


# What the suite stands on


def test_every_kind_of_file_of_a_finished_run_is_damaged(finished: Laboratory) -> None:
    assert set(finished.original.files) == set(FINISHED_KINDS)


def test_every_kind_of_file_of_a_killed_run_is_damaged(killed: Laboratory) -> None:
    assert set(killed.original.files) == set(KILLED_KINDS)


def test_the_killed_run_has_all_that_can_be_damaged(killed: Laboratory) -> None:
    root = killed.original.store / "runs" / RUN
    assert [path.stem for path in sorted(root.glob("commits/*"))] == ["00000", "00001", "00002"]
    assert {shard: len(list((root / "journal" / shard).iterdir())) for shard in ("00003", "00004", "00005")} == {
        "00003": 2,
        "00004": 2,
        "00005": 1,
    }
    assert not (root / "attempts" / "00006").exists() and not (root / "manifest.json").exists()


def _long_selection(commands: Sequence[Command]) -> list[object]:
    """All of them, most only with `make chaos`: what is compared in the sample is the same over and over."""
    short = ("verify", "sql steps", "report html", "resume")
    return [
        pytest.param(command, id=_name(command), marks=() if command.name in short else pytest.mark.chaos)
        for command in commands
    ]


@pytest.mark.parametrize("command", _long_selection(OF_FINISHED))
def test_an_undamaged_finished_run_always_gets_the_same_answer(finished: Laboratory, command: Command) -> None:
    _answers_alike(finished, command, {"resume": 1, "rerun": 1, "rerun --failed": 1}.get(command.name, 0))


@pytest.mark.parametrize("command", _long_selection(READING))
def test_an_undamaged_killed_run_always_gets_the_same_answer(killed: Laboratory, command: Command) -> None:
    _answers_alike(killed, command, {"resume": 1, "verify": 3, "python verify": 3}.get(command.name, 0))


def _answers_alike(laboratory: Laboratory, command: Command, code: int) -> None:
    first = laboratory.undamaged(command)
    laboratory.original.renew(laboratory.place.store)
    again = command.call(laboratory.place)
    assert (again.code, again.data, again.rows) == (first.code, first.data, first.rows)
    assert not [path for path, data in contents(laboratory.place.store).items() if kind_of(path, data) is None]
    assert first.code == code and (first.data or command.name.startswith(("prune", "python verify")))


# A few of them with real processes: what is judged in this one is what a shell sees.


@pytest.mark.parametrize(
    ("state", "path", "words"),
    [
        ("finished", "results/shard-00000.a0001.parquet", ("sql", "select status from results", "--run", RUN)),
        pytest.param(*("killed", "commits/00001.json", ("resume", RUN, "--backend", "local")), marks=pytest.mark.chaos),
    ],
)
def test_a_command_of_the_shell_refuses_a_damaged_file_by_name(
    request: pytest.FixtureRequest, tmp_path: Path, state: str, path: str, words: tuple[str, ...]
) -> None:
    laboratory: Laboratory = request.getfixturevalue(state)
    store = laboratory.original.renew(tmp_path / "store")
    assert Fault("bit", 1).strike(store / "runs" / RUN / path)
    laboratory.original.shop.reset()
    ended = subprocess.run(
        (COMMAND, *words, "--store", str(store)), env=child_environment(), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 3 and path in ended.stderr and not ended.stdout, ended
    assert "Traceback" not in ended.stderr and "internal error" not in ended.stderr
    assert not laboratory.original.shop.arrived


# Every name and every value of every document


_TOKENS: Final = 60  # of one document, evenly spread
_SYSTEMATIC: Final = ("show", "sql of all runs", "report junit", "verify", "resume", "rerun --failed", "prune")


def _systematic(kinds: Sequence[str], commands: Sequence[Command]) -> list[tuple[str, Command]]:
    chosen = [command for command in commands if command.name in _SYSTEMATIC]
    return [(kind, command) for kind in kinds if kind in JSON_KINDS for command in chosen]


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "command"), _systematic(FINISHED_KINDS, OF_FINISHED), ids=_name)
def test_a_bit_in_any_name_or_value_of_a_finished_run_changes_no_answer(
    finished: Laboratory, kind: str, command: Command
) -> None:
    _judge_tokens(finished, kind, command)


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "command"), _systematic(KILLED_KINDS, READING), ids=_name)
def test_a_bit_in_any_name_or_value_of_a_killed_run_changes_no_answer(
    killed: Laboratory, kind: str, command: Command
) -> None:
    _judge_tokens(killed, kind, command)


def _judge_tokens(laboratory: Laboratory, kind: str, command: Command) -> None:
    path = laboratory.original.files[kind][-1]
    data = (laboratory.original.store / path).read_bytes()
    tokens, chance, wrong = json_tokens(data), random.Random(kind), []
    for token in tokens[:: max(1, len(tokens) // _TOKENS)]:
        changed = bit_in_token(data, token, chance)

        def harm(damaged: Path, changed: bytes = changed) -> bool:
            damaged.unlink()
            damaged.write_bytes(changed)
            return True

        end = laboratory.end(command, path, harm)
        if end not in ENDS:
            wrong.append(f"{data[slice(*token)]!r} at {token[0]} became {changed[slice(*token)]!r}: {end}")
    assert not wrong, f"{path}, `{command}`: {len(wrong)} of {len(tokens)}, such as {wrong[:5]}"
