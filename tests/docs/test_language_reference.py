"""The reference of the language names every word of it, and each of its examples is valid."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from doc_page import fences
from schema_check import complaints, documents

from docs.generate.language import pages
from reqflo_ray._internal.compiler.authoring.json_schema import model_schema
from reqflo_ray._internal.compiler.authoring.kinds import ASSERTION_FIELDS, STEP_FIELDS, WORDS
from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.model import limits

PAGES = pages()
TEXT = "\n".join(PAGES.values())
SCHEMA = model_schema()
EXAMPLES = Path(__file__).parents[2] / "examples"
BLOCKS = [
    (page, number, block)
    for page, text in PAGES.items()
    for number, block in enumerate(fence.body for fence in fences(text) if fence.language == "yaml")
]
ENVIRONMENT = """
environment:
  name: local
  services: {shop-api: {base_url: "http://127.0.0.1:8480"}}
  values: {region: local}
"""


def properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for model, definition in {"document": SCHEMA, **SCHEMA["$defs"]}.items():
        for name, property in definition.get("properties", {}).items():
            yield model, name, property


def test_every_property_is_in_a_table_of_its_model() -> None:
    for model, name, property in properties():
        if not model.endswith("Entry"):  # the map form, which has the same properties
            description = property["description"].replace("|", "\\|")
            assert re.search(rf"^\| `{name}` \|.*\| {re.escape(description)} \|", TEXT, re.MULTILINE), f"{model}.{name}"


def test_every_word_of_a_closed_list_is_explained() -> None:
    explained = {word for words in WORDS for word in words if f"| `{word}` | {words[word]} |" in TEXT}
    assert {word for words in WORDS[:3] for word in words} <= explained
    for node in (property for _, _, property in properties() if "enum" in property):
        for word in node["enum"]:
            assert f"`{word}`" in TEXT


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(part)


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_every_word_of_the_examples_is_in_the_reference(file: Path) -> None:
    names = {name for _, name, _ in properties()}
    found = {key for document in documents(file.read_bytes()) for key in keys(document) if key in names}
    assert found
    assert {key for key in found if f"| `{key}` |" not in TEXT} == set()
    sources = re.findall(r"\{\{ *(\w+)", file.read_text())
    assert {source for source in sources if f"| `{source}." not in TEXT} == set()


@pytest.mark.parametrize("model", ["document", *SCHEMA["$defs"]])
def test_the_example_of_a_property_is_valid(model: str) -> None:
    definition = SCHEMA if model == "document" else SCHEMA["$defs"][model]
    for name, property in definition.get("properties", {}).items():
        validator = jsonschema_rs.validator_for({"$defs": SCHEMA["$defs"], **property})
        for example in property["examples"]:
            assert [error.message for error in validator.iter_errors(example)] == [], f"{model}.{name}: {example}"


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=[f"{page}-{number}" for page, number, _ in BLOCKS])
def test_an_example_of_the_reference_compiles(page: str, number: int, block: str, tmp_path: Path) -> None:
    found = documents(block)
    assert [complaint for document in found for complaint in complaints(document)] == []
    is_settings = "workspace" in found[0]
    (tmp_path / "reqflo.yaml").write_text(block if is_settings else "workspace: {name: example}\n---" + ENVIRONMENT)
    if not is_settings:
        (tmp_path / "example.yaml").write_text(block)
    workspace = load_workspace(tmp_path)
    assert workspace.problems == ()
    assert [problem for one in workspace.definitions() for problem in one.problems] == []
    for journey in workspace.journeys:
        assert compile_journey(workspace, journey.name).problems == ()


def test_the_reference_has_examples_on_each_page_of_the_language() -> None:
    assert len(BLOCKS) >= 11
    assert {page for page in PAGES if "language/" in page} - {page for page, _, _ in BLOCKS} == {"language/limits.md"}


@pytest.mark.parametrize("type", ["http_request", "set_variable", "wait", "note", "sub_journey"])
def test_the_table_of_step_types_lists_what_each_takes(type: str) -> None:
    row = re.search(rf"^\| `{type}` \| (`.*?) \| .* \|$", PAGES["language/step.md"], re.MULTILINE)
    assert row is not None
    assert set(re.findall("`([a-z_]+)`", row[1])) == STEP_FIELDS[type]


def test_the_table_of_assertion_types_has_them_all() -> None:
    for type in ASSERTION_FIELDS:
        assert len(re.findall(rf"^\| `{type}` \|", PAGES["language/assertion.md"], re.MULTILINE)) >= 2


def test_the_limits_of_the_reference_are_those_of_the_product() -> None:
    for limit in (
        *(limits.MAX_STEPS, limits.MAX_NESTING, limits.MAX_VALUES, limits.MAX_CHARACTERS, limits.MAX_CHAIN),
        *(limits.MAX_URL, limits.MAX_EXPRESSION, limits.MAX_SUBSCHEMAS),
    ):
        assert f"| {limit:,} |" in PAGES["language/limits.md"]


def test_every_link_leads_to_a_heading() -> None:
    links = [(page, link) for page, text in PAGES.items() for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert len(links) > 40
    for page, link in links:
        path, _, heading = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        headings = re.findall(r"^#+ (.*)$", PAGES[target], re.MULTILINE)
        anchors = {re.sub(r"[^\w\s-]", "", one).strip().lower().replace(" ", "-") for one in headings}
        assert not heading or heading in anchors, f"{page}: {link}"


def test_no_mark_of_a_part_is_left() -> None:
    assert "<!-- properties" not in TEXT
    assert "<!-- words" not in TEXT
