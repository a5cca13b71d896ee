"""Remove secrets from text and data before they reach a trace, a log or a report."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK = "***"
_MIN_SECRET_LENGTH = 6

# Text from logs may be hostile, so a search must stay linear in its length: every pattern begins
# with fixed words, and what repeats after them has a bound, or cannot be begun within itself.
_NAMES = (
    r"(?:passwo?r?d|passwd|passphrase|secret|token|credential|api[_-]?key|private[_-]?key"
    r"|access[_-]?key|account[_-]?key|jwt[_-]?key|signature|_pass\b|(?<![a-z])pass(?=[\"'\\=]))"
)
_SGR = r"(?:\x1b\[[0-9;]{0,20}m){0,3}+"  # a console renderer colours names and values
_QUOTE = r"\\{0,3}[\"']"  # escaped where JSON is inside a string of JSON
_SET = (
    rf"{_NAMES}(?![\w-]{{0,32}}(?-i:Error|Exception): )"  # it is followed by a message
    rf"[\w-]{{0,32}}(?:{_QUOTE})?+{_SGR}\s{{0,32}}+[=:]\s{{0,32}}+{_SGR}"
)
_SLASH = r"(?:\\{0,3}/|\\u002f)"
_USER = rf":{_SLASH}{{2}}[^\s:/@]{{0,256}}:"


def _after(head: str, value: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<head>{head})(?!\*\*\*){value}", re.IGNORECASE)


_PATTERNS = (
    # A password that was not quoted for a URL may hold "/" or "@": up to the last "@" then.
    _after(_USER, r"[^\s\"'<>]{1,128}(?=@)"),
    _after(_USER, r"[^\s@/]{1,4096}(?=@)"),
    _after(r"%3A%2F%2F[\w.~+-]{0,64}%3A", r"(?:[\w.~+-]|%(?!40)[0-9a-f]{2}){1,64}(?=%40)"),
    _after(r"\bhttps?://", r"[^\s:/@]{16,256}(?=@)"),  # a key, as in Sentry's DSN
    # SQLAlchemy to 2.0 quotes a URL that it cannot read.
    _after(r"Could not parse (?:SQLAlchemy|rfc1738) URL from (?:given URL )?string ", r".{1,1000}"),
    _after(r"\[parameters: ", r".{1,4000}"),
    # Pydantic quotes the value of a field that is named in the line before, cut in the middle.
    _after(r"\binput_value=", r"(?!None\b|''|\{\}|\[\])(?:.{1,200}?(?=, input_type=)|.{1,200})"),
    _after(rf"{_QUOTE}input{_QUOTE}: {_QUOTE}", r"[^\"']{1,512}"),
    _after(
        r"\bauthorization[\"']?\s{0,8}+[=:]\s{0,8}+[\"']?(?:[a-z]{1,16}\s{1,8}+)?+",
        r"[^\s\"',;]{1,4096}",
    ),
    _after(r"\b(?:bearer|basic)\s{1,8}+", r"[a-z0-9._~+/=-]{16,}"),
    _after(r"\bcookie[\"']?\s{0,8}+[=:]\s{0,8}+", r"[^\n]{1,4096}"),
    _after(
        rf"{_SET}(?:\w{{1,20}}\(|[bru]{{1,2}}(?=[\"']))?+(?P<quote>{_QUOTE})",
        r"(?:(?!(?P=quote))(?:\\.|[^\n])){1,512}",
    ),
    _after(rf"{_SET}(?:{_QUOTE})?+", r"[^\s\"',;&}\x1b]+"),
    _after(r"(?<![a-z])pwd[\"']?\s{0,8}+[=:]\s{0,8}+[\"']?", r"[^\s\"',;&}/][^\s\"',;&}]*"),
    _after(r"[?&]sig=", r"[^\s\"'&]+"),
    _after(rf"(?:^|\s)--[\w-]{{0,20}}{_NAMES}[\w-]{{0,10}}\s{{1,8}}+", r"[^\s-]\S*"),
    _after(r"(?:^|\s)-u\s{1,8}+[^\s:]{1,64}:", r"[^\s\"']+"),
    _after(r"\b(?:password|(?<!revision )identified by)\s{1,8}+'", r"(?:[^']|''){1,512}(?=')"),
    # Known by their own form: private keys, JSON web tokens, and keys of providers.
    _after(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----", r"[\s\S]+?(?=-----END|\Z)"),
    _after(r"(?<![\w-])(?:\w{1,32}-){0,3}eyJ", r"[\w-]{10,4096}+(?:\.[\w-]{0,4096}){1,4}"),
    re.compile(r"\b(?P<head>AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(
        r"\b(?P<head>gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[sr]k_(?:live|test)_|sk-|AIza|ya29\.)"
        r"[\w.-]{16,}"
    ),
    # A line of a key on its own: base64, which has all three kinds of characters, and no hash.
    re.compile(
        r"(?P<head>(?:^|(?<=[\s'\"])|(?<=\\n))(?=[a-z0-9+/]{0,60}[A-Z])(?=[A-Z0-9+/]{0,60}[a-z])"
        r"(?=[A-Za-z+/]{0,60}[0-9]))(?![/.])[A-Za-z0-9+/]{60,}+={0,2}(?![\w.:-])"
    ),
)
_SECRET_KEY = re.compile(rf"{_NAMES}|_pass$|^pass$|(?<![a-z])pwd$|authorization", re.IGNORECASE)


class Redactor:
    """Masks passwords in URLs, tokens, keys, and every secret it is given.

    `secrets` are literal values of this run (a database password); shorter ones than six
    characters are ignored, since masking them would blank ordinary words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Mask this literal value from now on, also as JSON writes it inside a string."""
        if len(secret) < _MIN_SECRET_LENGTH:
            return
        escaped = (json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
        self._secrets = sorted({*self._secrets, secret, *escaped}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without its secrets; redacting twice changes nothing."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<head>{MASK}", text)
        return text

    def data(self, value: Any) -> Any:
        """A JSON value without its secrets: in its strings, and under keys that name a secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value

    def _mapping(self, mapping: Mapping[Any, Any]) -> dict[str, Any]:
        return {
            self.text(str(key)): MASK
            if _SECRET_KEY.search(str(key)) and value is not None
            else self.data(value)
            for key, value in mapping.items()
        }
