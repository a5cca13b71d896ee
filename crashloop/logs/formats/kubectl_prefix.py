"""`kubectl logs --prefix`: a pod and its container in brackets before each line."""

from __future__ import annotations

import re

from crashloop.logs.formats.prefixed import Prefixed

FORMAT = Prefixed(
    name="kubectl-prefix",
    what="kubectl logs --prefix",
    prefix=re.compile(r"\[pod/(?P<source>[a-z0-9.-]{1,253}/[a-z0-9-]{1,63})\] ?"),
)
