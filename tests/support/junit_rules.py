"""What readers of JUnit XML rely on, by what GitLab, Jenkins and Azure Pipelines say. No schema is official."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OUTCOMES = ("failure", "error", "skipped")
_ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time", "file", "line"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}
_CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "error", "skipped", "system-out"},
}
LARGEST = 30_000_000  # GitLab reads no larger file


def read(data: bytes) -> ET.Element:
    """The root of a report. Raises what is wrong with it as XML."""
    assert len(data) < LARGEST
    text = data.decode("utf-8")
    assert not _ILLEGAL.search(text), "a character that XML 1.0 forbids"
    assert not re.search("&#(?:x0*|0*)(?:0?[0-8bcef]|1[0-9a-f]?);", text), "a reference to a forbidden character"
    return ET.fromstring(data)


def problems(root: ET.Element) -> list[str]:
    """Everything that a reader could stumble over."""
    found = [] if root.tag == "testsuites" else [f"the root is {root.tag}"]
    for element in root.iter():
        if element.tag not in _ATTRIBUTES:
            found.append(f"unknown element {element.tag}")
            continue
        found += [f"{element.tag} has {name}" for name in set(element.keys()) - _ATTRIBUTES[element.tag]]
        known = _CHILDREN.get(element.tag, set())
        found += [f"{child.tag} in {element.tag}" for child in element if child.tag not in known]
    cases = list(root.iter("testcase"))
    for holder in (root, *root.iter("testsuite")):
        ended = {name: sum(case.find(name) is not None for case in cases) for name in _OUTCOMES}
        told = {
            "tests": len(cases),
            "failures": ended["failure"],
            "errors": ended["error"],
            "skipped": ended["skipped"],
        }
        found += [
            f"{holder.tag}: {name} is not {number}" for name, number in told.items() if holder.get(name) != str(number)
        ]
    for case in cases:
        found += [f"a testcase without {name}" for name in ("classname", "name", "time") if not case.get(name)]
        if len(case.get("name", "")) > 200:
            found.append("a name of more than 200 characters")
        outcomes = [child for child in case if child.tag in _OUTCOMES]
        if len(outcomes) > 1:
            found.append("two outcomes")
        found += ["an outcome without a message" for child in outcomes if not child.get("message")]
        if not re.fullmatch(r"\d+\.\d+", case.get("time", "")):
            found.append(f"a time of {case.get('time')}")
    # GitLab drops all but one of those with one name.
    names = Counter((case.get("classname"), case.get("name")) for case in cases)
    return found + [f"{name} is there {number} times" for name, number in names.items() if number > 1]
