"""The line of every key of a TOML file, in each way in which TOML can be written."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.apps.lines import Keys, lines_of

TEXT = '''\
# [apps.none] in a comment
title = "a # no comment, [no.table]"

[apps.shop]
command = """
  serve \\
  key = 1 "quoted" """
dotted.NAME = "1"
"quoted key" = 'it'  # comment
[apps.shop.env]
TABLE = "2"
LITERAL = \'\'\'
[apps.shop.wrong]
TABLE = "no"
\'\'\'
[ apps . "shop" . knobs ]
a=1
b = 1979-05-27 07:32:00 # a date with a space

[[apps.shop.journey]]
request = "GET /"
[apps.shop.journey.json]
deep = {first = 1, second = [1, {third = "}"}]}

[[apps.shop.journey]]
sql = "select 1"

[[apps.shop.journey.parts]]
x = 1
[[apps.shop.journey.parts]]
x = 2

[apps.stock]
list = [
  # a comment, with ] and }
  {request = "]", json = [1,
    2]}, # another
  {sql = "x"},
]
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("title",), 2),
        (("apps",), 4),
        (("apps", "shop"), 4),
        (("apps", "shop", "command"), 5),
        (("apps", "shop", "dotted", "NAME"), 8),
        (("apps", "shop", "quoted key"), 9),
        (("apps", "shop", "env"), 10),
        (("apps", "shop", "env", "TABLE"), 11),
        (("apps", "shop", "env", "LITERAL"), 12),
        (("apps", "shop", "knobs"), 16),
        (("apps", "shop", "knobs", "a"), 17),
        (("apps", "shop", "knobs", "b"), 18),
        (("apps", "shop", "journey", 0), 20),
        (("apps", "shop", "journey", 0, "request"), 21),
        (("apps", "shop", "journey", 0, "json"), 22),
        (("apps", "shop", "journey", 0, "json", "deep", "second", 1, "third"), 23),
        (("apps", "shop", "journey", 1), 25),
        (("apps", "shop", "journey", 1, "sql"), 26),
        (("apps", "shop", "journey", 1, "parts", 1, "x"), 31),
        (("apps", "stock", "list", 0, "request"), 36),
        (("apps", "stock", "list", 0, "json", 1), 37),
        (("apps", "stock", "list", 1, "sql"), 38),
    ],
)
def test_each_key_has_its_line(keys: Keys, line: int) -> None:
    assert lines_of(TEXT)[keys] == line


def _keys(value: object, above: Keys = ()) -> set[Keys]:
    """Every key and element below a parsed value."""
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    return {keys for key, each in pairs for keys in ((*above, key), *_keys(each, (*above, key)))}


def test_every_key_that_the_parser_finds_has_a_line_and_no_other_has_one() -> None:
    assert set(lines_of(TEXT)) == _keys(tomllib.loads(TEXT))


PIECES = st.sampled_from(
    ["[a]", "[a.b]", "[[a.c]]", "[[d]]", "[d.e]", "k = 1", "l.m = 'x'", 'n = """\n[a]\n"""',
     "o = [1,\n {p = [\n2]}, # ]\n]", "q = {r = [{}], s.t = '''\n'''}", "# k = 1", "",
     "'u.v' = 1.5e3"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=8))
def test_the_keys_are_those_of_the_parser_in_any_file_that_it_accepts(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(lines_of(text)) == _keys(parsed)
