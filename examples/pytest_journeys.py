"""A pytest plugin: each `NAME.journey.yaml` of a workspace is a test, with the rows of `NAME.journey.csv` beside it.

Copy this file next to your `conftest.py`, and add `pytest_plugins = ["pytest_journeys"]` to that; or run
`pytest -p pytest_journeys`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reqflo_ray
from reqflo_ray.testing import temporary_store


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--journey-env", metavar="NAME", help="environment of the journeys, if not the default one")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return JourneyFile.from_parent(parent, path=file_path) if file_path.name.endswith(".journey.yaml") else None


class JourneyFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield JourneyTest.from_parent(self, name=self.path.name.removesuffix(".journey.yaml"))


class JourneyTest(pytest.Item):
    def runtest(self) -> None:
        workspace = next(folder for folder in self.path.parents if (folder / "reqflo.yaml").exists())
        environment = self.config.getoption("--journey-env")
        journey = reqflo_ray.Journey(str(self.path), workspace=workspace, environment=environment)
        rows = self.path.with_suffix(".csv")
        with temporary_store() as store:
            target = reqflo_ray.Target(store=store, backend="local")
            verdict = reqflo_ray.run(journey, rows if rows.exists() else None, target=target).verdict
        if verdict.exit_code:
            failed = [f"row {row.row_key or row.row_index}, step {row.step}: {row.message}" for row in verdict.failures]
            summary = f"{verdict.counts.passed} of {verdict.counts.rows} rows passed"
            pytest.fail("\n".join([summary, *failed]), pytrace=False)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, reqflo_ray.ReqfloError):
            return super().repr_failure(excinfo, style)
        return "\n".join(f"{found.position or self.path}: {found.message}" for found in excinfo.value.all_problems())

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"journey {self.name}"
