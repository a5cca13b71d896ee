"""`heroku logs`: an instant, and the dyno in brackets."""

from __future__ import annotations

import re

from crashloop.logs.formats.prefixed import Prefixed

FORMAT = Prefixed(
    name="heroku",
    what="heroku logs",
    prefix=re.compile(
        r"(?P<at>\d{4}-\d\d-\d\dT\S{8,30}) (?:app|heroku)"
        r"\[(?P<source>[a-z_]{1,40}(?:\.\d{1,6})?)\]: "
    ),
)
