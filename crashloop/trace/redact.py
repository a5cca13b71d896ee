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
# with fixed words, and only the secret itself repeats without a bound.
_NAMES = (
    r"(?:passwo?r?d|passwd|passphrase|secret|token|credential|api[_-]?key|private[_-]?key"
    r"|access[_-]?key|jwt[_-]?key|_pass\b)"
)
_URL_PASSWORD = re.compile(r"(?P<head>://[^\s:/@]{0,256}:)[^\s@/]{1,4096}(?=@)")
# A password that was not quoted for a URL may hold "/" or "@": up to the last "@" then.
_URL_ODD_PASSWORD = re.compile(r"(?P<head>://[^\s:/@]{0,256}:)[^\s\"'<>]{1,128}(?=@)")
_BEARER = re.compile(r"(?P<head>\b(?:bearer|basic)\s{1,8})[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"(?P<head>{_NAMES}(?![\w-]{{0,32}}(?-i:Error|Exception): )"  # it is followed by a message
    r"[\w-]{0,32}[\"']?\s{0,8}[=:]\s{0,8}[\"']?)"
    r"(?!\*\*\*)[^\s\"',;&}]+",
    re.IGNORECASE,
)
_SQL_PASSWORD = re.compile(r"(?P<head>\bpassword\s{1,8}')[^']{1,512}(?=')", re.IGNORECASE)
_SECRET_KEY = re.compile(rf"{_NAMES}|_pass$|authorization", re.IGNORECASE)


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
        for pattern in (_URL_ODD_PASSWORD, _URL_PASSWORD, _BEARER, _ASSIGNED, _SQL_PASSWORD):
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
