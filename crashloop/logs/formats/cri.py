"""A container's file under /var/log/pods: containerd's and CRI-O's own form."""

from __future__ import annotations

import re

from crashloop.logs.formats.prefixed import Prefixed

FORMAT = Prefixed(
    name="cri",
    what="files of /var/log/pods and /var/log/containers",
    prefix=re.compile(r"(?P<at>\d{4}-\d\d-\d\dT\S{8,30}) (?:stdout|stderr) (?:F|(?P<part>P)) ?"),
)
