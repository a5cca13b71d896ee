"""Secrets never reach a trace: registered ones, passwords in URLs, tokens and keys."""

from __future__ import annotations

import json
import string
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.trace.event import SCHEMA
from crashloop.trace.reader import read_trace
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import MASK, Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRETS = st.text(string.ascii_letters + string.digits + "-_.~", min_size=6, max_size=30).filter(
    # letters and digits, as secrets have: a word such as "schema" is also the name of a field
    lambda secret: any(c.isdigit() for c in secret) and any(c.isalpha() for c in secret)
)
TEXTS = st.text(max_size=40)


@given(secret=SECRETS, before=TEXTS, after=TEXTS)
def test_a_registered_secret_never_survives(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([secret]).text(before + secret + after)


@given(secret=st.text(min_size=6, max_size=30), is_ascii=st.booleans())
def test_nor_does_it_where_json_escapes_it(secret: str, is_ascii: bool) -> None:
    written = json.dumps(secret, ensure_ascii=is_ascii)[1:-1]
    assert Redactor([secret]).text(f"<{written}>") == f"<{MASK}>"


@given(secret=SECRETS, nested=st.lists(st.sampled_from("dl"), max_size=5))
def test_it_does_not_survive_at_any_depth(secret: str, nested: list[str]) -> None:
    value: Any = f"x{secret}y"
    for shape in nested:
        value = {secret: value} if shape == "d" else [value, secret]
    assert secret not in json.dumps(Redactor([secret]).data(value))


@given(
    password=st.text(min_size=1, max_size=20).map(lambda text: quote(text, safe="")),
    scheme=st.sampled_from(["postgresql", "postgresql+asyncpg", "redis", "https"]),
    user=st.sampled_from(["app", "", "a-b_c"]),
    around=st.sampled_from(["{}", '"{}"', "url={}", "could not reach {}: gone", "\t{}\n"]),
)
def test_a_password_in_a_url_never_survives(
    password: str, scheme: str, user: str, around: str
) -> None:
    url = f"{scheme}://{user}:{password}@db:5432/app?host=/run"
    masked = around.format(f"{scheme}://{user}:{MASK}@db:5432/app?host=/run")
    assert Redactor().text(around.format(url)) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abcdefghijklmnop1234", f"Authorization: Bearer {MASK}"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", f"authorization: basic {MASK}"),
        ("PGPASSWORD=hunter22 psql", f"PGPASSWORD={MASK} psql"),
        ('{"api_key": "k-12345"}', f'{{"api_key": "{MASK}"}}'),
        ("client-secret: s3cr3t, next", f"client-secret: {MASK}, next"),
        ("APP_SECRET_KEY=abc123", f"APP_SECRET_KEY={MASK}"),
        ("AWS_SECRET_ACCESS_KEY: abc/123", f"AWS_SECRET_ACCESS_KEY: {MASK}"),
        ("redis://:p/w@host:1 and a@b", f"redis://:{MASK}@host:1 and a@b"),
        ("postgres://u:p@ss@host/app", f"postgres://u:{MASK}@host/app"),
        ("CREATE ROLE app PASSWORD 'abc'", f"CREATE ROLE app PASSWORD '{MASK}'"),
        ("DB_PWD=hunter2 x", f"DB_PWD={MASK} x"),
        ("{'pass': 'a b'}", f"{{'pass': '{MASK}'}}"),
        ("password='hun, \\'ter2' next", f"password='{MASK}' next"),
        ('{"log": "{\\"token\\": \\"a b\\"}"}', f'{{"log": "{{\\"token\\": \\"{MASK}\\"}}"}}'),
        (
            "\x1b[36mpassword\x1b[0m=\x1b[35mhunter2\x1b[0m",
            f"\x1b[36mpassword\x1b[0m=\x1b[35m{MASK}\x1b[0m",
        ),
        ("--db-password hunter2 -v", f"--db-password {MASK} -v"),
        ("curl -u app:hunter2 db", f"curl -u app:{MASK} db"),
        ("Authorization: Token a1b2", f"Authorization: Token {MASK}"),
        ("Set-Cookie: id=abc; Path=/", f"Set-Cookie: {MASK}"),
        ("AccountKey=abc==;Suffix=x", f"AccountKey={MASK};Suffix=x"),
        ("https://blob/c?sv=1&sig=abc%3D&x", f"https://blob/c?sv=1&sig={MASK}&x"),
        (r"postgres:\/\/u:p1\/p2@db", rf"postgres:\/\/u:{MASK}@db"),
        ("postgresql%3A%2F%2Fu%3Ap%2F1%40db", f"postgresql%3A%2F%2Fu%3A{MASK}%40db"),
        ("https://0123456789abcdef@sentry.io/1", f"https://{MASK}@sentry.io/1"),
        (
            "Could not parse SQLAlchemy URL from string 'u:p@db'",
            f"Could not parse SQLAlchemy URL from string {MASK}",
        ),
        ("[parameters: ('a', 'b')]", f"[parameters: {MASK}"),
        (
            "[type=url, input_value='post...2@db', input_type=str]",
            f"[type=url, input_value={MASK}, input_type=str]",
        ),
        (
            "[type=missing, input_value={}, input_type=dict]",
            "[type=missing, input_value={}, input_type=dict]",
        ),
        ("IDENTIFIED BY 'it''s'", f"IDENTIFIED BY '{MASK}'"),
        ("no eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.dozjgN", f"no eyJ{MASK}"),
        ("key AKIAIOSFODNN7EXAMPLE", f"key AKIA{MASK}"),
        ("given: sk_live_4eC39HqLyjWDarjtT1zdp7dc", f"given: sk_live_{MASK}"),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END",
            f"-----BEGIN PRIVATE KEY-----{MASK}-----END",
        ),
        (f"web | {'MIIEvQIBADANBg9q' * 4}", f"web | {MASK}"),
        (f"-\\n{'MIIEvQIBADANBg9q' * 4}\\n-", f"-\\n{MASK}\\n-"),
        ("my-id_token-eyJhbGciOiJIUzI1NiJ9.eyJz.do", f"my-id_token-eyJ{MASK}"),
        ("the bearer of news", "the bearer of news"),
        ("PWD=/srv/app", "PWD=/srv/app"),
        ("revision identified by 'a1'", "revision identified by 'a1'"),
        ("3 pass: 1 fail", "3 pass: 1 fail"),
        (f"sha256:{'0a1b2c3d' * 8}", f"sha256:{'0a1b2c3d' * 8}"),
        ("/srv/Lib3/" + "site/" * 20 + "x.py", "/srv/Lib3/" + "site/" * 20 + "x.py"),
        ("no password here", "no password here"),
        ("http://db:5432/app", "http://db:5432/app"),
    ],
)
def test_tokens_and_assignments_are_masked_and_words_are_not(text: str, masked: str) -> None:
    assert Redactor().text(text) == masked
    assert Redactor().text(masked) == masked


