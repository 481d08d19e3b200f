"""The tree: who is above whom, who may read what, and who may act."""

from __future__ import annotations

import pytest

from pyonep.server.core import access, keys, lifecycle
from pyonep.server.core.access import Call, Caller, Watch
from pyonep.server.core.budget import Budget
from pyonep.server.core.descriptions import LIMITS
from pyonep.server.core.errors import BadArguments, Refused, Unauthorized
from pyonep.server.core.settings import Settings
from pyonep.server.core.turns import at_once
from pyonep.server.store import ROOT

INHERIT = {"limits": dict.fromkeys(LIMITS, "inherit")}


@pytest.fixture
def boxes(owner, make):
    """Clients one in the other: the outermost first."""
    outer = make("client", **INHERIT)
    middle = make("client", outer, **INHERIT)
    return outer, middle, make("client", middle, **INHERIT)


def acting(unit, client, procedure="read", permissions=None):
    caller = Caller(client.id, client.id, None, permissions)
    return Call(unit, client, procedure, caller, Budget(Settings()), {})


def again(unit, node):
    return unit.resources.by_id(node.id)


def test_who_is_within_whom(unit, boxes):
    for place, node in enumerate(boxes):
        assert access.is_within(unit, node, ROOT)
        for other, top in enumerate(boxes):
            assert access.is_within(unit, node, top.id) == (other <= place)


def test_what_is_dropped_is_in_the_tree_no_longer_nor_what_is_below(unit, boxes, make):
    outer, middle, inner = boxes
    port = make(of=inner)
    lifecycle.drop(unit, middle)
    assert access.in_tree(unit, outer)
    for node in (middle, inner, port):
        assert not access.in_tree(unit, node)


def test_a_copy_is_in_the_tree_when_it_is_finished(unit, owner, boxes):
    steps = lifecycle.clone(unit, owner, boxes[0])
    next(steps)
    clients = unit.resources.children_after
    assert [one.id for one in clients(owner.id, "client", 0, 9)] == [boxes[0].id]
    copy = at_once(steps)
    assert access.in_tree(unit, copy)
    assert [one.id for one in clients(owner.id, "client", 0, 9)] == [boxes[0].id, copy.id]


@pytest.mark.parametrize("where", ["own", "below", "above", "beside"])
@pytest.mark.parametrize("is_public", [False, True])
def test_who_may_read(unit, owner, boxes, make, where, is_public):
    reader = boxes[1]
    beside = make("client", **INHERIT)
    place = {"own": reader, "below": boxes[2], "above": boxes[0], "beside": beside}[where]
    port = make(of=place, public=is_public)
    assert access.may_read(unit, reader, port) == (is_public or where in ("own", "below"))
    lifecycle.drop(unit, port)
    assert not access.may_read(unit, reader, port)


def test_a_share_lets_its_activator_read(unit, boxes, make):
    port = make()
    code = keys.new()
    unit.rights.add_share(code, port.id, "")
    assert not access.may_read(unit, boxes[0], port)
    unit.rights.set_activator(code, boxes[0].id)
    assert access.may_read(unit, boxes[0], port)
    assert not access.may_read(unit, boxes[1], port)


# --- what an argument names ---


def test_what_a_resource_argument_names(unit, owner, make):
    port, call = make(), acting(unit, owner)
    unit.resources.map(owner.id, "temp", port.id)
    assert call.own(port.rid).id == port.id
    assert call.own({"alias": "temp"}).id == port.id
    assert call.own({"alias": ""}).id == owner.id
    with pytest.raises(Refused, match="itself"):
        call.below({"alias": ""})


@pytest.mark.parametrize("argument", [None, 1, [], {}, {"alias": 1}, {"alias": "a", "b": 1}])
def test_what_names_nothing(unit, owner, argument):
    with pytest.raises(BadArguments):
        acting(unit, owner).named(argument)


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ({"alias": "unknown"}, "no resource has the alias 'unknown'"),
        ("short", "a RID has 40 characters"),
        ("0" * 40, "no such resource within reach"),
    ],
)
def test_what_is_not_there(unit, owner, argument, reason):
    with pytest.raises(Refused, match=reason):
        acting(unit, owner).named(argument)


def test_an_alias_of_what_was_dropped_leads_nowhere(unit, owner, make):
    port = make()
    unit.resources.map(owner.id, "temp", port.id)
    lifecycle.drop(unit, port)
    assert access.aliased(unit, owner, "temp") is None
    assert at_once(access.aliases_of(unit, owner)) == []


def test_what_is_beside_is_not_ones_own(unit, boxes, make):
    port = make()
    with pytest.raises(Refused, match="not below the calling client"):
        acting(unit, boxes[0]).own(port.rid)
    with pytest.raises(Refused, match="neither shared nor public"):
        acting(unit, boxes[0]).readable(port.rid)


def test_a_token_permits_what_it_names_and_below(unit, owner, boxes, make):
    call = acting(unit, owner, "read", {boxes[1].rid: ["read"]})
    assert call.own(make(of=boxes[2]).rid)
    with pytest.raises(Refused, match="the token does not permit read here"):
        call.own(make(of=boxes[0]).rid)


# --- who may act ---


def test_who_calls_by_a_key(unit, owner, boxes):
    assert access.authenticate(unit, {"cik": owner.cik}).client == owner.id
    deeper = access.authenticate(unit, {"cik": owner.cik, "client_id": boxes[2].rid})
    assert (deeper.client, deeper.holder) == (boxes[2].id, owner.id)


@pytest.mark.parametrize("auth", [None, [], {}, {"cik": 1}, {"cik": "0" * 40}, {"token": "x"}])
def test_who_does_not_call(unit, auth):
    with pytest.raises(Unauthorized):
        access.authenticate(unit, auth)


def test_a_key_has_to_be_activated_in_time(unit, clock, boxes):
    access.renew_key(unit, boxes[0])
    node = again(unit, boxes[0])
    assert access.key_status(node, clock()) == access.NOT_ACTIVATED
    clock.now += unit.settings.activation_window
    assert access.key_status(node, clock()) == access.EXPIRED
    assert not access.is_active(unit, node)


def test_one_that_is_locked_is_told_so(unit, boxes):
    lifecycle.update(unit, boxes[0], {"locked": True})
    caller = access.authenticate(unit, {"cik": boxes[0].cik})
    assert "locked" in str(access.objection(unit, caller))
    lifecycle.drop(unit, boxes[0])
    assert "not valid any more" in str(access.objection(unit, caller))


# --- long work ---


def test_long_work_ends_with_what_it_stands_on(unit, owner, make):
    call = acting(unit, owner)
    port = call.own(make().rid)
    watch = Watch(unit, lambda: None, call.grounds)
    watch.check()
    lifecycle.drop(unit, port)
    with pytest.raises(Refused, match="not below the calling client"):
        watch.check()


def test_what_is_decided_is_done_to_its_end(unit, owner, make):
    call = acting(unit, owner)
    port = call.own(make().rid)
    watch = Watch(unit, lambda: pytest.fail("nobody asks any more"), call.grounds)
    with access.decided(call.grounds):
        lifecycle.drop(unit, port)
        watch.check()
