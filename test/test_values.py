"""Values of a series: many at once are taken as each of them is alone."""

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


@fuzzed(500)
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
