"""`python -m crashloop`."""

from __future__ import annotations

import sys

from crashloop.cli import main

if __name__ == "__main__":
    sys.exit(main())
