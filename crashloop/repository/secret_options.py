"""Secrets that stand in a command as the values of options."""

from __future__ import annotations

from crashloop.repository.placeholder import is_secret

LEFT_OUT = "LEFT-OUT"


def without_secrets(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words with LEFT-OUT for each value of a secret's option, and the options' names.

    A path is no secret, such as that of a key file.
    """
    kept: list[str] = []
    names: list[str] = []
    for word in words:
        before = kept[-1] if kept else ""
        option, equals, value = word.partition("=")
        if equals and _is_secret(option) and "/" not in value:
            kept.append(f"{option}={LEFT_OUT}")
            names.append(option)
        elif _is_secret(before) and not word.startswith("-") and "/" not in word:
            kept.append(LEFT_OUT)
            names.append(before)
        else:
            kept.append(word)
    return tuple(kept), tuple(names)


def _is_secret(option: str) -> bool:
    return option.startswith("--") and is_secret(option.strip("-").replace("-", "_"))
