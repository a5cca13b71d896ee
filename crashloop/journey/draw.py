"""What `{key}` and `{number}` stand for in the steps of one try, drawn from the run's seed."""

from __future__ import annotations

import itertools
import random
import uuid
from typing import NamedTuple


class Draw(NamedTuple):
    """The `{key}`, a UUID, and the `{number}`, a whole number from 1, of one try."""

    key: str
    number: int


class Draws:
    """Draws for the tries of a run, each of them once; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"tries {seed}")  # noqa: S311  repeatable, and not a secret
        self._numbers = itertools.count(1)

    def next(self) -> Draw:
        """The next one."""
        key = uuid.UUID(int=self._random.getrandbits(128), version=4)
        return Draw(str(key), next(self._numbers))


def journey_key(seed: int, replica: int) -> str:
    """The `{key}` of a replica's patient journey: a UUID drawn from the run's seed."""
    draw = random.Random(seed)  # noqa: S311  repeatable, and not a secret
    bits = [draw.getrandbits(128) for _ in range(replica)]
    return str(uuid.UUID(int=bits[-1], version=4))
