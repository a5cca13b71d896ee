"""A whole page from its parts: one file with its styles and script in it. Pure."""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crashloop.report.lines import Line


WIDE = 100_000
"""The width of lines that the browser breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One section of a page; `name` is its anchor."""

    name: str
    heading: str
    body: Markup


def page(title: str, parts: Sequence[Part], *, head: Markup, version: str) -> str:
    """The page as HTML. `head` stands before the parts, and begins with the page's `h1`.

    The policy in it allows this style and this script only: text of others cannot become either.
    """
    style, script = _asset("style.css"), _asset("script.js")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    values = {"style": style, "script": script, "policy": policy, "version": version}
    return str(part("base.html", title=title, head=head, parts=parts, **values)) + "\n"


def head(
    heading: str,
    *,
    title: str = "",
    ending: Iterable[Line] = (),
    facts: Iterable[str] = (),
    command: str = "",
) -> Markup:
    """What stands before the parts: a heading, how it ended, facts, and what runs it again.

    The lines of `ending` may be of any width.
    """
    return part(
        "head.html",
        heading=heading,
        title=title,
        ending=[*ending],
        facts=[*facts],
        command=command,
    )


def part(template: str, **values: Any) -> Markup:
    """A piece of HTML from a template of this package; every value is escaped."""
    return Markup(_templates().get_template(template).render(**values))  # noqa: S704  autoescape


@functools.cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("crashloop.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["counted"] = counted
    return environment


@functools.cache
def _asset(name: str) -> Markup:
    environment = _templates()
    assert environment.loader is not None
    text, _, _ = environment.loader.get_source(environment, name)
    return Markup(text)  # noqa: S704  a file of this package


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
