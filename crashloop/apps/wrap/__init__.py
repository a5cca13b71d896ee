"""The wrapper that logs the lifespan of an ASGI app, and how an app's process finds it.

`crashloop_wrap.py` beside this file runs in the app's process, where crashloop is not installed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import AppUnderTest

VARIABLE = "CRASHLOOP_WRAP"
FILE = Path(__file__).with_name("crashloop_wrap.py")
FOLDER = str(FILE.parent)


def wrapping(
    app: AppUnderTest, environment: Mapping[str, str], *, folder: str = FOLDER
) -> dict[str, str]:
    """The variables that the wrapper needs besides `environment`; none if the app has no `wrap`.

    `folder` is where the wrapper's file is for the app: it comes first on PYTHONPATH.
    """
    if not app.wrap:
        return {}
    rest = environment.get("PYTHONPATH", "")
    return {
        VARIABLE: app.wrap,
        "PYTHONPATH": os.pathsep.join([folder, rest]) if rest else folder,
    }
