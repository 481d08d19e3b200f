"""JSON is read in the same way, whichever reader reads it."""

from __future__ import annotations

import json

import pytest
from conftest import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from pyonep.server.core import jsontext

DEEPEST = 64
NUMBERS = [
    "-0",
    "-0.0",
    "1e5",
    "1E400",
    "-1e999",
    "1e-400",
    "5e-324",
    "01",
    "1.",
    ".5",
    "+1",
    "0x1",
]
NUMBERS += [
    str(sign * (2**bits + more))
    for sign in (1, -1)
    for bits in (53, 63, 64, 70)
    for more in (-1, 0, 1)
]
NUMBERS += [
    "0." + "3" * 400,
    "1" + "0" * 309 + ".0",
    "9" * 400,
    "9" * 5000,
    "2.2250738585072011e-308",
]
TEXTS = [
    r'"\ud800"',
    r'"\ud83d\ude00"',
    r'"\ude00\ud83d"',
    r'"\u0000"',
    r'"\/"',
    r'"\x"',
    '"\x00"',
    '"\x7f"',
]
TEXTS += ["'a'", '"a', '"\ufeff"', "\ufeff1", '"\u2028"', '"😀"', '"\t"', '"\\']
OTHERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "True",
    "null",
    "[1,]",
    "[,1]",
    '{"a":1,}',
    "{'a':1}",
    "{1:2}",
]
OTHERS += [
    '{"a":1,"b":2,"a":3}',
    "[1 2]",
    '{"a" 1}',
    "",
    " ",
    " 1 ",
    "\x0c1",
    "\xa01",
    "1 2",
    "[1]]",
    "/**/1",
]
OTHERS += ["[" * depth + "]" * depth for depth in (DEEPEST, DEEPEST + 1, 1024, 1025, 5000, 200_000)]
BYTES = [
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xff"',
    b'"\xc0\x80"',
    b"\xff\xfe1\x00",
    b'"\xe2\x82"',
]
ODD = [one.encode("utf-8") for one in NUMBERS + TEXTS + OTHERS] + BYTES


def outcome(body):
    """What becomes of it; `repr` tells 1 from 1.0, 0.0 from -0.0, and the order of names."""
    try:
        return repr(jsontext.decode(body, DEEPEST))
    except (jsontext.NotJson, jsontext.NestedTooDeep) as error:
        return type(error), str(error)


def both(monkeypatch, body):
    """The outcome as requests have it, and by the standard library's reader alone."""
    with monkeypatch.context() as patch:
        patch.setattr(jsontext, "_quickly", None)
        alone = outcome(body)
    return outcome(body), alone


@pytest.mark.parametrize("frame", [b"%s", b"[%s]", b'{"a": %s}'])
@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:30]))
def test_what_is_odd_is_read_in_one_way(monkeypatch, text, frame):
    found, alone = both(monkeypatch, frame % text)
    assert found == alone


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@fuzzed(100)
@given(VALUES, st.booleans(), st.integers(0, 400), st.binary(max_size=2))
def test_what_is_drawn_is_read_in_one_way(value, is_ascii, place, put_in):
    body = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for one in (body, body[:place] + put_in + body[place:]):
            found, alone = both(monkeypatch, one)
            assert found == alone


NESTED = st.recursive(
    st.sampled_from([1, "", "]", "[[", "}{", '"', '\\"]', "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "]"]), inner),
    max_leaves=30,
)


def depth(value):
    if not isinstance(value, (list, dict)):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


@fuzzed(500)
@given(NESTED, st.integers(1, 8))
def test_what_is_nested_deeper_than_may_be_is_not_taken(value, deepest):
    body = json.dumps(value).encode()
    if depth(value) <= deepest:
        assert jsontext.decode(body, deepest) == value
    else:
        with pytest.raises(jsontext.NestedTooDeep):
            jsontext.decode(body, deepest)
