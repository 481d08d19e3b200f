"""Clones, removal and limits on a store in memory, while others change things in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyonep.server.platform import Platform
from pyonep.server.store import Store, series

NOW = 1_700_000_000
EVER = (-(2**60), 2**60)


@pytest.fixture
def core():
    platform = Platform(Store(None), clock=lambda: NOW)
    yield platform
    platform.store.close()


def points(platform, number):
    """The points of a series; what is known about it without looking must agree with them."""
    store = platform.series
    found, _ = store.page(number, *EVER, 10_000, True, 2**30)
    assert store.count(number) == len(found)
    assert store.size(number) == sum(len(value) for _, value in found)
    assert store.newest(number) == (found[-1] if found else None)
    return dict(found)


# --- series ---

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 30), st.text("ab", max_size=3)),
        st.tuples(st.just("remove"), st.integers(1, 30), st.integers(1, 30)),
        st.tuples(st.just("keep_newest"), st.integers(0, 8)),
    ),
    max_size=3,
)


@given(
    st.dictionaries(st.integers(1, 30), st.text("ab", max_size=3)),
    st.lists(st.tuples(CHANGES, st.booleans()), max_size=12),
    st.integers(1, 5),
)
def test_a_copy_counts_what_was_copied(before, between, few):
    """Whatever happens to the source meanwhile; each step copies what is there by then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "_FEW", few)
        platform = Platform(Store(None), clock=lambda: NOW)
        store, expected = platform.series, {}
        store.put_many(1, list(before.items()))
        position, high, changes = 0, max(before, default=0), iter(between)
        while position is not None:
            now, start = points(platform, 1), position
            position = store.copy(1, 2, start, high)
            end = high if position is None else position - 1
            expected.update({t: v for t, v in now.items() if start <= t <= end})
            some, is_end = next(changes, ((), False))
            for kind, *arguments in some:
                getattr(store, kind)(1, *arguments)
            if is_end:
                platform.commit()
        assert points(platform, 2) == expected
        platform.commit()
        platform.database.rollback()  # forgets what is cached
        assert points(platform, 2) == expected
        assert points(platform, 1) is not None
        while not store.remove_some(2):
            pass
        assert points(platform, 2) == {}
        platform.store.close()


@pytest.mark.parametrize("known", [0, 1, 3, 50])
@pytest.mark.parametrize("how", ["remove", "keep"])
def test_a_wrong_number_of_points_does_not_keep_removal_from_its_end(
    core, known, how, monkeypatch, caplog
):
    """A file in which it is wrong, as an interrupted copy once left it, mends itself."""
    monkeypatch.setattr(series, "_FEW", 2)
    store = core.series
    store.put_many(1, [(n, "v") for n in range(1, 10)])
    core.commit()
    core.database.change(series._SET_STATS, s=1, n=known, z=known)
    core.commit()
    core.database.rollback()
    for _ in range(20):
        if store.remove_some(1) if how == "remove" else store.keep_newest(1, 0):
            break
    else:
        pytest.fail("it never ends")
    if how == "remove":
        assert points(core, 1) == {}
    if known:  # a series that is known to be empty is not looked at by keep_newest
        assert points(core, 1) is not None
        assert "counted anew" in caplog.text
