"""The decisions of provisioning, and of values by alias, on a store in memory without HTTP."""

from __future__ import annotations

import itertools

import pytest

from pyonep.server.core import (
    access,
    aliased,
    contents,
    dataports,
    devices,
    enabling,
    errors,
    fleet,
    groups,
    managing,
    ranges,
    serials,
)
from pyonep.server.core.budget import Budget
from pyonep.server.core.events import Remains
from pyonep.server.core.turns import at_once
from pyonep.server.core.unit import Member, Range

FLEETS = itertools.count()
NUMBERS = Range(0, "base10", 4, None, 5, 20)


class Fleet:
    """A vendor with a model, and another vendor that the model is shared with."""

    def __init__(self, unit):
        self.unit = unit
        number = next(FLEETS)
        self.account = fleet.add_account(unit, f"acme{number}")
        other = fleet.add_account(unit, f"bolt{number}")
        self.acme = unit.devices.vendor(self.account.name)
        self.bolt = unit.devices.vendor(other.name)
        self.template = self.client("template", self.acme)
        fleet.add_model(unit, self.acme, "m", fleet.Template(self.template.rid, "", []))
        self.owner = managing.manager(unit, self.acme, "", {})
        self.model = self.owner.model(unit, "m")
        fleet.share(unit, self.model, self.bolt.name)
        self.guest = managing.manager(unit, self.bolt, self.acme.name, {})

    def client(self, name, vendor):
        return devices.add_client(self.unit, self.unit.resources.by_id(vendor.client), name)

    def add(self, *numbers):
        at_once(serials.add(self.unit, self.model, [(sn, "") for sn in numbers]))

    def enable(self, sn, by=None):
        manager = by or self.owner
        below = self.unit.resources.by_id(manager.vendor.client)
        return at_once(enabling.enable(self.unit, manager, self.model, sn, below.rid))

    def activate(self, sn):
        return enabling.activate(self.unit, self.acme.name, "m", sn, "127.0.0.1")

    def state(self, sn):
        return serials.state(self.unit, serials.existing(self.unit, self.model, sn))

    def shown(self, listing, offset=0):
        after, skipped = listing.begin(offset) or (0, None)
        if skipped is None or (skipped and listing.skip(after, skipped) is None):
            return None
        after = listing.skip(after, skipped) if skipped else after
        return [row[1] for row in listing.read(after, 100)]


@pytest.fixture
def acme(unit):
    return Fleet(unit)


# --- who manages -----------------------------------------------------------


def test_a_guest_may_not_do_what_only_the_owner_may(acme):
    acme.owner.require_owner()
    with pytest.raises(errors.Forbidden, match="not open to vendors"):
        acme.guest.require_owner()


def test_a_guest_works_on_what_is_shared_and_as_long_as_it_is(acme):
    assert acme.guest.model(acme.unit, "m") == acme.model
    (look, *given) = acme.guest.grounds["model", acme.model.id]
    look(*given)
    fleet.unshare(acme.unit, acme.model, acme.bolt.name)
    with pytest.raises(errors.Forbidden, match="not shared"):
        look(*given)


def test_a_guest_learns_nothing_of_what_there_is(acme):
    with pytest.raises(errors.Forbidden, match="not shared"):
        acme.guest.model(acme.unit, "unknown")
    with pytest.raises(errors.NotFound):
        acme.owner.model(acme.unit, "unknown")


def test_another_model_of_the_same_name_is_not_the_one_that_work_began_on(acme):
    (look, *given) = acme.owner.grounds["model", acme.model.id]
    fleet.remove_model(acme.unit, acme.model)
    fleet.add_model(acme.unit, acme.acme, "other", fleet.Template(acme.template.rid, "", []))
    with pytest.raises(errors.NotFound, match="no such model"):
        look(*given)


def test_shares_rest_while_their_vendor_may_not_act(acme):
    node = acme.unit.resources.by_id(acme.acme.client)
    acme.unit.resources.set_key(node, node.cik, access.EXPIRED, None)
    with pytest.raises(errors.Forbidden, match="rests"):
        managing.manager(acme.unit, acme.bolt, acme.acme.name, {})
    with pytest.raises(errors.Unauthorized):
        managing.vendor_by_token(acme.unit, acme.account.token)


