"""The Python face: the names that `import reqflo_ray` offers, what they do together, and what they do not load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_arguments import run_arguments

import reqflo_ray
from reqflo_ray import Journey, Problem, Target
from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.errors import (
    DatasetError,
    DefinitionError,
    NothingSelectedError,
    ReqfloError,
    RunConflictError,
    UsageError,
)
from reqflo_ray._internal.model.plan import Evidence
from reqflo_ray._internal.model.results import Status


@pytest.fixture
def orders(
    example: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Makes arguments of `run` for the orders example; what is given replaces the usual."""
    workspace = example("orders")
    monkeypatch.delenv("REQFLO_STORE", raising=False)
    usual = {"name": "place-order", "workspace": workspace, "store": str(tmp_path / "store"), "backend": "local"}
    return lambda **facts: run_arguments(**{**usual, **facts})


def _check(arguments: dict[str, Any]) -> tuple[Problem, ...]:
    return reqflo_ray.check(arguments["journey"], arguments["data"], target=arguments["target"])


def _data(tmp_path: Path, text: str) -> str:
    file = tmp_path / "rows.csv"
    file.write_text("order_ref,customer_id,total\n" + text)
    return str(file)


def _modules_after(code: str) -> set[str]:
    """The top-level packages, and all of ours, that a fresh interpreter has loaded after `code`."""
    tell = "import sys; print(' '.join(name for name in sys.modules if name.startswith('reqflo') or '.' not in name))"
    ended = subprocess.run([sys.executable, "-c", f"{code}\n{tell}"], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="runn"):
        reqflo_ray.runn  # noqa: B018 - asking is what is tested


def test_a_run_and_its_answer(orders: Callable[..., dict[str, Any]], shop: DemoServer, tmp_path: Path) -> None:
    data = _data(tmp_path, "a-1,cus-1,1.50\na-2,cus-2,2\na-3,,3\n".replace("a-3,,3", "a-3,cus-3,3"))
    outcome = reqflo_ray.run(**orders(source=data, key="order_ref"))
    assert (outcome.exit_code, outcome.complete, outcome.resumed) == (0, True, False)
    assert outcome.verdict.status is Status.PASSED and outcome.verdict.counts.rows == 3
    store = reqflo_ray.open_store(str(tmp_path / "store"))
    answer = store.query("select row_key, status from results order by row_index", runs=[outcome.run_id])
    assert list(answer.rows()) == [("a-1", "passed"), ("a-2", "passed"), ("a-3", "passed")]
    assert [run.run_id for run in store.runs()] == [outcome.run_id]
    assert store.row(outcome.run_id, "a-2", step="create").steps[0]["http_response_status_code"] == 201
    assert store.verify(outcome.run_id).ok
    page = tmp_path / "page.html"
    reqflo_ray.write_reports("latest", [("html", page), ("junit", str(tmp_path / "j.xml"))], store=outcome.store)
    assert outcome.run_id in page.read_text() and (tmp_path / "j.xml").exists()
    with pytest.raises(UsageError, match="no report format `junti`"):
        reqflo_ray.write_reports("latest", [("junti", page)], store=outcome.store)
    assert shop.ledger()["orders_created"] == 3


def test_what_is_run_again_under_its_id_sends_nothing(orders: Callable[..., dict[str, Any]], shop: DemoServer) -> None:
    given = {"order_ref": "a", "customer_id": "cus", "total": "1"}
    first = reqflo_ray.run(**orders(overrides=given, run_id="mine"))
    seen = shop.ledger()["total"]
    again = reqflo_ray.run(**orders(overrides=given, run_id="mine"))
    resumed = reqflo_ray.resume("mine", target=Target(store=first.store))
    assert shop.ledger()["total"] == seen
    assert again.verdict == first.verdict == resumed.verdict
    assert again.resumed and resumed.resumed
    with pytest.raises(RunConflictError, match="mine"):
        reqflo_ray.run(**orders(overrides={**given, "total": "2"}, run_id="mine"))


