"""Bodies are read as Toxiproxy reads them; the expected words were measured on Toxiproxy 2.12."""

from __future__ import annotations

import contextlib
import json
import random

import pytest

from crashloop.proxy.api.decode import (
    Members,
    Number,
    first_value,
    flag,
    fractional,
    read_members,
    share,
    shortest_float32,
    text,
    whole,
)
from crashloop.proxy.api.error import BadBodyError
from crashloop.proxy.api.jsontext import dumps
from crashloop.proxy.api.syntax import complaint

FIELDS = {"name": text, "enabled": flag, "toxicity": share, "latency": whole("int64")}


def said(body: bytes | str) -> str:
    """The complaint about a body."""
    with pytest.raises(BadBodyError) as caught:
        read(body)
    return caught.value.message.removeprefix("bad request body: ")


def read(body: bytes | str) -> dict[str, object]:
    """The fields of a body."""
    data = body.encode() if isinstance(body, str) else body
    return read_members(first_value(data), FIELDS, struct="Proxy", go_type="toxiproxy.Proxy")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "EOF"),
        (" \n", "EOF"),
        ("{", "unexpected EOF"),
        ('{"name"', "unexpected EOF"),
        ('{"name":"q"', "unexpected EOF"),
        ("nul", "unexpected EOF"),
        ("-", "unexpected EOF"),
        ('{"x":"abc', "unexpected EOF"),
        ('{"x":[1,', "unexpected EOF"),
        ('{"a":"\\ud8', "unexpected EOF"),
        ('{name:"q"}', "invalid character 'n' looking for beginning of object key string"),
        ("{'", "invalid character '\\'' looking for beginning of object key string"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("{,}", "invalid character ',' looking for beginning of object key string"),
        ("[,]", "invalid character ',' looking for beginning of value"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ('{"a":NaN}', "invalid character 'N' looking for beginning of value"),
        ('{"a":Infinity}', "invalid character 'I' looking for beginning of value"),
        ('{"a":-Infinity}', "invalid character 'I' in numeric literal"),
        ('{"a":-}', "invalid character '}' in numeric literal"),
        ('{"a":+1}', "invalid character '+' looking for beginning of value"),
        ('{"a":01}', "invalid character '1' after object key:value pair"),
        ('{"a":1.}', "invalid character '}' after decimal point in numeric literal"),
        ('{"a":1e}', "invalid character '}' in exponent of numeric literal"),
        ('{"a":1e+}', "invalid character '}' in exponent of numeric literal"),
        ('{"a":1.5.5}', "invalid character '.' after object key:value pair"),
        ('{"a":tru}', "invalid character '}' in literal true (expecting 'e')"),
        ('{"a":falsy}', "invalid character 'y' in literal false (expecting 'e')"),
        ('{"a":nule}', "invalid character 'e' in literal null (expecting 'l')"),
        ('{"a":"x\ny"}', "invalid character '\\n' in string literal"),
        ('{"a":"\x1f"}', "invalid character '\\x1f' in string literal"),
        ('{"a":"\\x"}', "invalid character 'x' in string escape code"),
        ('{"a":"\\u12"}', "invalid character '\"' in \\u hexadecimal character escape"),
        ('{"a":"\\u00zz"}', "invalid character 'z' in \\u hexadecimal character escape"),
        ("[1 2]", "invalid character '2' after array element"),
        ('["a"}', "invalid character '}' after array element"),
        ('{"a":"]" 1}', "invalid character '1' after object key:value pair"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ("\x00", "invalid character '\\x00' looking for beginning of value"),
        ("\ufeff{}", "invalid character 'ï' looking for beginning of value"),
        ("[" * 20_000, "invalid character '[' exceeded max depth"),
        ('{"a":' * 20_000, "invalid character '{' exceeded max depth"),
    ],
)
def test_what_is_not_json_is_told_in_gos_words(body: str, words: str) -> None:
    assert said(body) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[]", "array into Go value of type toxiproxy.Proxy"),
        ('5"', "number into Go value of type toxiproxy.Proxy"),
        ('{"name":5}', "number into Go struct field Proxy.name of type string"),
        ('{"name":{}}', "object into Go struct field Proxy.name of type string"),
        ('{"enabled":"x"}', "string into Go struct field Proxy.enabled of type bool"),
        ('{"enabled":1}', "number into Go struct field Proxy.enabled of type bool"),
        ('{"toxicity":true}', "bool into Go struct field Proxy.toxicity of type float32"),
        ('{"toxicity":1e300}', "number 1e300 into Go struct field Proxy.toxicity of type float32"),
        ('{"latency":"x"}', "string into Go struct field Proxy.latency of type int64"),
        ('{"latency":1.5}', "number 1.5 into Go struct field Proxy.latency of type int64"),
        ('{"latency":1e3}', "number 1e3 into Go struct field Proxy.latency of type int64"),
        (
            '{"latency":9223372036854775808}',
            "number 9223372036854775808 into Go struct field Proxy.latency of type int64",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_its_field(body: str, words: str) -> None:
    assert said(body) == f"json: cannot unmarshal {words}"


def test_keys_match_in_any_case_and_the_last_of_equal_ones_counts() -> None:
    assert read('{"name":"a","NAME":"b","LATENCY":7,"other":[{"name":5}]}') == {
        "name": "b",
        "latency": 7,
    }


def test_keys_match_where_unicode_folds_into_ascii() -> None:
    with pytest.raises(BadBodyError, match="toxicity"):
        read('{"toxicity":[]}')
    assert read_members(
        first_value('{"li\u017ften":"x"}'.encode()), {"listen": text}, struct="P", go_type="P"
    ) == {"listen": "x"}


def test_null_leaves_a_field_as_it_is_and_what_follows_the_first_value_is_ignored() -> None:
    assert read('{"name":null,"enabled":null} {"name":5} trailing') == {}
    assert read("null") == {}


def test_broken_text_becomes_replacement_characters() -> None:
    assert read(b'{"name":"\xff\xfe"}') == {"name": "\ufffd\ufffd"}
    assert read('{"name":"\\ud800"}') == {"name": "\ufffd"}


def test_the_largest_and_the_smallest_integer_pass() -> None:
    for number in (2**63 - 1, -(2**63)):
        assert read(f'{{"latency":{number}}}') == {"latency": number}
    assert said('{"latency":' + "9" * 500_000 + "}").startswith("json: cannot unmarshal number 99")


def test_times_may_have_fractions_and_exponents() -> None:
    milliseconds = fractional("int64")
    assert milliseconds(Number("1.5"), "x") == 1.5
    assert milliseconds(Number("1e3"), "x") == 1000
    assert isinstance(milliseconds(Number("2.0"), "x"), int)
    with pytest.raises(BadBodyError, match="number 1e400"):
        milliseconds(Number("1e400"), "x")


@pytest.mark.parametrize(
    ("written", "shown"), [("0.3", 0.3), ("0.1234567891", 0.12345679), ("1e-50", 0), ("1", 1)]
)
def test_a_share_is_shown_as_the_shortest_float32(written: str, shown: float) -> None:
    assert read(f'{{"toxicity":{written}}}') == {"toxicity": shown}
    assert shortest_float32(shown) == shown


def test_any_torn_or_damaged_body_is_refused_or_read_never_worse() -> None:
    dice = random.Random(5)  # noqa: S311  the same damage in every run
    whole_body = b'{"name":"a\\u00e9\\n","enabled":tru\x65,"x":[1.5e3,{"b":null}],"latency":-7}'
    for _ in range(3000):
        damaged = bytearray(whole_body[: dice.randrange(1, len(whole_body) + 1)])
        for _ in range(dice.randrange(3)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        with contextlib.suppress(BadBodyError):
            read(bytes(damaged))


def test_json_text_is_gos() -> None:
    document = {"a<b>&\u2028": "é\x00\x1f\x7f\ud800"}
    written = dumps(document)
    assert written == b'{"a\\u003cb\\u003e\\u0026\\u2028":"\xc3\xa9\\u0000\\u001f\x7f\xef\xbf\xbd"}'
    assert json.loads(written) == {"a<b>&\u2028": "é\x00\x1f\x7f\ufffd"}


def test_an_object_keeps_its_members_in_order() -> None:
    assert first_value(b'{"b":1,"a":[],"b":"x"}') == Members(
        [("b", Number("1")), ("a", []), ("b", "x")]
    )


def test_newer_pythons_words_for_a_trailing_comma_are_known() -> None:
    for where, words in (
        ("object", "invalid character '}' looking for beginning of object key string"),
        ("array", "invalid character ']' looking for beginning of value"),
    ):
        assert complaint("[1,]", f"Illegal trailing comma before end of {where}", 2) == words
