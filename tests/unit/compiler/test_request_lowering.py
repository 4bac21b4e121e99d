"""Requests: URLs, template values and their places, headers, queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.errors import Problem, Severity
from reqflo_ray._internal.model.artifact import HttpStep, RequestTemplate
from reqflo_ray._internal.model.values import ArrayNode, Literal, Namespace, ObjectNode, Reference, Text

Compiler = Callable[..., Compilation]
OnlyProblem = Callable[..., Problem]
Refused = Callable[..., tuple[Problem, ...]]

X = Reference(Namespace.INPUTS, "x")


def journey(step: str) -> str:
    return f"journey:\n  name: j\n  inputs: [{{name: x}}]\n  variables: [{{name: v}}]\n  steps:\n    - {step}\n"


@pytest.fixture
def request_of(compiled: Compiler) -> Callable[..., RequestTemplate]:
    def compile_step(step: str, **files: str) -> RequestTemplate:
        (found,) = compiled(journey(step), **files).artifact.steps
        assert isinstance(found, HttpStep)
        return found.request

    return compile_step


RequestOf = Callable[..., RequestTemplate]


def inline(url: str) -> str:
    return f'{{id: a, request: {{service: shop, url: "{url}"}}}}'


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a", ("/a",)),
        ("a", ("a",)),
        ("//a//b", ("//a//b",)),
        ("/a/{{ inputs.x }}/b", ("/a/", X, "/b")),
        ("/a/:x", ("/a/:x",)),
        ("/a?b=1&c=a%20b+c&d&&e=%E9", ("/a?b=1&c=a%20b+c&d&&e=%E9",)),
        ("/a?b=1{{ inputs.x }}2&c=3", ("/a?b=1", X, "2&c=3")),
        ("/{{ inputs.x }}?b={{ inputs.x }}&c=1", ("/", X, "?b=", X, "&c=1")),
        ("/a?", ("/a?",)),
    ],
)
def test_a_path_is_compiled_to_text_as_written_and_values(request_of: RequestOf, url: str, path: object) -> None:
    request = request_of(inline(url))
    assert (request.service, request.path, request.query, request.url) == ("shop", path, (), None)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("/a/:x/b:c", [":x"]),
        ("http://x/:x/:y?q=/:z", [":x", ":y"]),
        ("/a:b?c=/:d", []),
        ("http://x:80/a:b", []),
        ("{{ inputs.x }}/a/:id", [":id"]),
        ("{{ inputs.x }}:80/a:b?c=/:d", []),
    ],
)
def test_text_like_a_parameter_in_an_inline_request_causes_a_warning(
    compiled: Compiler, url: str, warned: list[str]
) -> None:
    found = compiled(
        journey(inline(url).replace("service: shop, ", "" if "://" in url else "service: shop, "))
    ).problems
    assert [problem.message.split()[0].strip("`") for problem in found] == warned
    assert {problem.code for problem in found} <= {"literal_parameter"}


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("/a/{id}?q={q}", [("{id}", "j.yaml:6:49"), ("{q}", "j.yaml:6:56")]),
        ("http://x/${id}", [("${id}", "j.yaml:6:55")]),
        ("/a{/id}{?page,size}", [("{/id}", "j.yaml:6:48"), ("{?page,size}", "j.yaml:6:53")]),
        ("http://{region}.example/", [("{region}", "j.yaml:6:53")]),
        ('/a/%7Bid%7D?q={\\"a\\":1}', []),
    ],
)
def test_single_braces_cause_a_warning_at_their_place(
    compiled: Compiler, url: str, warned: list[tuple[str, str]]
) -> None:
    found = compiled(journey(inline(url))).problems
    assert {problem.code for problem in found} <= {"literal_parameter"}
    assert [(problem.message.split("`")[1], str(problem.position)) for problem in found] == warned


def test_a_warning_of_braces_shows_how_to_insert_a_value(compiled: Compiler) -> None:
    [problem] = compiled(journey(inline("/a/{order_id}"))).problems
    assert problem.message == "`{order_id}` is sent as written: an expression is written in two braces"
    assert problem.hint == "write `{{ inputs.order_id }}` to insert a value"
    template = "template: {key: t, url: '/a/{p}/:p', values: [{name: p, in: path, required: true}]}"
    [problem] = compiled(journey("{id: a, template: t, values: {p: 1}}"), t=template).problems
    assert "`{{ values.p }}`" in problem.hint


def test_a_fragment_that_is_not_sent_causes_a_warning(compiled: Compiler) -> None:
    [problem] = compiled(journey('{id: a, request: {url: "http://x/tags/c#&limit=1"}}')).problems
    assert (problem.code, str(problem.position)) == ("literal_parameter", "j.yaml:6:46")
    assert "%23" in problem.hint
    [problem] = compiled(journey('{id: a, request: {url: "{{ inputs.x }}/c#d"}}')).problems
    assert (problem.code, str(problem.position)) == ("literal_parameter", "j.yaml:6:47")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://x.example/a?b=c", ("https://x.example/a?b=c",)),
        ("http://x:8080/{{ inputs.x }}", ("http://x:8080/", X)),
    ],
)
def test_an_absolute_url_needs_no_service(request_of: RequestOf, url: str, path: object) -> None:
    request = request_of(inline(url))
    assert (request.service, request.path, request.url) == ("", path, None)


@pytest.mark.parametrize(("url", "path"), [("{{ inputs.x }}", (X,)), ("{{ inputs.x }}/a", (X, "/a"))])
def test_a_url_that_begins_with_a_value_may_need_its_service(
    request_of: RequestOf, compiled: Compiler, url: str, path: object
) -> None:
    request = request_of(inline(url))
    assert (request.service, request.path) == ("shop", path)
    assert compiled(journey(inline(url))).artifact.requires.services == ()


def test_a_template_value_at_the_start_of_a_url_is_inlined(request_of: RequestOf) -> None:
    template = 'template: {key: t, url: "{{ values.base }}/a", values: [{name: base, required: true}]}'
    given = "{id: a, template: t, values: {base: %s}}"
    assert request_of(given % "http://x/", t=template).path == ("http://x/a",)
    assert request_of(given % '"http://{{ inputs.x }}:81/b"', t=template).path == ("http://", X, ":81/b/a")


OPTIONAL = "values: [{name: p, in: query}, {name: q, in: query}]"


@pytest.mark.parametrize(
    ("url", "given", "path"),
    [
        ("/a?p={{ values.p }}&x=1&q={{ values.q }}", "{}", ("/a?x=1",)),
        ("/a?p={{ values.p }}&x=1&q={{ values.q }}", "{q: 2}", ("/a?x=1&q=", Literal(2))),
        ("/a?p={{ values.p }}", "{}", ("/a",)),
        ("/a?P=1&x=1", "{p: 2}", ("/a?x=1",)),
        ("/a?%70=1", "{p: 2}", ("/a",)),
    ],
)
def test_template_values_replace_parameters_of_the_url(
    request_of: RequestOf, url: str, given: str, path: object
) -> None:
    template = f'template: {{key: t, url: "{url}", {OPTIONAL}}}'
    assert request_of(f"{{id: a, template: t, values: {given}}}", t=template).path == path


@pytest.mark.parametrize(
    ("url", "place"),
    [("/a/{{ values.p }}", "t.yaml:1:29"), ("/a?x=b{{ values.p }}", "t.yaml:1:32"), ("{{ values.p }}", "t.yaml:1:26")],
)
def test_an_unset_value_in_a_path_or_inside_text_is_an_error(only_problem: OnlyProblem, url: str, place: str) -> None:
    template = f'template: {{key: t, url: "{url}", values: [{{name: p}}]}}'
    problem = only_problem(journey("{id: a, template: t}"), t=template)
    assert (problem.code, str(problem.position)) == ("missing_required_value", place)


@pytest.mark.parametrize("url", ["ftp://x/a", "/a#b"])
def test_a_url_that_cannot_be_requested_is_refused(only_problem: OnlyProblem, url: str) -> None:
    assert only_problem(journey(inline(url))).code == "wrong_value"


@pytest.mark.parametrize("url", ["GET /a", "post http://x/a", "DELETE  {{ inputs.x }}"])
def test_a_method_in_a_url_is_refused_with_a_hint(only_problem: OnlyProblem, url: str) -> None:
    problem = only_problem(journey(inline(url)))
    assert (problem.code, str(problem.position)) == ("wrong_value", "j.yaml:6:45")
    assert problem.hint == f"move it to `method: {url.split()[0].upper()}`"


@pytest.mark.parametrize(
    "host", ["localhost:8480", "localhost", "127.0.0.1:80", "api.shop.example", "shop.example:443"]
)
def test_a_host_without_a_scheme_causes_a_warning(compiled: Compiler, host: str) -> None:
    [problem] = compiled(journey(inline(f"{host}/a"))).problems
    assert (problem.severity.value, problem.code) == ("warning", "wrong_value")
    assert f"`http://{host}`" in problem.hint


@pytest.mark.parametrize("url", ["orders", "orders/a.b/c", "v1.0/orders", "getters/a", "/localhost/a", "1.2.3/a"])
def test_a_path_without_a_slash_is_not_taken_for_a_host(compiled: Compiler, url: str) -> None:
    assert compiled(journey(inline(url))).problems == ()


def test_a_path_without_a_service_uses_the_only_one(request_of: RequestOf) -> None:
    assert request_of("{id: a, request: {url: /a}}").service == "shop"


def test_a_path_without_a_service_is_refused_if_there_are_several(only_problem: OnlyProblem) -> None:
    more = "environment: {name: more, services: {other: {base_url: http://x}}}"
    problem = only_problem(journey("{id: a, request: {url: /a}}"), more=more)
    assert (problem.code, str(problem.position)) == ("invalid_template", "j.yaml:6:30")


TEMPLATE = """
template:
  key: t
  method: POST
  service: shop
  url: /a/:p/{{ values.q }}
  headers: {Fixed: "1", X-Text: "a {{ values.h }} b", X-Whole: "{{ values.w }}"}
  query: {fixed: 1, listed: [1, "{{ values.w }}"]}
  body:
    json: {fixed: {deep: "{{ values.w }}"}, kept: 1.50}
  values:
    - {name: p, in: path, required: true}
    - {name: q, required: true}
    - {name: h, required: true}
    - {name: w}
    - {name: token, in: header}
    - {name: page, in: query}
    - {name: sku, in: body}