def test_a_rerun_runs_what_failed_with_new_keys(orders: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    data = _data(tmp_path, "a-1,cus-1,1\na-2,cus-2,2\n")
    first = reqflo_ray.run(**orders(source=data, key="order_ref"))
    with pytest.raises(NothingSelectedError, match=first.run_id):
        reqflo_ray.rerun(first.run_id, failed=True, target=Target(store=first.store))
    again = reqflo_ray.rerun(first.run_id, target=Target(store=first.store))
    assert again.run_id != first.run_id and again.verdict.counts.rows == 2
    store = reqflo_ray.open_store(first.store)
    keys = store.query("select distinct idempotency_key from steps where step_id = 'create'", "all")
    assert len(list(keys.rows())) == 4


def test_a_listener_is_told_in_order(orders: Callable[..., dict[str, Any]]) -> None:
    class Told:
        def __init__(self) -> None:
            self.calls: list[str] = []

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_: self.calls.append(name)

    told = Told()
    reqflo_ray.run(**orders(overrides={"order_ref": "a", "customer_id": "c", "total": "1"}, listener=told))
    assert told.calls[0] == "started" and told.calls[-1] == "finished"


def test_a_compiled_journey_is_the_same_every_time(orders: Callable[..., dict[str, Any]]) -> None:
    workspace = orders()["journey"].workspace
    first, second = (reqflo_ray.compile(Journey("place-order", workspace=workspace)) for _ in range(2))
    assert first.digest == second.digest and first.problems == ()
    changed = reqflo_ray.compile(Journey("place-order", workspace=workspace, overlays=("no-token",)))
    assert changed.digest != first.digest


def test_a_check_finds_everything_and_sends_nothing(orders: Callable[..., dict[str, Any]], shop: DemoServer) -> None:
    problems = _check(orders(overrides={"totl": "1"}, environment="stagin"))
    assert {problem.code for problem in problems} == {"unknown_environment", "undeclared_value"}
    assert shop.ledger()["total"] == 0


def test_a_check_of_a_journey_that_does_not_compile_goes_on_with_the_rest(
    orders: Callable[..., dict[str, Any]],
) -> None:
    request = orders(overrides={"totl": "1"}, environment="stagin", case="Gift", source="no.csv")
    journey = request["journey"].workspace / "journeys" / "place-order.yaml"
    journey.write_text(journey.read_text().replace("{{ inputs.customer_id }}", "{{ inputs.customer }}", 1))
    wanted = ["invalid_reference", "unknown_environment", "unknown_case", "undeclared_value", "no_such_file"]
    assert [problem.code for problem in _check(request)] == wanted
    with pytest.raises(DefinitionError) as refused:
        reqflo_ray.run(**request)
    assert [problem.code for problem in refused.value.problems] == wanted


@pytest.mark.parametrize("broken", ["workspace: [", "workspace: {default: {environment: local}}"])
def test_what_lies_in_a_file_that_cannot_be_read_is_not_missed(
    orders: Callable[..., dict[str, Any]], broken: str
) -> None:
    request = orders(case="Gift order")
    (request["journey"].workspace / "reqflo.yaml").write_text(broken)
    (problem,) = _check(request)
    assert problem.position is not None and problem.position.file.endswith("reqflo.yaml")


def test_a_check_reads_every_row(orders: Callable[..., dict[str, Any]], tmp_path: Path, shop: DemoServer) -> None:
    data = _data(tmp_path, "a,cus,1\nb,cus\na,,x\n")
    problems = _check(orders(source=data, key="order_ref", environment="stagin"))
    assert [problem.code for problem in problems] == [
        *("unknown_environment", "wrong_cell_count", "duplicate_key", "missing_value", "invalid_value")
    ]
    assert "missing_column" in [problem.code for problem in _check(orders(source=data, key="ref"))]
    assert _check(orders(source=_data(tmp_path, "a,cus,1\n"), key="order_ref")) == ()
    assert not (tmp_path / "store").exists() and shop.ledger()["total"] == 0


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", "[]"), ("a.jsonl", ""), ("a.csv", "order_ref,customer_id,total")]
)
def test_a_dataset_without_a_row_selects_nothing(
    name: str, text: str, orders: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    arguments = orders(source=tmp_path / name)
    for command in (lambda: _check(arguments), lambda: reqflo_ray.run(**arguments)):
        with pytest.raises(NothingSelectedError):
            command()
    assert reqflo_ray.open_store(str(tmp_path / "store")).runs() == []


@pytest.mark.parametrize(
    ("facts", "error", "code"),
    [
        ({"name": "place-oder"}, DefinitionError, "unknown_journey"),
        ({"workspace": Path("/nowhere")}, UsageError, "no_workspace"),
        ({"environment": "stagin"}, DefinitionError, "unknown_environment"),
        ({"source": "no.csv"}, DatasetError, "no_such_file"),
        ({"overrides": {"order_ref": "a", "customer_id": "c", "total": "lots"}}, DefinitionError, "wrong_type"),
        ({"run_id": "../up"}, UsageError, "invalid_run_id"),
        ({"artifact": Path("no.json"), "name": ""}, UsageError, "unreadable_artifact"),
    ],
)
def test_what_cannot_be_run_is_an_error_with_its_code(
    orders: Callable[..., dict[str, Any]], facts: dict[str, Any], error: type[ReqfloError], code: str
) -> None:
    given = {"overrides": {"order_ref": "a", "customer_id": "c", "total": "1"}}
    with pytest.raises(error) as refused:
        reqflo_ray.run(**orders(**{**given, **facts}))
    assert refused.value.code == code


def test_evidence_of_nothing_keeps_the_verdicts(orders: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    facts = {"overrides": {"order_ref": "a", "customer_id": "c", "total": "1"}, "evidence": Evidence.NONE}
    outcome = reqflo_ray.run(**orders(**facts))
    row = reqflo_ray.open_store(outcome.store).row("latest", "0")
    assert [step["status"] for step in row.steps] == ["passed"] * 3
    assert all(step["http_response_body"] is None and not step["http_request_headers"] for step in row.steps)


def test_importing_it_loads_nothing_heavy() -> None:
    loaded = _modules_after("import reqflo_ray")
    assert not loaded & {"ray", "pyarrow", "aiohttp", "httpx", "duckdb", "pydantic", "ruamel", "typer", "uvloop"}


def test_checking_loads_neither_ray_nor_an_http_library() -> None:
    loaded = _modules_after("import reqflo_ray; reqflo_ray.check")
    assert not loaded & {"ray", "aiohttp", "httpx", "duckdb", "pyarrow"}


def test_the_program_itself_loads_nothing_heavy() -> None:
    loaded = _modules_after("import reqflo_ray._internal.cli.main")
    assert not loaded & {"ray", "pyarrow", "aiohttp", "httpx", "duckdb", "pydantic", "ruamel"}


@pytest.mark.parametrize(
    "module", ["ray_cluster.worker", "runner.execute.host", "runner.execute.shard", "runner.execute.worker.worker"]
)
def test_a_worker_never_sees_the_compiler(module: str) -> None:
    # Ray itself brings pydantic into its workers: only what our own module asks for is looked at.
    code = f"import sys; sys.modules['ray'] = type(sys)('ray'); import reqflo_ray._internal.{module}"
    loaded = _modules_after(code)
    assert f"reqflo_ray._internal.{module}" in loaded
    assert not {
        name
        for name in loaded
        if name.startswith(("reqflo_ray._internal.compiler", "reqflo_ray._internal.api", "reqflo_ray._internal.cli"))
    }
    assert not loaded & {"pydantic", "ruamel", "typer", "duckdb"}
