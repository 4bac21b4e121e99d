"""The rules of two schemas of JUnit XML, in our own words: those of Jenkins' xUnit plugin (junit-10), which refuses a
file that breaks one, and those of Ant's reports as Windy Road wrote them down. Neither file is copied here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Attributes: TypeAlias = Mapping[str, str]

TEXT: Final = r"(?s).*"
SOME: Final = r"(?s).*\S.*"  # a token of at least one character, after white space is collapsed
WHOLE: Final = r"[+-]?\d{1,9}"
DECIMAL: Final = r"[+-]?(\d+(\.\d*)?|\.\d+)"
SECONDS: Final = r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?"  # as Surefire writes them
INSTANT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"  # without a zone


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an element may hold. `children` are those that may be in it, with how many of each there must and can be;
    they come in this order if it is `ordered`. `at_most` limits them all together. `has_text`: it may hold text itself.
    `anything`: it may hold whatever it likes."""

    required: Attributes = field(default_factory=dict)
    optional: Attributes = field(default_factory=dict)
    children: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    ordered: bool = False
    at_most: int = 1_000_000
    has_text: bool = False
    anything: bool = False


ANY_NUMBER: Final = (0, 1_000_000)
_OUTCOME: Final = Rule(optional={"type": TEXT, "message": TEXT}, has_text=True)
_TEXT: Final = Rule(has_text=True)
_RERUN: Final = Rule(
    required={"type": TEXT},
    optional={"message": TEXT},
    children={"stackTrace": (0, 1), "system-out": (0, 1), "system-err": (0, 1)},
    ordered=True,
    has_text=True,
)
XUNIT: Final[Mapping[str, Rule]] = {
    "testsuites": Rule(
        optional={"name": TEXT, "time": SECONDS, "tests": TEXT, "failures": TEXT, "errors": TEXT},
        children={"testsuite": ANY_NUMBER},
    ),
    "testsuite": Rule(
        required={"name": TEXT, "tests": TEXT, "failures": TEXT, "errors": TEXT},
        optional={
            "time": SECONDS,
            **dict.fromkeys(("group", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"), TEXT),
        },
        children=dict.fromkeys(("testsuite", "properties", "testcase", "system-out", "system-err"), ANY_NUMBER),
    ),
    "properties": Rule(children={"property": ANY_NUMBER}),
    "property": Rule(required={"name": TEXT, "value": TEXT}),
    "testcase": Rule(
        required={"name": TEXT},
        optional={"time": TEXT, "classname": TEXT, "group": TEXT},
        children=dict.fromkeys(
            (
                *("skipped", "error", "failure", "system-out", "system-err"),
                *("rerunFailure", "rerunError", "flakyFailure", "flakyError"),
            ),
            ANY_NUMBER,
        ),
    ),
    **dict.fromkeys(("failure", "error", "skipped"), _OUTCOME),
    **dict.fromkeys(("rerunFailure", "rerunError", "flakyFailure", "flakyError"), _RERUN),
    **dict.fromkeys(("stackTrace", "system-out", "system-err"), _TEXT),
}
ANT: Final[Mapping[str, Rule]] = {
    "testsuites": Rule(children={"testsuite": ANY_NUMBER}),
    "testsuite": Rule(
        required={
            "name": SOME,
            "hostname": SOME,
            "timestamp": INSTANT,
            "time": DECIMAL,
            "package": TEXT,
            **dict.fromkeys(("tests", "failures", "errors", "id"), WHOLE),
        },
        optional={"skipped": WHOLE},
        children={"properties": (1, 1), "testcase": ANY_NUMBER, "system-out": (1, 1), "system-err": (1, 1)},
        ordered=True,
    ),
    "properties": Rule(children={"property": ANY_NUMBER}),
    "property": Rule(required={"name": SOME, "value": TEXT}),
    "testcase": Rule(
        required={"name": TEXT, "classname": TEXT, "time": DECIMAL},
        children={"skipped": (0, 1), "error": (0, 1), "failure": (0, 1)},
        at_most=1,
    ),
    **dict.fromkeys(("failure", "error"), Rule(required={"type": TEXT}, optional={"message": TEXT}, has_text=True)),
    "skipped": Rule(anything=True),
    **dict.fromkeys(("system-out", "system-err"), _TEXT),
}


def problems(root: ET.Element, rules: Mapping[str, Rule]) -> list[str]:
    """Every rule that a report breaks."""
    found = [] if root.tag in ("testsuites", "testsuite") else [f"the root is {root.tag}"]
    return found + [text for element in root.iter() for text in _of_element(element, rules)]


def _of_element(element: ET.Element, rules: Mapping[str, Rule]) -> Iterator[str]:
    rule, name = rules.get(element.tag), element.tag
    if rule is None:
        yield f"there is no element {name}"
        return
    if rule.anything:
        return
    allowed = {**rule.required, **rule.optional}
    yield from (f"{name} has {attribute}" for attribute in element.attrib if attribute not in allowed)
    yield from (f"{name} lacks {attribute}" for attribute in rule.required if element.get(attribute) is None)
    for attribute, pattern in allowed.items():
        value = element.get(attribute)
        if value is not None and not re.fullmatch(pattern, value):
            yield f"{name}: {attribute} is {value!r}"
    tags = [child.tag for child in element]
    counted = Counter(tags)
    yield from (f"{tag} in {name}" for tag in counted if tag not in rule.children)
    for tag, (least, most) in rule.children.items():
        if not least <= counted[tag] <= most:
            yield f"{counted[tag]} times {tag} in {name}"
    if len(tags) > rule.at_most:
        yield f"{len(tags)} elements in {name}"
    order = list(rule.children)
    places = [order.index(tag) for tag in tags if tag in order]
    if rule.ordered and places != sorted(places):
        yield f"the order in {name} is {tags}"
    if not rule.has_text and "".join([element.text or "", *(child.tail or "" for child in element)]).strip():
        yield f"{name} holds text"
