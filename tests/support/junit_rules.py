"""What readers of JUnit XML rely on, according to GitLab, Jenkins and Azure Pipelines. There is no official schema; the
two by which tools refuse files are in `junit_schemas`, and a report follows both."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

import junit_schemas

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OUTCOMES = ("failure", "error", "skipped")
_FLAKY = ("flakyFailure", "flakyError")
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
    found += junit_schemas.problems(root, junit_schemas.XUNIT)
    # Ant knows no test that passed only when it was tried again.
    if not any(next(root.iter(tag), None) is not None for tag in _FLAKY):
        found += junit_schemas.problems(root, junit_schemas.ANT)
    cases = list(root.iter("testcase"))
    for holder in root.iter("testsuite"):
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
        if outcomes and any(child.tag in _FLAKY for child in case):
            found.append("a test that did not pass is flaky")
        found += ["an outcome without a message" for child in outcomes if not child.get("message")]
        if not re.fullmatch(r"\d+\.\d+", case.get("time", "")):
            found.append(f"a time of {case.get('time')}")
    # GitLab drops all but one of those with one name.
    names = Counter((case.get("classname"), case.get("name")) for case in cases)
    return found + [f"{name} is there {number} times" for name, number in names.items() if number > 1]