# --- vendors and models ----------------------------------------------------


def test_a_name_belongs_to_one_client_and_a_client_has_one_name(acme):
    client = acme.client("third", acme.acme)
    with pytest.raises(errors.Conflict, match="taken"):
        fleet.register(acme.unit, client, acme.acme.name)
    fleet.register(acme.unit, client, f"third-{acme.acme.name}")
    with pytest.raises(errors.Conflict, match="already"):
        fleet.register(acme.unit, client, f"fourth-{acme.acme.name}")
    assert fleet.registered_name(acme.unit, client) == f"third-{acme.acme.name}"


def test_a_vendor_with_models_keeps_its_name(acme):
    with pytest.raises(errors.Conflict, match="owns models"):
        fleet.unregister(acme.unit, acme.unit.resources.by_id(acme.acme.client), acme.acme.name)


@pytest.mark.parametrize("rid, code", [("", ""), ("1" * 40, "2" * 40)])
def test_a_template_is_one_thing(rid, code):
    with pytest.raises(errors.Invalid, match="either"):
        fleet.Template(rid, code, []).check()


def test_a_vendor_clones_only_what_is_its_own(acme):
    foreign = fleet.Template(acme.client("foreign", acme.bolt).rid, "", [])
    with pytest.raises(errors.Unusable):
        fleet.add_model(acme.unit, acme.acme, "n", foreign)
    with pytest.raises(errors.Unusable):
        fleet.change_model(acme.unit, acme.acme, acme.model, foreign)


def test_a_vendor_needs_no_share_of_its_own(acme):
    with pytest.raises(errors.Conflict):
        fleet.share(acme.unit, acme.model, acme.acme.name)


def test_a_removed_model_leaves_nothing(acme):
    acme.add("1", "2")
    contents.add(acme.unit, acme.model, "c", "", False)
    fleet.remove_model(acme.unit, acme.model)
    assert Remains() in acme.unit.events
    while fleet.remove_some(acme.unit):
        pass
    assert not acme.unit.devices.serials(acme.model.id, ["1", "2"])
    assert acme.unit.content.one(acme.model.id, "c") is None


# --- serial numbers --------------------------------------------------------


def test_the_states_of_a_serial_number(acme, clock):
    acme.add("1")
    assert acme.state("1") == serials.UNUSED
    acme.enable("1")
    assert acme.state("1") == access.NOT_ACTIVATED
    acme.activate("1")
    assert acme.state("1") == access.ACTIVATED
    enabling.renew(acme.unit, acme.owner, acme.model, "1")
    clock.now += 10**9
    assert acme.state("1") == access.EXPIRED


def test_a_key_is_fetched_once(acme):
    acme.add("1")
    with pytest.raises(errors.Conflict):
        acme.activate("1")
    acme.enable("1")
    assert len(acme.activate("1")) == 40
    with pytest.raises(errors.Conflict):
        acme.activate("1")


def test_a_guest_sees_its_own_and_the_free_and_acts_on_its_own(acme):
    acme.add("free", "theirs", "mine")
    acme.enable("theirs")
    acme.enable("mine", acme.guest)
    assert acme.shown(serials.listing(acme.unit, acme.guest, acme.model)) == ["mine"]
    assert serials.visible(acme.unit, acme.guest, acme.model, "free").sn == "free"
    for sn in ("free", "theirs"):
        with pytest.raises(errors.NotFound):
            enabling.disable(acme.unit, acme.guest, acme.model, sn)
    enabling.disable(acme.unit, acme.guest, acme.model, "mine")
    assert acme.state("mine") == access.EXPIRED


def test_who_enables_owns_what_the_client_is_below(acme):
    acme.add("1")
    foreign = acme.unit.resources.by_id(acme.bolt.client).rid
    with pytest.raises(errors.Forbidden):
        at_once(enabling.enable(acme.unit, acme.owner, acme.model, "1", foreign))
    assert acme.state("1") == serials.UNUSED