"""
GIVEN = '{id: a, template: t, values: {p: 1, q: "{{ inputs.x }}", h: "{{ inputs.x }}-{{ variables.v }}"%s}}'


def test_values_replace_their_placeholders(request_of: RequestOf) -> None:
    request = request_of(GIVEN % ', w: "{{ inputs.x }}"', t=TEMPLATE)
    assert request.path == ("/a/", Literal(1), "/", X)
    assert dict(request.headers) == {
        "Fixed": Literal("1"),
        "X-Text": Text(("a ", X, "-", Reference(Namespace.VARIABLES, "v"), " b")),
        "X-Whole": X,
    }
    assert dict(request.query) == {"fixed": Literal(1), "listed": ArrayNode((Literal(1), X))}
    assert request.body is not None
    assert isinstance(request.body.value, ObjectNode)
    assert request.body.value.fields[0] == ("fixed", ObjectNode((("deep", X),)))


def test_values_without_a_placeholder_go_where_in_says(request_of: RequestOf) -> None:
    request = request_of(GIVEN % ", token: abc, page: 2, sku: null", t=TEMPLATE)
    assert dict(request.headers)["token"] == Literal("abc")
    assert dict(request.query)["page"] == Literal(2)
    assert request.body is not None
    assert request.body.value is not None
    assert request.body.value == Literal({"fixed": {}, "kept": 1.5, "sku": None})


def test_the_field_of_an_optional_value_that_is_not_set_is_left_out(request_of: RequestOf) -> None:
    request = request_of(GIVEN % "", t=TEMPLATE)
    assert [name for name, _ in request.headers] == ["Fixed", "X-Text"]
    assert dict(request.query)["listed"] == Literal([1])


def test_a_header_value_replaces_a_fixed_header_whatever_its_case(request_of: RequestOf) -> None:
    template = "template: {key: t, url: /a, headers: {Accept: x}, values: [{name: accept, in: header}]}"
    assert request_of("{id: a, template: t, values: {accept: y}}", t=template).headers == (("accept", Literal("y")),)


@pytest.mark.parametrize(
    ("values", "code", "place"),
    [
        ("{p: 1, q: 2}", "missing_required_value", "j.yaml:6:36"),
        ("{p: 1, q: 2, h: 3, pagee: 4}", "undeclared_value", "j.yaml:6:55"),
        ("{p: 1, q: 2, h: null}", "wrong_type", "t.yaml:7:36"),
        ("{p: 1, q: 2, h: [1]}", "wrong_type", "t.yaml:7:36"),
    ],
)
def test_invalid_template_values_are_refused(only_problem: OnlyProblem, values: str, code: str, place: str) -> None:
    problem = only_problem(journey(f"{{id: a, template: t, values: {values}}}"), t=TEMPLATE)
    assert (problem.code, str(problem.position)) == (code, place)


def test_a_misspelled_value_gets_a_suggestion(only_problem: OnlyProblem) -> None:
    problem = only_problem(journey("{id: a, template: t, values: {p: 1, q: 2, h: 3, toke: 4}}"), t=TEMPLATE)
    assert problem.hint == "did you mean `token`?"


def test_a_missing_value_without_any_values_is_reported_at_the_step(only_problem: OnlyProblem) -> None:
    template = (
        "template: {key: t, url: /:p, values: [{name: p, in: path, required: true, recommended_source: variable}]}"
    )
    problem = only_problem(journey("{id: a, template: t}"), t=template)
    assert (problem.code, str(problem.position)) == ("missing_required_value", "j.yaml:6:7")
    assert "variable" in problem.hint


def test_an_optional_value_that_is_not_set_is_refused_inside_text(only_problem: OnlyProblem) -> None:
    template = 'template: {key: t, url: /a, headers: {A: "b {{ values.h }}"}, values: [{name: h}]}'
    problem = only_problem(journey("{id: a, template: t}"), t=template)
    assert (problem.code, str(problem.position)) == ("missing_required_value", "t.yaml:1:45")


@pytest.mark.parametrize(
    ("template", "code", "place"),
    [
        ("{key: t, url: /:p}", "invalid_reference", "t.yaml:1:26"),
        ('{key: t, url: /a, query: {a: "{{ values.p }}"}}', "invalid_reference", "t.yaml:1:41"),
        ('{key: t, url: /a, query: {a: "{{ values.p.q }}"}}', "invalid_reference", "t.yaml:1:41"),
        ("{key: t, url: /a, values: [{name: p, in: path}]}", "invalid_template", "t.yaml:1:38"),
        ("{key: t, url: /a, values: [{name: p}]}", "invalid_template", "t.yaml:1:38"),
        ("{key: t, url: /a, values: [{name: p, in: body}], body: {text: x}}", "", ""),
        ('{key: t, url: "http://x/:p", values: [{name: p, in: path}]}', "invalid_template", "t.yaml:1:25"),
        ('{key: t, url: /a, headers: {"a b": c}}', "wrong_value", "t.yaml:1:39"),
        ("{key: t, url: /a, headers: {a: b, A: c}}", "duplicate_key", "t.yaml:1:45"),
        ("{key: t, url: /a, headers: {a: [1]}}", "wrong_type", "t.yaml:1:42"),
        ('{key: t, url: /a, headers: {a: "b\\nc"}}', "wrong_value", "t.yaml:1:42"),
        ('{key: t, url: /a, headers: {a: "{{ inputs.x }}\\x07"}}', "wrong_value", "t.yaml:1:42"),
        ('{key: t, url: /a, headers: {a: "\\x7f"}}', "wrong_value", "t.yaml:1:42"),
        ('{key: t, url: /a, headers: {ä: "1"}}', "wrong_value", "t.yaml:1:39"),
        ('{key: t, url: /a, headers: {a: "日本 €\\t"}}', "", ""),
        ('{key: t, url: /a, query: {"{{ inputs.x }}": c}}', "", ""),
    ],
)
def test_a_template_without_a_valid_request_is_refused_at_its_place(
    refused: Refused, compiled: Compiler, template: str, code: str, place: str
) -> None:
    text, files = journey("{id: a, template: t}"), {"t": f"template: {template}"}
    if not code:
        assert compiled(text, **files)
        return
    problems = refused(text, **files)
    assert (code, place) in [(problem.code, str(problem.position)) for problem in problems]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ('{key: t, url: /a, headers: {A: "b {{ values.h }}"}, values: [{name: h}]}', "x\\ry"),
        ("{key: t, url: /a, values: [{name: h, in: header}]}", "x\\0y"),
        ("{key: t, url: /a, values: [{name: h, in: header}]}", "{{ inputs.x }}\\n"),
    ],
)
def test_a_value_that_cannot_be_sent_in_a_header_is_refused(refused: Refused, template: str, value: str) -> None:
    step = f'{{id: a, template: t, values: {{h: "{value}"}}}}'
    (problem,) = refused(journey(step), t=f"template: {template}")
    assert problem.code == "wrong_value"
    assert problem.message.endswith("which is not allowed in a header")
    assert problem.position is not None


@pytest.mark.parametrize(
    ("request_text", "told"),
    [
        ('body: {text: a, content_type: "text/plain; charset=iso-8859-1"}', "iso-8859-1"),
        ('body: {json: {a: 1}}, headers: {content-type: "application/json;charset=UTF-16"}', "UTF-16"),
        ('body: {text: a, content_type: "text/plain; charset=utf-8"}', ""),
        ('body: {form: {a: 1}}, headers: {Content-Type: "x/y; charset={{ inputs.x }}"}', ""),
        ('headers: {Content-Type: "text/plain; charset=iso-8859-1"}', ""),
    ],
)
def test_a_charset_other_than_utf_8_causes_a_warning(compiled: Compiler, request_text: str, told: str) -> None:
    step = f'{{id: a, request: {{url: "http://h/", method: POST, {request_text}}}}}'
    problems = [(problem.code, problem.severity, problem.message) for problem in compiled(journey(step)).problems]
    message = f"the body is sent as UTF-8, but its content type says `{told}`"
    assert problems == ([("wrong_charset", Severity.WARNING, message)] if told else [])


def test_blanks_around_a_header_value_cause_a_warning(compiled: Compiler) -> None:
    step = '{id: a, request: {url: "http://h/", headers: {A: " b", B: "c "}}}'
    told = [(problem.code, problem.severity) for problem in compiled(journey(step)).problems]
    assert told == [("blanks_lost", Severity.WARNING)] * 2


def test_templates_are_found_by_key_name_and_method_with_path(compiled: Compiler) -> None:
    templates = "templates: [{key: k, name: A name, method: POST, url: '/a/:b', values: [{name: b, in: path}]}]"
    digests = {
        compiled(journey(f'{{id: a, {field}: "{name}", values: {{b: 1}}}}'), t=templates).digest
        for field in ("template", "request")
        for name in ("k", "A name", "POST /a/:b", "post  /a/:b")
    }
    assert len(digests) == 1


TWO = "templates: [{key: k1, service: s1, method: GET, url: /a}, {key: k2, service: s2, method: GET, url: /a}]"


def test_an_ambiguous_template_names_the_candidates(only_problem: OnlyProblem) -> None:
    problem = only_problem(journey('{id: a, template: "GET /a"}'), t=TWO)
    assert (problem.code, str(problem.position)) == ("ambiguous_template", "j.yaml:6:25")
    assert "`k1` (s1) at t.yaml:1:13; `k2` (s2) at t.yaml:1:59" in problem.cause


def test_service_and_key_distinguish_templates(request_of: RequestOf) -> None:
    assert request_of('{id: a, template: {service: s2, key: "GET /a"}}', t=TWO).template == "k2"


def test_an_unknown_template_gets_a_suggestion(only_problem: OnlyProblem) -> None:
    problem = only_problem(journey('{id: a, template: "GET /b"}'), t=TWO)
    assert (problem.code, problem.hint) == ("unknown_template", "did you mean `GET /a`?")


def test_an_invalid_template_is_reported_where_it_is_used(refused: Refused) -> None:
    (problem,) = refused(journey("{id: a, template: t}"), t="template: {key: t, methd: GET, url: /a}")
    assert (problem.code, str(problem.position)) == ("unknown_key", "t.yaml:1:20")


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("{id: a}", "invalid_step"),
        ("{id: a, template: t, request: {url: /a}}", "invalid_step"),
        ("{id: a, request: {url: /a}, values: {x: 1}}", "undeclared_value"),
        ('{id: a, request: {url: "/{{ values.x }}"}}', "invalid_reference"),
    ],
)
def test_a_step_has_exactly_one_request(only_problem: OnlyProblem, step: str, code: str) -> None:
    assert only_problem(journey(step)).code == code


def test_a_template_may_use_the_environment_and_secrets(compiled: Compiler) -> None:
    template = 'template: {key: t, url: /a, headers: {A: "{{ secrets.T }}", B: "{{ env.region }}"}}'
    requires = compiled(journey("{id: a, template: t}"), t=template).artifact.requires
    assert (requires.secrets, requires.environment_keys) == (("T",), ("region",))


def test_leading_zeros_that_a_request_loses_cause_a_warning(compiled: Compiler) -> None:
    step = (
        "{id: a, request: {method: POST, url: 'http://h/x', headers: {X-Zip: 01}, query: {zip: 02},"
        " body: {json: {zip: [03, '04', 5]}}}}"
    )
    found = compiled(journey(step)).problems
    assert sorted(problem.message for problem in found) == [
        f"`0{digit}` is read as the number {digit}" for digit in (1, 2, 3)
    ]
    assert {problem.position.line for problem in found if problem.position} == {6}
