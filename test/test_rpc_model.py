"""Random sequences of procedures, compared answer by answer with a small model in memory."""

from __future__ import annotations

from conftest import fuzzed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from platforms import Clock

from pyonep import onep
from pyonep.server import LocalPlatform

INVALID = (False, "invalid")
OK = (True, "ok")
CLOCK = Clock()
PLATFORM = LocalPlatform(clock=CLOCK)

times = st.integers(1, 12)
names = st.sampled_from(["a", "b", "c"])
numbers = st.integers(-5, 5)


class Port:
    """What the model knows of a dataport."""

    def __init__(self, keep):
        self.points = {}
        self.keep = keep

    def put(self, time, value):
        self.points[time] = value
        while self.keep is not None and len(self.points) > self.keep:
            del self.points[min(self.points)]

    def record(self, entries):
        """AMD-005: a second that has a point is refused; so is what does not fit."""
        refused = []
        for time, value in entries:
            if value == "x" or time in self.points:
                refused.append([time, "invalid"])
            else:
                self.points[time] = value
        for time, value in sorted(self.points.items()):
            self.put(time, value)
        return refused


def setup_module():
    PLATFORM.start()


def teardown_module():
    PLATFORM.stop()


class Model(RuleBasedStateMachine):
    """A device with a client below it, dataports in both, and aliases."""

    ports = Bundle("ports")

    def __init__(self):
        super().__init__()
        self.device = PLATFORM.device()
        self.cik = self.device.cik
        self.o = onep.OnepV1(**PLATFORM.connection, reuseconnection=True)
        self.box = self.o.create(self.cik, "client", {"limits": {"dataport": 3}})[1]
        self.owned = {self.device.rid: [], self.box: []}
        self.known = {}
        self.aliases = {}
        self.inside = {}  # aliases in the box, left there by moves

    def teardown(self):
        self.o.close()

    def newest(self, rid):
        points = {t: v for t, v in self.known[rid].points.items() if t <= CLOCK()}
        return [[max(points), points[max(points)]]] if points else []

    # --- resources ---

    @rule(target=ports, keep=st.sampled_from([None, None, 3]), inside=st.booleans())
    def create(self, keep, inside):
        owner = self.box if inside else self.device.rid
        retention = {"count": "infinity" if keep is None else keep}
        description = {"format": "integer", "retention": retention}
        call = [owner, "dataport", description]
        isok, rid = self.o._call("create", self.cik, call, False)
        if inside and len(self.owned[owner]) == 3:
            assert (isok, rid) == INVALID
            return None
        assert isok
        self.owned[owner].append(rid)
        self.known[rid] = Port(keep)
        return rid

    @rule(rid=consumes(ports))
    def drop(self, rid):
        if rid is None:
            return
        assert self.o.drop(self.cik, rid) == OK
        for owned in self.owned.values():
            if rid in owned:
                owned.remove(rid)
        del self.known[rid]
        for aliases in (self.aliases, self.inside):
            for name in [name for name, r in aliases.items() if r == rid]:
                del aliases[name]
        assert self.o.read(self.cik, rid, {}) == (False, "restricted")

    @rule(rid=ports, into_box=st.booleans(), keep_aliases=st.booleans())
    def move(self, rid, into_box, keep_aliases):
        if rid is None:
            return
        target = self.box if into_box else self.device.rid
        was_here = rid in self.owned[target]
        full = into_box and len(self.owned[target]) == 3 and not was_here
        answer = self.o.move(self.cik, rid, target, {"aliases": keep_aliases})
        assert answer == (INVALID if full else OK)
        if full:
            return
        source = next(owner for owner, owned in self.owned.items() if rid in owned)
        self.owned[source].remove(rid)
        self.owned[target].append(rid)
        self.owned[target].sort(key=list(self.known).index)
        aliases = {self.device.rid: self.aliases, self.box: self.inside}
        for name in [name for name, r in aliases[source].items() if r == rid]:
            del aliases[source][name]
            if keep_aliases:
                aliases[target].setdefault(name, rid)

    # --- series ---

    @rule(rid=ports, value=numbers, step=st.sampled_from([0, 1, 3]))
    def write(self, rid, value, step):
        if rid is None:
            return
        CLOCK.now += step
        assert self.o.write(self.cik, rid, value) == OK
        self.known[rid].put(int(CLOCK()), value)

    @rule(rid=ports, entries=st.lists(st.tuples(times, numbers | st.just("x")), max_size=6))
    def recordbatch(self, rid, entries):
        if rid is None:
            return
        answer = self.o.recordbatch(self.cik, rid, entries)
        refused = self.known[rid].record(entries)
        assert answer == ((False, refused) if refused else OK)

    @rule(rid=ports, newer=st.none() | times, older=st.none() | times)
    def flush(self, rid, newer, older):
        if rid is None:
            return
        assert self.o.flush(self.cik, rid, {"newerthan": newer, "olderthan": older}) == OK
        points = self.known[rid].points
        for time in list(points):
            if (newer is None or time > newer) and (older is None or time < older):
                del points[time]

    @rule(
        rid=ports,
        start=st.none() | times,
        end=st.none() | times,
        limit=st.integers(0, 8),
        sort=st.sampled_from(["asc", "desc"]),
        selection=st.sampled_from(["all", "givenwindow", "autowindow"]),
    )
    def read(self, rid, start, end, limit, sort, selection):
        if rid is None:
            return
        options = {"limit": limit, "sort": sort, "selection": selection}
        options.update({"starttime": start} if start is not None else {})
        options.update({"endtime": end} if end is not None else {})
        low, high = start or 0, int(CLOCK()) if end is None else end
        points = [[t, v] for t, v in sorted(self.known[rid].points.items()) if low <= t <= high]
        expected = SELECT[selection](points, low, high, limit, sort)
        assert self.o.read(self.cik, rid, options) == (True, expected)

    # --- names ---

    @rule(rid=ports, name=names)
    def map(self, rid, name):
        if rid is None:
            return
        answer = self.o.map(self.cik, rid, name)
        assert answer == (INVALID if name in self.aliases else OK)
        self.aliases.setdefault(name, rid)

    @rule(name=names)
    def unmap(self, name):
        assert self.o.unmap(self.cik, name) == OK
        self.aliases.pop(name, None)

    @rule(name=names)
    def lookup(self, name):
        answer = self.o.lookup(self.cik, "alias", name)
        assert answer == ((True, self.aliases[name]) if name in self.aliases else INVALID)

    @rule(name=names)
    def read_by_alias(self, name):
        answer = self.o.read(self.cik, {"alias": name}, {})
        if name in self.aliases:
            assert answer == (True, self.newest(self.aliases[name]))
        else:
            assert answer == INVALID

    # --- the whole ---

    @rule(rid=ports)
    def storage(self, rid):
        if rid is None:
            return
        points = self.known[rid].points
        assert self.o.info(self.cik, rid, {"storage": True})[1]["storage"] == {
            "count": len(points),
            "first": min(points, default=0),
            "last": max(points, default=0),
            "size": sum(len(str(value)) for value in points.values()),
        }

    @invariant()
    def tree(self):
        for owner, owned in self.owned.items():
            found = self.o.listing(self.cik, ["dataport"], {}, owner)
            assert found == (True, {"dataport": owned})
            counts = self.o.info(self.cik, owner, {"counts": True})[1]["counts"]
            assert counts["dataport"] == len(owned)
        aliases = {}
        for name, rid in sorted(self.aliases.items()):
            aliases.setdefault(rid, []).append(name)
        found = self.o.info(self.cik, {"alias": ""}, {"aliases": True, "usage": True})[1]
        assert found["aliases"] == aliases
        assert found["usage"]["dataport"] == len(self.known)


def select_all(points, low, high, limit, sort):
    return (points if sort == "asc" else points[::-1])[:limit]


def givenwindow(points, low, high, limit, sort):
    length = high - low + 1
    parts = {}
    for time, value in points if limit else []:
        parts.setdefault((time - low) * limit // length, [time, value])
    found = list(parts.values())
    return found if sort == "asc" else found[::-1]


def autowindow(points, low, high, limit, sort):
    if len(points) > limit:
        last = len(points) - 1
        if limit < 2:
            points = points[last:] if limit else []
        else:
            picks = [(n * last + (limit - 1) // 2) // (limit - 1) for n in range(limit)]
            points = [points[pick] for pick in picks]
    return points if sort == "asc" else points[::-1]


SELECT = {"all": select_all, "givenwindow": givenwindow, "autowindow": autowindow}

TestModel = Model.TestCase
TestModel.settings = settings(fuzzed(60), stateful_step_count=40)