@pytest.mark.parametrize(
    "key",
    [
        *("password", "db_password", "PGPASSWORD", "token", "api-key", "Authorization"),
        *("APP_SECRET_KEY", "JWT_KEY", "DB_PASS", "clientSecret", "accessToken"),
    ],
)
def test_a_value_under_a_secrets_name_is_masked(key: str) -> None:
    assert Redactor().data({key: "short", "other": "kept"}) == {key: MASK, "other": "kept"}


def test_numbers_and_none_pass_unchanged() -> None:
    value = {"count": 3, "share": 0.5, "none": None, "yes": True, "list": [1, "a"]}
    assert Redactor().data(value) == value


def test_a_secret_inside_a_longer_one_leaves_nothing_of_it() -> None:
    assert Redactor(["secret", "secret-and-more"]).text("secret-and-more") == MASK


def test_a_short_word_is_not_taken_for_a_secret() -> None:
    assert Redactor(["app"]).text("the app starts") == "the app starts"


@given(text=TEXTS, secret=SECRETS)
def test_redacting_twice_changes_nothing(text: str, secret: str) -> None:
    redactor = Redactor([secret])
    once = redactor.text(f"{text} postgresql://u:{secret}@h/{text}")
    assert redactor.text(once) == once


@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "a-",
        "://",
        "://a:",
        "password",
        "bearer ",
        "token =",
        "@",
        "password='",
        "n1A",
        "eyJ",
        "eyJ-",
        "%3A%2F%2Fa%3A",
    ],
)
def test_redaction_takes_time_in_proportion_to_the_length_of_a_line(piece: str) -> None:
    line = piece * (256 * 1024 // len(piece)) + "_"  # which belongs to no key
    begun_s = time.monotonic()
    Redactor().text(line)
    assert time.monotonic() - begun_s < 20  # a few tenths; minutes where it is quadratic


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], Path]:
    """Write one event of a value through recorder and writer; gives the file."""

    def write(secret: str, value: Any) -> Path:
        path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
        redactor = Redactor([secret])
        with TraceWriter(path, {"schema": SCHEMA}, redactor) as file:
            Recorder(file, redactor).emit("app", "app.output", {"text": value})
        return path

    return write


@given(
    secret=SECRETS,
    text=st.text(max_size=30),
    shape=st.sampled_from(
        ['{t}password={s}"{t}', '{t}{{"token": "{s}"}}', "{t}://u:{s}@h/", 'secret: "{s}', "{s}\\"]
    ),
)
def test_a_line_is_valid_json_after_both_passes(
    write: Callable[[str, Any], Path], secret: str, text: str, shape: str
) -> None:
    path = write(secret, shape.format(t=text, s=secret))
    (event,) = read_trace(path).events
    assert secret not in event.data["text"]


def test_a_header_passes_the_redactor_too(tmp_path: Path) -> None:
    header = {"schema": SCHEMA, "command": "crashloop --url postgresql://u:hunter2hunter2@h/db"}
    path = tmp_path / "trace.jsonl"
    TraceWriter(path, header, Redactor()).close()
    assert "hunter2" not in path.read_text()
    assert read_trace(path).header["command"].endswith(f"u:{MASK}@h/db")


@pytest.mark.parametrize("name", ["InvalidPasswordError", "DefaultCredentialsError"])
def test_an_exception_named_after_a_secret_keeps_its_message(name: str) -> None:
    text = f"asyncpg.{name}: refused for user app"
    assert Redactor().text(text) == text
    assert "hidden-word" not in Redactor().text("password_error: hidden-word")
