"""Values: what each format accepts, comparisons, and arithmetic."""

from __future__ import annotations

import pytest
from conftest import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from pyonep.server.core import values
from pyonep.server.core.errors import Refused

LONGEST = 4
FORMATS = ("integer", "float", "string")
INTEGERS = st.one_of(
    st.integers(),
    st.sampled_from([-(2**63), -(2**63) - 1, 2**63 - 1, 2**63, 10**400, 0, True]),
)
FLOATS = st.floats() | st.sampled_from([-0.0, 5e-324, 1e22])
TEXTS = st.text(st.characters(exclude_categories=()), max_size=LONGEST + 1)
OTHERS = st.sampled_from([None, [], {}, "7", " 7", "1e3", "\ud800", "a" * (LONGEST + 1)])
MANY = st.one_of(
    *[st.lists(kind, min_size=1) for kind in (INTEGERS, FLOATS, TEXTS, INTEGERS | FLOATS)],
    st.lists(INTEGERS | FLOATS | TEXTS | OTHERS, min_size=1),
)


def one_by_one(format, raws):
    keep = values.keeper(format)
    return [keep(raw, LONGEST) for raw in raws]


@fuzzed(100)
@given(st.sampled_from(FORMATS), MANY)
def test_many_values_are_kept_as_each_alone(format, raws):
    kept = values.all_kept(format, raws, LONGEST)
    if kept is not None:
        assert kept == one_by_one(format, raws)


@pytest.mark.parametrize(
    ("format", "raws"),
    [
        ("integer", [1, -(2**63), 2**63 - 1]),
        ("float", [1.5, -0.0, 7, 10**30]),
        ("string", ["", "aé", "😀"]),
    ],
)
def test_what_nearly_all_values_are_is_taken_at_once(format, raws):
    assert values.all_kept(format, raws, LONGEST) == one_by_one(format, raws)


@pytest.mark.parametrize(
    ("format", "raws"),
    [
        ("integer", [1, True]),
        ("integer", [2**63]),
        ("float", [1.5, 10**400]),
        ("float", [float("inf")]),
        ("string", ["a" * (LONGEST + 1)]),
        ("string", ["a", "\ud800"]),
    ],
)
def test_what_is_refused_alone_is_not_taken_with_others(format, raws):
    assert values.all_kept(format, raws, LONGEST) is None
    with pytest.raises(Refused):
        one_by_one(format, raws)


# --- what each format makes of each kind of value ---

REFUSED = object()
HUGE = 10**400
KINDS = [
    # value, as an integer, as a float, as a string
    (0, "0", "0.0", "0"),
    (-7, "-7", "-7.0", "-7"),
    (2**63 - 1, str(2**63 - 1), "9.223372036854776e+18", str(2**63 - 1)),
    (2**63, REFUSED, "9.223372036854776e+18", str(2**63)),
    (HUGE, REFUSED, REFUSED, REFUSED),
    (1.5, REFUSED, "1.5", "1.5"),
    (2.0, REFUSED, "2.0", "2.0"),
    (-0.0, REFUSED, "-0.0", "-0.0"),
    (float("nan"), REFUSED, REFUSED, REFUSED),
    (float("inf"), REFUSED, REFUSED, REFUSED),
    ("7", "7", "7.0", "7"),
    ("+7", "7", "7.0", "+7"),
    ("007", "7", "7.0", "007"),
    (" 7", REFUSED, REFUSED, " 7"),
    ("7.", REFUSED, "7.0", "7."),
    (".5", REFUSED, "0.5", ".5"),
    ("1e3", REFUSED, "1000.0", "1e3"),
    ("1_0", REFUSED, REFUSED, "1_0"),
    ("٣", REFUSED, REFUSED, "٣"),
    ("nan", REFUSED, REFUSED, "nan"),
    ("", REFUSED, REFUSED, ""),
    ("9" * 401, REFUSED, REFUSED, "9" * 401),
    ("\ud800", REFUSED, REFUSED, REFUSED),
    (True, REFUSED, REFUSED, REFUSED),
    (None, REFUSED, REFUSED, REFUSED),
    ([], REFUSED, REFUSED, REFUSED),
    ({}, REFUSED, REFUSED, REFUSED),
]


