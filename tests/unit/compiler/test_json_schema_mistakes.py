"""The JSON Schema refuses what the compiler refuses, and accepts what it accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from schema_check import complaints, documents, need_accepted

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.files import ROOT_KEYS
from reqflo_ray._internal.compiler.workspace.load import Workspace, load_workspace
from reqflo_ray._internal.errors import ReqfloError, Severity

REPOSITORY = Path(__file__).parents[3]
Maker = Callable[[Mapping[str, str]], Workspace]


def journey(steps: str) -> str:
    return f"journey: {{name: j, variables: [{{name: v}}], steps: [{steps}]}}"


def step(more: str) -> str:
    return journey(f"{{id: a, request: {{url: /a}}, {more}}}")


def assertion(text: str) -> str:
    return step(f"assertions: [{{{text}}}]")


def request(more: str) -> str:
    return journey(f"{{id: a, request: {{url: /a, {more}}}}}")


JOURNEYS = [
    "journey: null",
    "journey: []",
    "journey: {steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j}",
    "journey: {name: j, steps: []}",
    "journey: {name: j, stepz: [{id: a, request: {url: /a}}]}",
    "journey: {name: '', steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, version: 1.0, steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, on_failure: stop, steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, inputs: [{required: true}], steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, inputs: [{name: x, type: float}], steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, inputs: [{name: x, value: 1}], steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, variables: [{name: x, source: env}], steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, variables: [{name: x, key: y}], steps: [{id: a, request: {url: /a}}]}",
    "journey: {name: j, variables: [{name: x, value: 1, default: 2}], steps: [{id: a, request: {url: /a}}]}",
]
STEPS = [
    journey("{id: a}"),
    journey("{id: a, template: t, request: {url: /a}}"),
    journey("{id: a, type: http, request: {url: /a}}"),
    journey("{id: a, type: sleep, duration: 1s}"),
    journey("{id: a b, request: {url: /a}}"),
    journey("{id: a, type: wait}"),
    journey("{id: a, type: wait, duration: 5}"),
    journey("{id: a, type: wait, duration: 1s, request: {url: /a}}"),
    journey("{id: a, type: note}"),
    journey("{id: a, type: note, text: x, outputs: {o: status}}"),
    journey("{id: a, type: set_variable}"),
    journey("{id: a, type: set_variable, values: {}}"),
    journey("{id: a, type: sub_journey}"),
    journey("{id: a, type: poll, request: {url: /a}}"),
    journey("{id: a, request: {method: GET}}"),
    step("assertion: []"),
    step("values: {x: 1}"),
    step("duration: 1s"),
    step("timeout: 5"),
    step("timeout: 5 sec"),
    step("timeout: 0s"),
    step("timeout: {total: 25h}"),
    step("timeout: {write: 5s}"),
    step("retry: {count: -1}"),
    step("retry: {count: 101}"),
    step("retry: {delay: 200}"),
    step("retry: {causes: []}"),
    step("retry: {causes: [timeout]}"),
    step("retry: {backoff: expo}"),
    step("poll: {interval: 1s}"),
    step("poll: {until: []}"),
    step("poll: {until: [{type: status_code}]}"),
    step("on_interrupt: retry"),
    step("on_failure: stop"),
    step("idempotency: {header: 'a b'}"),
    step("flaky: 'yes'"),
    step("outputs: {o: {pth: body.x}}"),
    step("outputs: [{name: o}]"),
    step("outputs: {o: cookies.x}"),
    step("outputs: [{name: o, path: $.order.id}]"),
    step("outputs: {o: status.code}"),
    step("outputs: {o: headers}"),
    step("outputs: {'': status}"),
    assertion("type: header, name: ''"),
    assertion("type: json_path, path: '$.{{ inputs.a }}', operator: exists"),
]
REQUESTS = [
    request("method: get"),
    request("method: PROPFIND"),
    request("body: {}"),
    request("body: {json: {}, text: x}"),
    request("body: text"),
    request("body: {text: 5}"),
    request("body: {form: [a]}"),
    request("body: {multipart: {a: {fle: x}}}"),
    request("body: {multipart: [{name: a, fle: x}]}"),
    request("body: {multipart: [{name: a}]}"),
    request("body: {multipart: {a: {value: x, file: y}}}"),
    request("headers: {a: [x]}"),
    request("headers: {'a b': x}"),
    request("query: [a]"),
]
ASSERTIONS = [
    assertion("expected: 200"),
    assertion("type: status, expected: 200"),
    assertion("type: status_code"),
    assertion("type: status_code, expected: '200'"),
    assertion("type: status_code, expected: 99"),
    assertion("type: status_code, expected: 20x"),
    assertion("type: status_code, expected: []"),
    assertion("type: status_code, expected: 200, path: $.a"),
    assertion("type: status_code, operator: less_than, expected: 300"),
    assertion("type: status_code, expected: 200, value: 200"),
    assertion("type: json_path, operator: exists"),
    assertion("type: json_path, path: $.a, expected: 1"),
    assertion("type: json_path, path: order.id, operator: exists"),
    assertion("type: json_path, path: $.a, operator: equal, expected: 1"),
    assertion("type: json_path, path: $.a, operator: equals"),
    assertion("type: json_path, path: $.a, operator: exists, expected: 1"),
    assertion("type: json_path, path: $.a, operator: greater_than, expected: '5'"),
    assertion("type: json_path, path: $.a, operator: in, expected: a"),
    assertion("type: json_path, path: $.a, operator: type, expected: text"),
    assertion("type: json_path, path: $.a, operator: length, expected: -1"),
    assertion("type: json_path, path: $.a, operator: matches, expected: 5"),
    assertion("type: header, expected: x"),
    assertion("type: header, name: x, operator: equals"),
    assertion("type: header, name: x, header: x"),
    assertion("type: body_contains"),
    assertion("type: body_contains, operator: contains, expected: x"),
    assertion("type: json_schema"),
    assertion("type: json_schema, schema: object"),
    assertion("type: response_time"),
    assertion("type: response_time, max: 2s, max_ms: 2000"),
    assertion("type: response_time, max: 2 seconds"),
    assertion("type: response_time, max_ms: -1"),
]
OTHERS = [
    "templates: []",
    "template: {key: t}",
    "template: {key: t, url: /a, values: [{name: x, in: cookie}]}",
    "templates: {t: {url: /a, methd: GET}}",
    "environment: {services: {}}",
    "environment: {name: e, services: {s: {}}}",
    "environment: {name: e, services: {s: {base_url: shop.example}}}",
    "environment: {name: e, services: {s: {base_url: 'http://ann:pw@shop.example'}}}",
    "environment: {name: e, services: {s: {base_url: 'http://shop.example?x=1'}}}",
    "case: {name: c}",
    "case: {name: c, journey: j, value: {}}",
    "preset: {values: {}}",
    "overlay: {name: o, steps: {a: {skip: true}}}",
    "overlay: {name: o, journey: j, steps: {}}",
    "overlay: {name: o, journey: j, steps: [{skip: true}]}",
    "overlay: {name: o, journey: j, steps: {a: {assertions: [{type: status_code, expected: 401}]}}}",
    "overlay: {name: o, journey: j, steps: {a: {outputs: {removed: [o]}}}}",
]
SETTINGS = [
    "{http: {engine: aiohtp}}",
    "{http: {connect_timeout: 5000}}",
    "{http: {total_timeout: 0s}}",
    "{http: {max_redirects: 21}}",
    "{http: {max_body_bytes: 0}}",
    "{http: {max_body_bytes: 32MB}}",
    "{http: {proxy: proxy.example}}",
    "{http: {proxy: {url: 'http://ann:pw@proxy.example'}}}",
    "{http: {proxy: {url: 'http://proxy.example', password: secret}}}",
    "{http: {user_agent: ''}}",
    "{runner: {rate: -5}}",
    "{runner: {rate: 0}}",
    "{runner: {workers: 0}}",
    "{runner: {workers: many}}",
    "{runner: {concurrency: 0}}",
    "{runner: {row_timeout: 600}}",
    "{secrets: {source: vault}}",
    "{secrets: {file: {foldr: x}}}",
    "{secrets: {gcp: {project: a, region: b}}}",
    "{secrets: {names: {A: {hosts: []}}}}",
    "{secrets: {names: {A: {version: 3}}}}",
    "{include: [/etc]}",
    "{exclude: [../other]}",
    "{nme: shop}",
]


@pytest.mark.parametrize("text", [*JOURNEYS, *STEPS, *REQUESTS, *ASSERTIONS, *OTHERS])
def test_a_mistake_is_refused_by_the_schema_and_by_the_compiler(text: str, make_workspace: Maker) -> None:
    assert refused_by_schema(text)
    workspace = make_workspace({"j.yaml": text})
    assert errors(workspace) or refused_by_compiler(workspace)


@pytest.mark.parametrize("text", SETTINGS)
def test_a_mistake_in_settings_is_refused_by_the_schema_and_by_the_compiler(text: str, make_workspace: Maker) -> None:
    assert refused_by_schema(f"workspace: {text}")
    assert errors(make_workspace({"reqflo.yaml": f"workspace: {text}"}))


def refused_by_schema(text: str) -> list[str]:
    return [complaint for document in documents(text) for complaint in complaints(document)]


def refused_by_compiler(workspace: Workspace) -> bool:
    try:
        compile_journey(workspace, "j")
    except ReqfloError as problem:
        return "unknown_journey" not in str(problem.code)
    return False


def errors(workspace: Workspace) -> list[Any]:
    found = [*workspace.problems, *(problem for one in workspace.definitions() for problem in one.problems)]
    return [problem for problem in found if problem.severity is Severity.ERROR]


def test_the_base_of_the_mistakes_is_valid(make_workspace: Maker) -> None:
    for text in (step("flaky: true"), request("method: POST"), assertion("type: status_code, expected: 200")):
        assert not refused_by_schema(text)
        assert not refused_by_compiler(make_workspace({"j.yaml": text}))


def test_a_document_has_exactly_one_root_key() -> None:
    assert refused_by_schema("{}")
    assert refused_by_schema("{preset: {name: p}, case: {name: c, journey: j}}")


@pytest.mark.parametrize(
    "text",
    [
        journey("{type: wait, skip: true}, {id: a, template: t, values: {x: 1}}"),
        journey("{id: a, request: POST /orders, values: {x: 1}}"),
        step("timeout: 1.5s, idempotency: false, outputs: {a: status, b: headers.x-id, c: {path: 'response.body[0]'}}"),
        step("outputs: {a: $.response.body.x, b: \"headers['x']\"}, retry: {count: 2, delay: 0s}"),
        request("body: {multipart: {a: text, b: 5, c: {file: x.png, content_type: image/png}}}"),
        request("body: {json: null}"),
        assertion("type: status_code, expected: [200, 2xx, 300-399, '{{ inputs.s }}']"),
        assertion("type: json_path, path: $.a, operator: greater_than, value: '{{ inputs.n }}'"),
        assertion("type: json_path, path: $.a, operator: equals, expected: null"),
        assertion("type: header, header: x"),
        assertion("type: response_time, max: 200"),
        "templates: {t: {url: /a}}",
        "workspace: {http: {engine: aiohttp, proxy: 'http://ann:{{ secrets.P }}@proxy.example:3128'}}",
        "workspace: {secrets: {source: gcp, gcp: {project: p}}, runner: {workers: '2:16', rate: 0.5}}",
        "environment: {name: e, services: {s: {base_url: '{{ secrets.URL }}'}}, proxy: none}",
    ],
)
def test_every_form_that_may_be_written_is_accepted(text: str) -> None:
    assert refused_by_schema(text) == []


def workspaces() -> list[Path]:
    """The folders of all workspaces in the repository."""
    markers = [*REPOSITORY.glob("examples/**/reqflo.yaml"), *REPOSITORY.glob("tests/**/reqflo.yaml")]
    return sorted(marker.parent for marker in markers)


def test_every_valid_document_of_the_repository_is_accepted() -> None:
    accepted = 0
    for folder in workspaces():
        workspace = load_workspace(folder)
        broken = {definition.file for definition in workspace.definitions() if definition.model is None}
        broken |= {problem.position.file for problem in workspace.problems if problem.position}
        for file in workspace.files:
            name = file.relative_to(workspace.root).as_posix()
            if name in broken or not set(ROOT_KEYS) & set(documents(file.read_bytes())[0]):
                continue
            if not any(refused_by_journey(workspace, one.name) for one in workspace.journeys if one.file == name):
                need_accepted([file])
                accepted += 1
    assert accepted > 80


def refused_by_journey(workspace: Workspace, name: str) -> bool:
    try:
        compile_journey(workspace, name)
    except ReqfloError:
        return True
    return False
