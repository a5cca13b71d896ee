"""The apps that a run can start: their entries in TOML, and the templates in them."""

from __future__ import annotations

from crashloop.apps.entry import load_entry
from crashloop.apps.sample import sample_app
from crashloop.apps.template import render, url_values, with_knobs

__all__ = ["load_entry", "render", "sample_app", "url_values", "with_knobs"]
