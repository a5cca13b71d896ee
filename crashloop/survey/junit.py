"""The results as JUnit's XML, which CI servers read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from crashloop.report.clean import clean
from crashloop.survey.result import Met, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILURES = {Met.NOT_MET, Met.NEVER_STARTED}
_ERRORS = {Met.HARNESS, Met.INCONCLUSIVE}


def junit_text(results: Sequence[Result], *, app: str) -> str:
    """One test case an incident.

    Skipped where it does not apply, a failure where the requirement is not met, an error where
    nothing can be said; each with the outcome, the reason and the last lines of the app.
    """
    suite = ET.Element(
        "testsuite",
        name=f"crashloop check {app}",
        tests=str(len(results)),
        failures=str(sum(each.met in _FAILURES for each in results)),
        errors=str(sum(each.met in _ERRORS for each in results)),
        skipped=str(sum(each.met is Met.DOES_NOT_APPLY for each in results)),
        time=f"{sum(each.took_s for each in results):.3f}",
    )
    for each in results:
        suite.append(_case(each, app))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(result: Result, app: str) -> ET.Element:
    case = ET.Element(
        "testcase", classname=f"crashloop.{app}", name=result.incident, time=f"{result.took_s:.3f}"
    )
    why = clean(result.why)
    if result.met is Met.DOES_NOT_APPLY:
        ET.SubElement(case, "skipped", message=why)
    elif result.met in _FAILURES | _ERRORS:
        tag = "failure" if result.met in _FAILURES else "error"
        outcome = str(result.outcome or result.met)
        found = ET.SubElement(case, tag, type=outcome, message=f"{outcome}: {why}")
        found.text = "\n".join([*_facts(result), *map(clean, result.lines)])
    return case


def _facts(result: Result) -> list[str]:
    facts = [clean(result.title), clean(result.changed)]
    facts += [f"{flag}: {says}" for flag, says in result.flags.items()]
    facts += [f"what helps: {result.advice}"] if result.advice else []
    facts += [f"run it again: {result.command}"] if result.command else []
    return [each for each in facts if each] + ["", "the last lines of the app:"]
