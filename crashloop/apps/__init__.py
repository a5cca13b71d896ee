"""The apps that a run can start: their entries in TOML, and the templates in them."""

from __future__ import annotations

from crashloop.apps.entry import load_entry
from crashloop.apps.environment import inherited, python_of
from crashloop.apps.file import about_entry
from crashloop.apps.find import find_entry
from crashloop.apps.placeholders import service_values, url_values
from crashloop.apps.sample import sample_app
from crashloop.apps.secret import secret_values, without_secrets
from crashloop.apps.template import is_scalable, knobs_lacking, knobs_used, render, with_knobs
from crashloop.apps.wrap import wrapping

__all__ = [
    "about_entry",
    "find_entry",
    "inherited",
    "is_scalable",
    "knobs_lacking",
    "knobs_used",
    "load_entry",
    "python_of",
    "render",
    "sample_app",
    "secret_values",
    "service_values",
    "url_values",
    "with_knobs",
    "without_secrets",
    "wrapping",
]