def test_a_serial_number_is_enabled_once_at_a_time(acme):
    acme.add("1")
    for number in range(300):  # so that to clone them takes several steps
        dataports.add(acme.unit, acme.template, f"port {number}")
    below = acme.unit.resources.by_id(acme.acme.client).rid
    first = enabling.enable(acme.unit, acme.owner, acme.model, "1", below)
    next(first)
    with pytest.raises(errors.Conflict, match="being enabled"):
        acme.enable("1")
    first.close()
    acme.enable("1")


def test_of_serial_numbers_all_are_added_or_none(acme):
    acme.add("1")
    with pytest.raises(errors.Conflict):
        acme.add("2", "1")
    assert acme.shown(serials.listing(acme.unit, acme.owner, acme.model)) == ["1"]


def test_one_that_is_removed_alone_must_be_there(acme):
    acme.add("1", "2")
    at_once(serials.remove_listed(acme.unit, acme.model, ["1", "unknown"]))
    with pytest.raises(errors.NotFound):
        at_once(serials.remove_listed(acme.unit, acme.model, ["1"]))
    assert at_once(serials.remove_all(acme.unit, acme.model, ["1", "2"])) == 1


def test_another_serial_number_takes_a_client_over_under_a_new_key(acme):
    acme.add("old", "new")
    acme.enable("old")
    key = acme.activate("old")
    enabling.remap(acme.unit, acme.owner, acme.model, "new", "old")
    assert [acme.state(sn) for sn in ("old", "new")] == [serials.UNUSED, access.NOT_ACTIVATED]
    assert acme.activate("new") != key


def test_a_list_of_serial_numbers_begins_anywhere(acme):
    numbers = [f"{number:04}" for number in range(12)]
    acme.add(*numbers)
    listing = serials.listing(acme.unit, acme.owner, acme.model)
    assert acme.shown(listing, 10) == numbers[10:]
    assert acme.shown(listing, 12) is None
    assert acme.shown(serials.listing(acme.unit, acme.owner, acme.model, "nobody")) == []


# --- ranges ----------------------------------------------------------------


def test_ranges_of_a_model_have_nothing_in_common(acme):
    ranges.add(acme.unit, acme.model, [NUMBERS])
    with pytest.raises(errors.Conflict):
        ranges.add(acme.unit, acme.model, [NUMBERS._replace(first=30, last=40), NUMBERS])
    assert len(ranges.of_model(acme.unit, acme.model)) == 1


def test_of_ranges_all_are_removed_or_none(acme):
    ranges.add(acme.unit, acme.model, [NUMBERS])
    with pytest.raises(errors.NotFound):
        ranges.remove(acme.unit, acme.model, [NUMBERS, NUMBERS._replace(first=6)])
    assert ranges.of_model(acme.unit, acme.model)
    ranges.remove(acme.unit, acme.model, [NUMBERS])
    assert not ranges.of_model(acme.unit, acme.model)


def test_a_serial_number_of_a_range_is_one_when_it_is_enabled(acme):
    ranges.add(acme.unit, acme.model, [NUMBERS])
    assert acme.unit.devices.serial(acme.model.id, "0005") is None
    acme.enable("0005")
    assert acme.state("0005") == access.NOT_ACTIVATED
    with pytest.raises(errors.NotFound):
        acme.enable("5")


# --- groups and content ----------------------------------------------------


def group(acme, name):
    groups.add(acme.unit, acme.model, name, "")
    return groups.found(acme.unit, acme.owner, acme.model, name)


def hold(acme, where, *members):
    at_once(groups.set_members(acme.unit, where, [Member(*one, 0, "") for one in members]))


def test_a_group_cannot_hold_itself(acme):
    with pytest.raises(errors.Invalid):
        hold(acme, group(acme, "g"), ("group", "g"))


def test_work_on_a_group_ends_with_it(acme):
    one = group(acme, "g")
    (look, *given) = acme.owner.grounds["group", one.number]
    look(*given)
    at_once(groups.remove(acme.unit, one))
    groups.add(acme.unit, acme.model, "g", "")
    with pytest.raises(errors.NotFound):
        look(*given)


