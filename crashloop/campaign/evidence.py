"""The evidence of a comparison on disk: `results.jsonl`, and a folder with the trace of each trial.

The first line of the file says what was compared. Each run that ends adds a line, which is on disk
before the next one starts. A line that is torn by a kill is cut off, and its run is made again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Self

from crashloop.campaign.fairness import Fair
from crashloop.campaign.figures import is_count, is_finite
from crashloop.campaign.measure import Measured
from crashloop.errors import HarnessError, UsageError
from crashloop.options import MAX_SEED
from crashloop.plural import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

RESULTS_FILE = "results.jsonl"
SCHEMA = "crashloop.comparison-results/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What an earlier part of the comparison has left.

    `trials` are the answers by arm and number, less those that broke. `fair` is what its controls
    have found, None if they had not ended. `wall_s` are the wall seconds that it took.
    """

    trials: Mapping[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)
    fair: Fair | None = None
    wall_s: float = 0.0


class Evidence:
    """The folder of a comparison; a context manager while `results.jsonl` is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / RESULTS_FILE
        self._fd = -1

    @property
    def is_used(self) -> bool:
        """Whether another comparison has left its results here."""
        return os.path.lexists(self._file)

    def header(self) -> Mapping[str, Any]:
        """What the first line says; empty if there is none that can be read."""
        lines = self._lines()
        if not lines or lines[0].get("schema") != SCHEMA:
            return {}
        seed = lines[0].get("seed")
        if not is_count(seed) or seed > MAX_SEED:
            raise self._no_result(1)
        return lines[0]

    def go_on(self, folder: str) -> str:
        """What to type to go on with the results that are here."""
        says = self.header().get("says")
        how = (
            f"go on with it: {says} --artifacts {shlex.quote(folder)} --resume; or " if says else ""
        )
        return f"{how}name a new folder"

    def earlier(self, digest: str, facts: Mapping[str, str] | None = None) -> Earlier:
        """What an earlier part of the same comparison has left.

        UsageError if the folder has the results of another one, with what differs of `facts`.
        """
        header = self.header()
        if not header:
            if not self.is_used or not self._lines():
                return Earlier()
            raise UsageError(
                f"{self._file} has no results that this version reads",
                hint="name a new folder: --artifacts DIR",
            )
        if header.get("digest") != digest:
            other = f"{self.folder} has the results of another comparison: {header.get('says')}"
            if changed := _changed(header.get("facts"), facts or {}):
                raise UsageError(
                    f"{other}; since then, {listed(changed)} changed",
                    hint="undo the change, or name a new folder",
                )
            raise UsageError(
                f"{other}; its options differ from those given", hint=self.go_on(str(self.folder))
            )
        trials: dict[tuple[str, int], Mapping[str, Any]] = {}
        fair, wall_s = None, 0.0
        for number, one in enumerate(self._lines()[1:], start=2):
            try:
                if one.get("kind") == "trial" and "measured" in one["answer"]:
                    Measured.from_json(one["answer"]["measured"])
                    trials[str(one["arm"]), _trial_number(one)] = one["answer"]
                elif one.get("kind") == "fair":
                    fair = Fair.from_json(one["fair"])
                wall_s = max(wall_s, _seconds(one))
            except (KeyError, TypeError, ValueError):
                raise self._no_result(number) from None
        return Earlier(trials=trials, fair=fair, wall_s=wall_s)

    @contextlib.contextmanager
    def open(
        self, *, digest: str, says: str, seed: int, facts: Mapping[str, str] | None = None
    ) -> Iterator[Self]:
        """Keep the file open, with its first line, and without a torn last one."""
        with _written(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(self._file, flags, 0o644)
        try:
            with _written(self.folder):
                whole = self._file.read_bytes().rpartition(b"\n")
                os.ftruncate(self._fd, len(whole[0]) + len(whole[1]))
                os.lseek(self._fd, 0, os.SEEK_END)
            if not whole[1]:
                head = {"schema": SCHEMA, "digest": digest, "says": says, "seed": seed}
                self._add({**head, "facts": facts or {}})
            yield self
        finally:
            os.close(self._fd)
            self._fd = -1

    def add_trial(self, arm: str, number: int, answer: Mapping[str, Any], *, wall_s: float) -> None:
        """Add the answer of a trial; `wall_s` is how long the comparison has run."""
        line = {"kind": "trial", "arm": arm, "number": number, "answer": answer}
        self._add({**line, "wall_s": round(wall_s, 2)})

    def add_fair(self, fair: Mapping[str, Any], *, wall_s: float) -> None:
        """Add what the controls have found."""
        self._add({"kind": "fair", "fair": fair, "wall_s": round(wall_s, 2)})

    def free(self, *parts: str) -> Path:
        """A folder for a run that has no evidence yet: evidence is never overwritten."""
        folder = self.folder.joinpath(*parts)
        name, number = folder.name, 1
        while folder.exists():
            number += 1
            folder = folder.with_name(f"{name}-{number}")
        return folder

    def _add(self, record: Mapping[str, Any]) -> None:
        with _written(self.folder):
            data = json.dumps(record).encode() + b"\n"
            while data:
                data = data[os.write(self._fd, data) :]
            os.fsync(self._fd)

    def _lines(self) -> list[dict[str, Any]]:
        """The whole lines; UsageError for one that is none of ours."""
        try:
            text = self._file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"{self._file} cannot be read: {error.strerror}") from None
        found = []
        for number, line in enumerate(text.split("\n")[:-1], start=1):
            try:
                one = json.loads(line, parse_constant=_no_number)
                assert isinstance(one, dict)
            except (ValueError, AssertionError, RecursionError):
                raise self._no_result(number) from None
            found.append(one)
        return found

    def _no_result(self, number: int) -> UsageError:
        return UsageError(
            f"{self._file}, line {number}, is no result", hint="name a new folder: --artifacts DIR"
        )


def _changed(old: object, new: Mapping[str, str]) -> list[str]:
    """The facts that both comparisons name and that differ."""
    before = old if isinstance(old, dict) else {}
    return [name for name, fact in new.items() if name in before and before[name] != fact]


def _trial_number(line: Mapping[str, Any]) -> int:
    number = line["number"]
    if not is_count(number) or not number:
        raise ValueError("trials are counted from 1")
    return number


def _seconds(line: Mapping[str, Any]) -> float:
    wall_s = line.get("wall_s", 0.0)
    if not is_finite(wall_s) or wall_s < 0:
        raise ValueError("no number of seconds")
    return float(wall_s)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"the results cannot be written into {folder}: {error.strerror}",
            hint="free some room on that disk; --resume goes on from what is there",
        ) from None
