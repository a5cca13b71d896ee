"""The state of one start-up phase."""

from typing import Literal

State = Literal["pending", "complete", "degraded", "failed"]