@pytest.mark.parametrize(("value", "integer", "float_", "string"), KINDS)
def test_each_format_and_each_kind_of_value(value, integer, float_, string):
    for format, want in (("integer", integer), ("float", float_), ("string", string)):
        if want is REFUSED:
            with pytest.raises(Refused) as refused:
                values.keeper(format)(value, 500)
            assert len(str(refused.value)) < 200
        else:
            assert values.keeper(format)(value, 500) == want


@fuzzed(100)
@given(st.sampled_from(FORMATS), st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False))
def test_what_is_kept_is_given_back(format, value):
    try:
        kept = values.keeper(format)(value, 500)
    except Refused:
        assert isinstance(value, float)
        return
    given = values.giver(format)(kept)
    assert given == (str(value) if format == "string" else value)
    assert values.keeper(format)(given, 500) == kept


def test_a_text_has_a_limit():
    keep = values.keeper("string")
    assert keep("abc", 3) == "abc"
    with pytest.raises(Refused, match="at most 3 characters"):
        keep("abcd", 3)


# --- comparisons and arithmetic ---


@pytest.mark.parametrize(
    ("left", "right", "fulfilled"),
    [
        (1, 2, "lt leq neq"),
        (2, 2.0, "leq eq geq"),
        ("10", 9, "gt geq neq"),  # as numbers
        ("10", "9", "gt geq neq"),
        ("10", "9a", "lt leq neq"),  # as texts
        ("a", "a", "leq eq geq"),
        (1, "a", "lt leq neq"),
        (2**53 + 1, 2**53, "gt geq neq"),
        ("", 0, "lt leq neq"),
    ],
)
def test_each_comparison(left, right, fulfilled):
    for comparison in values._COMPARE:
        assert values.compare(comparison, left, right) is (comparison in fulfilled.split())


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_what_is_neither_number_nor_text_is_not_compared(value):
    with pytest.raises(Refused, match="only numbers and texts"):
        values.compare("eq", value, 1)


@pytest.mark.parametrize(
    ("operation", "left", "right", "result"),
    [
        ("add", 1, 2, 3),
        ("add", "1.5", "2", 3.5),
        ("sub", 1, 2, -1),
        ("mul", 3, 0.5, 1.5),
        ("div", 7, 2, 3.5),
        ("mod", 7, 4, 3),
        ("mod", -7, 4, 1),
        ("add", 2**63 - 1, 1, float(2**63)),
        ("div", 1, 0, REFUSED),
        ("mod", 1, 0, REFUSED),
        ("mul", 1e308, 10, REFUSED),
        ("add", "a", 1, REFUSED),
        ("add", 1, "a", REFUSED),
        ("add", None, 1, REFUSED),
        ("add", True, 1, REFUSED),
    ],
)
def test_each_operation(operation, left, right, result):
    if result is REFUSED:
        with pytest.raises(Refused, match=f"preprocess: {operation}"):
            values.calculate(operation, left, right)
    else:
        found = values.calculate(operation, left, right)
        assert found == result
        assert type(found) is type(result)


OPERANDS = st.integers(-(2**70), 2**70) | st.floats() | TEXTS


@fuzzed(100)
@given(st.sampled_from(sorted(values._ARITHMETIC)), OPERANDS, OPERANDS)
def test_a_result_is_a_number_that_can_be_kept_or_refused(operation, left, right):
    try:
        result = values.calculate(operation, left, right)
    except Refused:
        return
    assert values.as_number(result) == result


@fuzzed(100)
@given(OPERANDS, OPERANDS)
def test_comparisons_agree_with_each_other(left, right):
    told = {name: values.compare(name, left, right) for name in values._COMPARE}
    if isinstance(left, str) or isinstance(right, str) or (left == left and right == right):
        assert told["geq"] is not told["lt"]
        assert told["leq"] is not told["gt"]
    assert told["eq"] is not told["neq"]
