"""The types of steps and assertions: which fields each takes and needs, and what every word of a closed list means.

It must not know how a step or an assertion is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reqflo_ray._internal.model.artifact import AssertionType, Operator

_REQUEST_FIELDS: Final = frozenset(
    {
        *("template", "request", "values", "assertions", "outputs", "retry", "poll", "flaky"),
        *("timeout", "idempotency", "on_interrupt", "on_failure"),
    }
)
COMMON_STEP_FIELDS: Final = frozenset({"id", "name", "description", "type", "skip"})
STEP_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "http_request": _REQUEST_FIELDS,
    "poll": _REQUEST_FIELDS,
    "set_variable": frozenset({"values"}),
    "wait": frozenset({"duration"}),
    "note": frozenset({"text"}),
    "sub_journey": frozenset({"journey", "inputs"}),
}

COMMON_ASSERTION_FIELDS: Final = frozenset({"type", "id", "description", "soft"})
ASSERTION_FIELDS: Final[Mapping[AssertionType, frozenset[str]]] = {
    AssertionType.STATUS_CODE: frozenset({"expected", "operator"}),
    AssertionType.JSON_PATH: frozenset({"path", "operator", "expected"}),
    AssertionType.HEADER: frozenset({"name", "operator", "expected"}),
    AssertionType.BODY_CONTAINS: frozenset({"expected"}),
    AssertionType.BODY_EQUALS: frozenset({"expected"}),
    AssertionType.JSON_SCHEMA: frozenset({"schema"}),
    AssertionType.RESPONSE_TIME: frozenset({"max", "max_ms", "expected"}),
}
WITHOUT_EXPECTED: Final = (Operator.EXISTS, Operator.NOT_EXISTS)
NUMERIC: Final = (
    Operator.GREATER_THAN,
    Operator.GREATER_THAN_OR_EQUAL,
    Operator.LESS_THAN,
    Operator.LESS_THAN_OR_EQUAL,
)
OPERATOR_ALIASES: Final = {"length_equals": "length"}
JSON_TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")

STEP_TYPES: Final[Mapping[str, str]] = {
    "http_request": "Sends one request, checks the response, and takes outputs from it.",
    "poll": "Repeats a request until all conditions of `poll.until` hold, or until `poll.timeout` is over.",
    "set_variable": "Assigns values to variables of the journey. Later steps read the new values.",
    "wait": "Waits for `duration`, and sends nothing.",
    "note": "Writes `text` into the results, and sends nothing.",
    "sub_journey": "Runs the steps of another journey of the workspace in this place.",
}
ASSERTION_TYPES: Final[Mapping[str, str]] = {
    "status_code": "Compares the status of the response.",
    "json_path": "Compares what a JSONPath finds in the JSON body.",
    "header": "Compares the value of a response header.",
    "body_contains": "Requires that the body, read as text, contains a text.",
    "body_equals": "Requires that the whole body equals a text, or that the JSON body equals a list or mapping.",
    "json_schema": "Validates the JSON body against a JSON Schema.",
    "response_time": "Requires that the last attempt of the request took at most a certain time.",
}
OPERATORS: Final[Mapping[str, str]] = {
    "exists": "A value is there; null counts as a value. Takes no `expected`.",
    "not_exists": "No value is there. Takes no `expected`.",
    "equals": "Both values are equal: numbers by value, lists and mappings in depth, text character by character.",
    "not_equals": "A value is there, and it differs from `expected`.",
    "contains": "A text contains the text, a list contains the item, or a mapping has the key.",
    "not_contains": "A value is there, and it does not contain `expected`.",
    "greater_than": "The number is greater than `expected`.",
    "greater_than_or_equal": "The number is greater than `expected` or equal to it.",
    "less_than": "The number is less than `expected`.",
    "less_than_or_equal": "The number is less than `expected` or equal to it.",
    "matches": "The regular expression `expected` matches somewhere in the text; anchor it with `^` and `$`.",
    "starts_with": "The text starts with the text `expected`.",
    "ends_with": "The text ends with the text `expected`.",
    "in": "The value equals one item of the list `expected`.",
    "not_in": "A value is there, and it equals no item of the list `expected`.",
    "type": "The value has the JSON type `expected`.",
    "length": "A text has this many characters, a list this many items, or a mapping this many keys.",
    "length_equals": "Another word for `length`.",
}
WORDS: Final[tuple[Mapping[str, str], ...]] = (
    STEP_TYPES,
    ASSERTION_TYPES,
    OPERATORS,
    {
        "equals": "The status is the expected one, is in the expected range, or is one of the expected list.",
        "in": "Another word for `equals`.",
    },
    {
        "continue": "The row continues with the next step.",
        "halt": "The row ends, and its other steps are skipped.",
    },
    {
        "resend": "The request is sent again, with the same idempotency key if it has one.",
        "fail": "The request is not sent again, and the row ends with the status `inconclusive`.",
    },
    {
        "error": "The request could not be carried out: no connection, a timeout, or a status of 500 or more without a "
        "`status_code` assertion.",
        "failed": "The API answered, and an assertion did not hold.",
    },
    {
        "constant": "Every retry waits for `delay`.",
        "linear": "The n-th retry waits n times as long as `delay`.",
        "exponential": "Each retry waits twice as long as the one before.",
    },
    {
        "number": "A JSON number, with or without a fraction. All digits are kept.",
        "integer": "A JSON number without a fraction.",
        "boolean": "`true` or `false`; text may also be `TRUE` or `FALSE`.",
        "string": "Text.",
        "json": "Any JSON value; text is parsed as JSON.",
    },
    {
        "environment": "The value `key` of the chosen environment.",
        "me": "The value `key` of the person who starts the run, as in `{{ me.user }}`.",
        "preset": "A preset. The same as leaving `source` out.",
        "hard_coded": "`default`. The same as leaving `source` out.",
        "manual": "The person who starts the run, with `--set`. The same as leaving `source` out.",
    },
    {
        "path": "In place of `:name` in the path of the URL.",
        "query": "In the query, under the value's name.",
        "header": "In the headers, under the value's name.",
        "body": "In the JSON object, form, or multipart body, under the value's name.",
    },
    {
        "env": "Environment variables of the worker's process.",
        "file": "One file per secret in `folder`, readable by its owner only.",
        "gcp": "Google Cloud Secret Manager, in `project`.",
    },
    {
        "httptools": "The HTTP/1.1 engine of reqflo-ray; the faster one.",
        "httpx": "The httpx library; it also speaks HTTP/2 and supports SOCKS proxies.",
        "aiohttp": "An engine of version 0.1.0. It is read as `httptools`, and `check` warns about it.",
    },
    {
        "GET": "Reads. Safe to repeat.",
        "POST": "Creates or processes. Not safe to repeat without an idempotency key.",
        "PUT": "Replaces. Safe to repeat.",
        "PATCH": "Changes a part. Not safe to repeat without an idempotency key.",
        "DELETE": "Deletes. Safe to repeat.",
        "HEAD": "Reads the headers only. Safe to repeat.",
        "OPTIONS": "Asks what is possible. Safe to repeat.",
        "TRACE": "Asks for an echo. Treated as not safe to repeat.",
    },
    {
        "string": "Text.",
        "number": "Any number.",
        "integer": "A number without a fraction; `2.0` is one.",
        "boolean": "`true` or `false`.",
        "object": "A mapping.",
        "array": "A list.",
        "null": "`null`.",
    },
)
"""What each word of a closed list means; a list is known by the set of its words."""
