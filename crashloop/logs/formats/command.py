"""A command that was typed before a log, with its prompt: which log follows, and of whom."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_MARKS = r"$#%>\u276f\u279c"
_PROMPTED = re.compile(
    rf"(?P<prompt>\+ |[^{_MARKS}\n]{{0,80}}[{_MARKS}] {{1,4}})(?:sudo )?"
    r"(?P<words>(?:(?:kubectl|oc|docker|docker-compose|podman|nerdctl|gcloud)"
    r"(?: \S{1,200}){0,8}? (?:logs?|logging|describe|get|events|ps|inspect|top|up|rollout)"
    r"|journalctl|(?:cat|tail)(?: -\S{1,20}){0,4} \S{0,200}[./]\S{0,200})(?: .{0,2000})?)"
)
_WITH_VALUE = frozenset(
    {
        "-n", "--namespace", "-c", "--container", "-l", "--selector", "--context", "--kubeconfig",
        "--since", "--since-time", "--tail", "-o", "--output", "--sort-by", "--field-selector",
        "--cluster", "--user", "--as", "--until", "--filter", "-f", "--file", "--project-name",
        "--format", "--limit", "--project", "--freshness", "--order", "--region",
    }
)  # fmt: skip
_NO_VALUE_OF_LOGS = frozenset({"-f"})  # --follow of logs; --file of docker compose
_SWITCHES = {"-p": "--previous", "-t": "--timestamps"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What was typed: its words that are no options, and its options."""

    prompt: str = ""
    words: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def option(self, *names: str) -> str:
        """The value of the first of these options; "" if none was given."""
        return next((value for name, value in self.options if name in names), "")

    @property
    def is_previous(self) -> bool:
        """Whether the log of the life before the current one was asked for."""
        return bool(self.option("--previous"))

    @property
    def format_name(self) -> str:
        """The format of what it prints; "" if that must be recognised."""
        found = {
            ("describe",): "kubectl-describe",
            ("get", "events"): "kubectl-events",
            ("get", "event"): "kubectl-events",
            ("events",): "kubectl-events",
        }
        if self.words[:1] not in {("kubectl",), ("oc",)}:
            return ""
        return next((f for w, f in found.items() if self.words[1 : len(w) + 1] == w), "")

    @property
    def target(self) -> tuple[str, str, str]:
        """Namespace, pod and container of `kubectl logs` and `describe`; each "" if not said."""
        if self.words[:1] not in {("kubectl",), ("oc",)} or len(self.words) < 3:  # noqa: PLR2004  kubectl VERB WHAT
            return "", "", ""
        rest = [w for w in self.words[2:] if w not in {"pod", "pods", "po"}]
        pod = rest[0].removeprefix("pod/") if rest else ""
        container = self.option("-c", "--container")
        if len(rest) > 1 and self.words[1] == "logs":
            container = container or rest[1]
        return self.option("-n", "--namespace"), pod, container

    @property
    def container_name(self) -> str:
        """The container of `docker logs NAME`; "" for any other command."""
        is_one = self.words[:2] in {(tool, "logs") for tool in ("docker", "podman", "nerdctl")}
        return self.words[2] if is_one and len(self.words) > 2 else ""  # noqa: PLR2004  docker VERB


def command(text: str) -> Command | None:
    """The command that a line is, after its prompt; None for any other line."""
    found = _PROMPTED.fullmatch(text.rstrip())
    if found is None:
        return None
    try:
        typed = shlex.split(found["words"].rstrip("\\"))
    except ValueError:
        typed = found["words"].split()
    words: list[str] = []
    options: list[tuple[str, str]] = []
    rest = iter(_before_a_pipe(typed))
    for word in rest:
        name, is_given, value = word.partition("=")
        if not word.startswith("-"):
            words.append(word)
        elif is_given:
            options.append((name, value))
        elif name in _WITH_VALUE and not (name in _NO_VALUE_OF_LOGS and "logs" in words):
            options.append((name, next(rest, "")))
        else:
            options.append((_SWITCHES.get(name, name), "yes"))
    return Command(prompt=found["prompt"], words=tuple(words), options=tuple(options))


def _before_a_pipe(words: list[str]) -> list[str]:
    ends = [words.index(mark) for mark in ("|", ">", ">>", "2>&1", "&&", ";") if mark in words]
    return words[: min(ends)] if ends else words
