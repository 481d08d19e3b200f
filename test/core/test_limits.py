"""Limits: what counts against whom, and what passes them."""

from __future__ import annotations

import pytest

from pyonep.server.core import lifecycle, limits
from pyonep.server.core.descriptions import LIMITS
from pyonep.server.core.errors import Refused

INHERIT = dict.fromkeys(LIMITS, "inherit")


def used(unit, client, kind="dataport"):
    """What a client owns of a kind, and what counts against it."""
    return unit.usage.tallies(client.id).get(kind, (0, 0))


def box(make, of=None, **most):
    return make("client", of, limits={**INHERIT, **most})


def test_what_is_made_counts_up_to_the_first_number(unit, owner, make):
    outer = box(make, dataport=9)
    middle = box(make, outer)
    inner = box(make, middle)
    make(of=inner)
    assert used(unit, inner) == (1, 1)
    assert used(unit, middle) == (0, 1)
    assert used(unit, outer) == (0, 1)
    assert used(unit, owner) == (0, 0)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_limit_holds_for_all_that_inherit_from_it(unit, make, depth):
    client = top = box(make, dataport=2)
    for _ in range(depth):
        client = box(make, client)
    make(of=client)
    make(of=top)
    for place in (client, top):
        with pytest.raises(Refused, match="the limit of 2 dataport resources is reached"):
            make(of=place)
    assert used(unit, top)[1] == 2


def test_an_inner_limit_is_what_holds_inside(unit, make):
    outer = box(make, dataport=1)
    inner = box(make, outer, dataport=3)
    for _ in range(3):
        make(of=inner)
    assert used(unit, outer) == (0, 0)
    with pytest.raises(Refused):
        make(of=inner)
    make(of=outer)


def test_by_default_nothing_may_be_owned(make):
    client = make("client")
    for kind in ("client", "dataport"):
        with pytest.raises(Refused, match=f"the limit of 0 {kind}"):
            make(kind, client)


def test_what_is_dropped_counts_no_longer(unit, make):
    outer = box(make, dataport=2, client=1)
    inner = box(make, outer)
    for _ in range(2):
        make(of=inner)
    lifecycle.drop(unit, inner)
    assert used(unit, outer) == (0, 0)
    assert used(unit, outer, "client") == (0, 0)
    make(of=box(make, outer))


def test_what_is_refused_changes_nothing(unit, owner, make):
    full, port = box(make, dataport=0), make()
    before = used(unit, owner)
    with pytest.raises(Refused, match="the limit of 0"):
        lifecycle.move(unit, port, full, False)
    assert unit.resources.by_id(port.id).owner == owner.id
    assert used(unit, owner) == before
    assert used(unit, full) == (0, 0)


def test_what_moves_takes_along_all_that_inherits_through_it(unit, make):
    old, new, small = box(make, dataport=5), box(make, dataport=2), box(make, dataport=1)
    moved = box(make, old)
    for _ in range(2):
        make(of=box(make, moved))
    with pytest.raises(Refused):
        lifecycle.move(unit, moved, small, False)
    lifecycle.move(unit, moved, new, False)
    assert used(unit, old) == (0, 0)
    assert used(unit, new) == (0, 2)


def test_a_limit_is_not_put_below_what_is_used(unit, make):
    client = box(make)
    make(of=client)
    with pytest.raises(Refused, match="1 dataport resources are in use, more than 0"):
        lifecycle.update(unit, client, {"limits": {"dataport": 0}})
    lifecycle.update(unit, client, {"limits": {"dataport": 1}})
    with pytest.raises(Refused):
        make(of=unit.resources.by_id(client.id))


def test_what_begins_to_inherit_counts_above(unit, make):
    outer = box(make, dataport=1)
    inner = box(make, outer, dataport=9)
    make(of=inner)
    lifecycle.update(unit, inner, {"limits": {"dataport": "inherit"}})
    assert used(unit, outer) == (0, 1)
    lifecycle.update(unit, unit.resources.by_id(inner.id), {"limits": {"dataport": 9}})
    assert used(unit, outer) == (0, 0)


def test_what_begins_to_inherit_needs_room_above(unit, make):
    outer = box(make, dataport=1)
    inner = box(make, outer, dataport=9)
    for _ in range(2):
        make(of=inner)
    with pytest.raises(Refused, match="the limit of 1 dataport"):
        lifecycle.update(unit, inner, {"limits": {"dataport": "inherit"}})
    assert used(unit, outer) == (0, 0)


def test_the_weight_of_a_resource(unit, make):
    client = box(make, datarule=1)
    make(of=client)
    make(of=client)
    make("datarule", client, rule={"timeout": {"timeout": 5}})
    assert limits.weight(unit, make()) == {"dataport": 1, "share": 0}
    assert limits.weight(unit, client) == {"client": 1, "dataport": 2, "share": 0}