def test_protected_content_is_for_those_in_a_group_with_it(acme):
    acme.add("in", "out")
    contents.add(acme.unit, acme.model, "open", "", False)
    contents.add(acme.unit, acme.model, "closed", "", True)
    inner, outer = group(acme, "inner"), group(acme, "outer")
    hold(acme, inner, ("sn", "in"))
    hold(acme, outer, ("group", "inner"), ("content", "closed"))
    assert at_once(contents.usable(acme.unit, acme.model, "in")) == ["open", "closed"]
    assert at_once(contents.usable(acme.unit, acme.model, "out")) == ["open"]
    with pytest.raises(errors.Forbidden):
        at_once(contents.authorised(acme.unit, acme.model, "out", "closed"))
    at_once(groups.remove_members(acme.unit, inner, [Member("sn", "in", 0, "")]))
    with pytest.raises(errors.Forbidden):
        at_once(contents.authorised(acme.unit, acme.model, "in", "closed"))


def test_members_expire(acme, clock):
    one = group(acme, "g")
    soon = groups.member("sn", "1", int(clock.now) + 10, "")
    at_once(groups.set_members(acme.unit, one, [soon, groups.member("sn", "2", 0, "")]))
    assert at_once(groups.count_members(acme.unit, one)) == 2
    clock.now += 10
    assert at_once(groups.count_members(acme.unit, one)) == 1
    assert groups.members_named(acme.unit, one, "", "1") == []


def test_bytes_are_content_when_all_have_come(acme):
    contents.add(acme.unit, acme.model, "c", "", False)
    entry = contents.to_upload(acme.unit, acme.model, "c", 5)
    blob = contents.new_blob(acme.unit)
    contents.add_piece(acme.unit, blob, 0, b"bytes")
    with pytest.raises(errors.NotFound, match="nothing"):
        contents.blob_of(contents.one(acme.unit, acme.model, "c"))
    contents.put(acme.unit, entry, blob, "text/plain", 5)
    stored = contents.blob_of(contents.one(acme.unit, acme.model, "c"))
    parts = contents.pieces(1, 3)
    assert b"".join(contents.piece(acme.unit, stored, n)[part] for n, part in parts) == b"yte"


def test_bytes_of_what_was_removed_meanwhile_are_none(acme):
    contents.add(acme.unit, acme.model, "c", "", False)
    entry = contents.to_upload(acme.unit, acme.model, "c", 0)
    at_once(contents.remove(acme.unit, acme.model, "c"))
    with pytest.raises(errors.NotFound, match="meanwhile"):
        contents.put(acme.unit, entry, contents.new_blob(acme.unit), "text/plain", 0)


def test_content_is_as_long_as_the_settings_say(acme):
    contents.add(acme.unit, acme.model, "c", "", False)
    with pytest.raises(errors.TooLarge):
        contents.to_upload(acme.unit, acme.model, "c", acme.unit.settings.max_content_bytes + 1)


# --- values by alias -------------------------------------------------------


@pytest.fixture
def writer(unit, owner):
    dataports.add(unit, owner, "t", "float")
    return aliased.Writer(owner, {}, Budget(unit.settings), [])


def test_of_values_all_are_written_or_none(unit, writer):
    dataports.add(unit, writer.client, "u", "float")
    with pytest.raises(errors.Invalid):
        at_once(aliased.write(unit, writer, {"t": "1", "u": "no number"}))
    assert aliased.newest(unit, writer.client, "t") is None
    at_once(aliased.write(unit, writer, {"t": "1.5", "unknown": "2"}))
    assert writer.unknown == ["unknown"]
    assert aliased.newest(unit, writer.client, "t") == "1.5"


def test_points_less_than_a_second_from_another_are_not_stored(unit, writer):
    blocks = {"t": [(10.0, "1"), (10.5, "2"), (12.0, "3")]}
    assert at_once(aliased.record(unit, writer, blocks)) == {"t": [10.5]}
    node = aliased.named(unit, writer.client, "t")
    assert aliased.first_after(unit, node, 10).time == 12


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "9" * 30, "NaN"])
def test_times_that_are_none(text):
    with pytest.raises(errors.Invalid):
        aliased.timestamp(text)
