"""A command line as a shell would read it, without running a shell.

Words become templates: literal braces are doubled, and the variables of the address that an app
listens at become `{host}` and `{port}`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIXES = ("APP", "SERVER", "HTTP", "LISTEN")
HOST_VARIABLES = ("HOST", *(f"{prefix}_HOST" for prefix in _PREFIXES), "BIND_HOST")
PORT_VARIABLES = ("PORT", *(f"{prefix}_PORT" for prefix in _PREFIXES), "WEB_PORT")
_UNSET = {"WEB_CONCURRENCY": "1"}  # what gunicorn and uvicorn use without it
_ADDRESS = dict.fromkeys(HOST_VARIABLES, "{host}") | dict.fromkeys(PORT_VARIABLES, "{port}")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^{}$]*))?\})")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_PUNCTUATION = "&;|()<>"
_MAX_CHARS = 4000
_MAX_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """The last command of a line; `before` are those that must succeed before it.

    `unclear` says what could not be understood; the command is empty then.
    """

    words: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    unclear: str = ""


def literal(text: str) -> str:
    """The text as a template of an entry: its braces doubled."""
    return text.replace("{", "{{").replace("}", "}}")


def quoted(words: tuple[str, ...]) -> str:
    """Words as one line that `shlex.split` takes apart again; placeholders stay readable."""
    return " ".join(
        word if re.fullmatch(r"[\w@%+=:,./{}-]+", word, re.ASCII) else shlex.quote(word)
        for word in words
    )


def read_words(words: list[str], variables: Mapping[str, str], *, depth: int = 0) -> CommandLine:
    """The command that is given as a list of words, without a shell.

    A word list that starts a shell (`sh -c "..."`) is read as that shell's line.
    """
    rest = _without_init(words)
    if len(rest) > 2 and rest[0].rpartition("/")[2] in {"sh", "bash"} and rest[1] in {"-c", "-lc"}:  # noqa: PLR2004  sh, -c, line
        return read_line(rest[2], variables, depth=depth + 1)
    return CommandLine(words=tuple(literal(word) for word in rest))


def read_line(text: str, variables: Mapping[str, str], *, depth: int = 0) -> CommandLine:
    """The command that a shell would run last; commands before it are joined by `&&` or `;`."""
    if depth > _MAX_DEPTH or len(text) > _MAX_CHARS:
        return CommandLine(unclear="the line is too long")
    try:
        commands = _commands(text)
    except ValueError as error:
        return CommandLine(unclear=str(error))
    read = [_command(words, variables, depth) for words in commands if words]
    for one in read or [CommandLine(unclear="it has no command")]:
        if one.unclear:
            return one
    *before, last = read
    earlier = tuple(one.words for one in before if one.words and one.words[0] not in {"set", "cd"})
    return CommandLine(words=last.words, before=(*earlier, *last.before))


def _commands(text: str) -> list[list[str]]:
    """The words of each command; ValueError, with the reason, for what only a shell can do."""
    if "`" in text or "$(" in text:
        raise ValueError("it runs a command inside of a command")
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=_PUNCTUATION)
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    for token in lexer:
        if token in {"&&", ";"}:
            commands.append([])
        elif token and not token.strip(_PUNCTUATION):
            raise ValueError(f"it uses {token}")
        else:
            commands[-1].append(token)
    return commands


def _command(words: list[str], variables: Mapping[str, str], depth: int) -> CommandLine:
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    if words and words[0] == "exec":
        words = words[1:]
    words = _without_init(words)
    if len(words) > 2 and words[0].rpartition("/")[2] in {"sh", "bash"} and words[1] == "-c":  # noqa: PLR2004  sh, -c, line
        return read_line(words[2], variables, depth=depth + 1)
    if words and words[0] in {"if", "for", "while", "case", "until", "eval", "trap"}:
        return CommandLine(unclear=f"it uses {words[0]}")
    filled: list[str] = []
    for word in words:
        unknown, text = _fill(word, variables)
        if unknown:
            return CommandLine(unclear=f"${unknown} is not known")
        filled.append(text)
    return CommandLine(words=tuple(filled))


def _without_init(words: list[str]) -> list[str]:
    """Without a small init process, which passes signals on and has no effect here."""
    if words and words[0].rpartition("/")[2] in {"tini", "dumb-init", "env"}:
        rest = words[1:]
        while rest and (rest[0].startswith("-") or _ASSIGNMENT.fullmatch(rest[0])):
            rest = rest[1:]
        return rest
    return words


def _fill(word: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """The name of the first unknown variable, and the word with the known ones filled in."""
    parts, end = [], 0
    for match in _VARIABLE.finditer(word):
        parts.append(literal(word[end : match.start()]))
        end = match.end()
        name, default = match[1] or match[2], match[3]
        if name in _ADDRESS:
            parts.append(_ADDRESS[name])
        elif name in variables:
            parts.append(literal(variables[name]))
        elif default is not None or name in _UNSET:
            parts.append(literal(_UNSET[name] if default is None else default))
        else:
            return name, ""
    rest = word[end:]
    if "$" in rest:
        return rest.partition("$")[2][:20] or "$", ""
    return "", "".join((*parts, literal(rest)))
