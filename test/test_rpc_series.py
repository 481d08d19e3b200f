"""Time series: rows RPC-040 to RPC-069."""

from __future__ import annotations

import time

import pytest

from pyonep import onep
from pyonep.server import LocalPlatform, Settings

NOW = 1_700_000_000


@pytest.fixture
def tcik(timed):
    return timed.device().cik


def values(o, cik, rid, **options):
    return o.read(cik, rid, {"limit": 1000, "sort": "asc", **options})[1]


def test_write_stamps_whole_seconds(o, cik, new_dataport):
    """RPC-040"""
    rid = new_dataport(o, cik)
    before = int(time.time())
    o.write(cik, rid, 1)
    ((stamp, value),) = o.read(cik, rid, {})[1]
    assert type(stamp) is int and before <= stamp <= time.time() and value == 1


def test_the_same_second_replaces(timed_o, tcik, clock, new_dataport):
    """RPC-041"""
    rid = new_dataport(timed_o, tcik, "integer")
    for value in (1, 2, 3):
        timed_o.write(tcik, rid, value)
        clock.now += 0.3
    assert values(timed_o, tcik, rid) == [[NOW, 3]]
    clock.now += 1
    timed_o.write(tcik, rid, 4)
    assert values(timed_o, tcik, rid) == [[NOW, 3], [NOW + 1, 4]]


def test_read_defaults(o, cik, new_dataport):
    """RPC-042"""
    rid = new_dataport(o, cik, "integer")
    o.recordbatch(cik, rid, [[1, 1], [3, 3], [2, 2]])
    for options in ({}, {"limit": None}, {"sort": None, "selection": None}):
        assert o.read(cik, rid, options) == (True, [[3, 3]])
    assert o._call("read", cik, [rid], False) == (True, [[3, 3]])


def test_sort_comes_before_limit(o, cik, new_dataport):
    """RPC-043"""
    rid = new_dataport(o, cik, "integer")
    o.recordbatch(cik, rid, [[n, n] for n in (1, 2, 3, 4)])
    assert o.read(cik, rid, {"limit": 2, "sort": "asc"})[1] == [[1, 1], [2, 2]]
    assert o.read(cik, rid, {"limit": 2, "sort": "desc"})[1] == [[4, 4], [3, 3]]
    assert o.read(cik, rid, {"limit": 0})[1] == []


def test_bounds_are_inclusive(o, cik, new_dataport):
    """RPC-044"""
    rid = new_dataport(o, cik, "integer")
    o.recordbatch(cik, rid, [[n, n] for n in range(1, 8)])
    assert [t for t, _ in values(o, cik, rid, starttime=3, endtime=5)] == [3, 4, 5]
    assert [t for t, _ in values(o, cik, rid, starttime=2.5, endtime=4.5)] == [3, 4]
    assert values(o, cik, rid, starttime=5, endtime=3) == []


def test_empty_read(o, cik, new_dataport):
    """RPC-045"""
    rid = new_dataport(o, cik)
    assert o.read(cik, rid, {}) == (True, [])
    assert o.read(cik, rid, {"limit": 10, "selection": "autowindow"}) == (True, [])
    assert o.read(cik, rid, {"limit": 10, "selection": "givenwindow"}) == (True, [])


@pytest.mark.parametrize(
    "options",
    [
        {"sort": "up"},
        {"sort": 1},
        {"limit": -1},
        {"limit": "1"},
        {"limit": 1.5},
        {"limit": True},
        {"limit": 2**80},
        {"selection": "some"},
        {"starttime": "1"},
        {"starttime": True},
        {"endtime": [1]},
        {"endtime": 10**30},
    ],
    ids=repr,
)
def test_bad_options(o, cik, new_dataport, options):
    rid = new_dataport(o, cik)
    o.write(cik, rid, 1)
    assert o.read(cik, rid, options) == (False, "invalid")


POINTS = [[n, n] for n in (1, 2, 3, 4, 5, 8)]


def window(**options):
    return {"starttime": 1, "endtime": 10, **options}


def test_givenwindow(o, cik, new_dataport):
    """RPC-046"""
    rid = new_dataport(o, cik, "integer")
    o.recordbatch(cik, rid, POINTS)

    def read(limit, **options):
        options = window(selection="givenwindow", limit=limit, **options)
        return [t for t, _ in o.read(cik, rid, options)[1]]

    assert read(2) == [8, 1]
    assert read(2, sort="asc") == [1, 8]
    assert read(1) == [1]
    assert read(5, sort="asc") == [1, 3, 5, 8]
    assert read(10, sort="asc") == read(10**9, sort="asc") == [1, 2, 3, 4, 5, 8]


def test_autowindow(o, cik, new_dataport):
    """RPC-047"""
    rid = new_dataport(o, cik, "integer")
    o.recordbatch(cik, rid, [[n, n] for n in range(1, 12)])

    def read(limit, **options):
        options = {"selection": "autowindow", "limit": limit, "sort": "asc", **options}
        return [t for t, _ in o.read(cik, rid, options)[1]]

    assert read(2) == [1, 11]
    assert read(3) == [1, 6, 11]
    assert read(6) == [1, 3, 5, 7, 9, 11]
    assert read(3, sort="desc") == [11, 6, 1]
    assert read(11) == read(10**9) == list(range(1, 12))
    assert read(3, starttime=5, endtime=9) == [5, 7, 9]
    assert read(1) == [11]


ACCEPTED = {
    "float": [
        (1, 1.0),
        (-0.5, -0.5),
        (1e21, 1e21),
        ("72.5", 72.5),
        ("-1e3", -1000.0),
        (".5", 0.5),
        (10**300, 1e300),
    ],
    "integer": [(0, 0), (-7, -7), ("12", 12), ("+3", 3), (2**63 - 1, 2**63 - 1), (-(2**63),) * 2],
    "string": [("x", "x"), ("", ""), (1, "1"), (72.5, "72.5"), (1e21, "1e+21"), ("\1 ", "\1 ")],
}
REFUSED = {
    "float": ["warm", "", " 1", "1_000", "nan", "inf", "1e999", 10**400, "0x10"],
    "integer": [1.5, 1.0, "1.0", "", "x", 2**63, -(2**63) - 1, str(2**63), "9" * 500, " 1"],
    "string": ["\ud800", "\0", "a\0b"],
}


@pytest.mark.parametrize("format", ACCEPTED)
def test_values_accepted_per_format(o, cik, new_dataport, format):
    """RPC-048 RPC-049 RPC-050 RPC-054 RPC-084"""
    rid = new_dataport(o, cik, format)
    for given, expected in ACCEPTED[format]:
        assert o.write(cik, rid, given) == (True, "ok"), given
        found = o.read(cik, rid, {})[1][0][1]
        assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("format", REFUSED)
def test_values_refused_per_format(raw, o, cik, new_dataport, format):
    """RPC-051 RPC-054"""
    rid = new_dataport(o, cik, format)
    for value in (*REFUSED[format], True, False, None, [], {}, [1], {"a": 1}):
        answer = raw.call(cik, "write", rid, value)
        assert answer["status"] == "invalid" and answer["error"]["message"], value
    assert o.read(cik, rid, {}) == (True, [])


def test_a_huge_number_in_the_body(raw, o, cik, new_dataport):
    """RPC-051 AMD-011"""
    rid = new_dataport(o, cik, "float")
    request = b'{"auth": {"cik": "%s"}, "calls": [{"id": 1, "procedure": "write", "arguments":'
    request = request % cik.encode() + b' ["%s", 1e999]}]}' % rid.encode()
    assert raw.json(request)["error"]["code"] == -1


@pytest.mark.parametrize("text", ["你好", "größe", "😀 e\u0301", '"\\\n\r\t\x7f\u2028'])
def test_unicode(o, cik, new_dataport, text):
    """RPC-052"""
    rid = new_dataport(o, cik, "string")
    o.write(cik, rid, text)
    assert o.read(cik, rid, {})[1][0][1] == text


def test_text_limit(raw, o, cik, new_dataport):
    """RPC-053"""
    rid = new_dataport(o, cik, "string")
    assert o.write(cik, rid, "x" * 2**20) == (True, "ok")
    assert len(o.read(cik, rid, {})[1][0][1]) == 2**20
    answer = raw.call(cik, "write", rid, "x" * (2**20 + 1))
    assert answer["status"] == "invalid" and "1048576" in answer["error"]["message"]


def test_writegroup_has_one_timestamp(o, cik, new_dataport):
    """RPC-055"""
    ports = [new_dataport(o, cik, "integer", alias=f"p{n}") for n in range(5)]
    entries = [[rid, n] for n, rid in enumerate(ports[:4])] + [[{"alias": "p4"}, 4]]
    assert o.writegroup(cik, entries) == (True, "ok")
    found = [o.read(cik, rid, {})[1][0] for rid in ports]
    assert [v for _, v in found] == [0, 1, 2, 3, 4]
    assert len({t for t, _ in found}) == 1
    assert o.writegroup(cik, []) == (True, "ok")


def test_writegroup_is_all_or_nothing(o, cik, new_dataport):
    """RPC-056"""
    good, other = new_dataport(o, cik, "integer"), new_dataport(o, cik, "integer")
    for bad in ([other, "x"], [{"alias": "nothing"}, 1], ["0" * 40, 1]):
        isok, status = o.writegroup(cik, [[good, 1], bad, [good, 2]])
        assert not isok and status in ("invalid", "restricted")
    assert o.read(cik, good, {}) == (True, [])


def test_record_with_times(o, cik, new_dataport):
    """RPC-057"""
    rid = new_dataport(o, cik, "integer")
    assert o.record(cik, rid, [[20, 2], [10, 1]]) == (True, "ok")
    assert values(o, cik, rid) == [[10, 1], [20, 2]]
    assert o.record(cik, rid, [[30, 3], [40, "x"]]) == (False, [[40, "invalid"]])
    assert o.record(cik, rid, []) == (True, "ok")


def test_record_with_offsets(timed_o, tcik, new_dataport):
    """RPC-058"""
    rid = new_dataport(timed_o, tcik, "integer")
    assert timed_o.record(tcik, rid, [[-10, 1], [-5, 2]]) == (True, "ok")
    assert values(timed_o, tcik, rid) == [[NOW - 10, 1], [NOW - 5, 2]]


def test_recordbatch_fails_in_part(o, cik, new_dataport):
    """RPC-059"""
    rid = new_dataport(o, cik, "integer")
    entries = [[1, 1], [2, "x"], [0, 3], [4.5, 4], ["5", 5], [6, None], [7, 7], [2**60, 8]]
    isok, status = o.recordbatch(cik, rid, entries)
    assert not isok
    assert status == [[t, "invalid"] for t in (2, 0, 4.5, "5", 6, 2**60)]
    assert values(o, cik, rid) == [[1, 1], [7, 7]]


def test_a_second_that_has_a_point_is_refused(o, cik, new_dataport):
    """RPC-060 AMD-005"""
    rid = new_dataport(o, cik, "integer")
    entries = [[n, n] for n in range(1, 700)]
    assert o.recordbatch(cik, rid, entries) == (True, "ok")
    assert o.recordbatch(cik, rid, entries) == (False, [[n, "invalid"] for n, _ in entries])
    for record in (o.record, o.recordbatch):
        assert record(cik, rid, [[5, 50]]) == (False, [[5, "invalid"]])
        assert record(cik, rid, [[5, 5]]) == (False, [[5, "invalid"]])  # the same value, too
    mixed = [[700, 700], [5, 51], [701, "x"], [-(10**6), 1], [0, 7]]
    assert o.recordbatch(cik, rid, mixed) == (False, [[t, "invalid"] for t in (5, 701, 0)])
    assert values(o, cik, rid, limit=5) == [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]
    storage = o.info(cik, rid, {"storage": True})[1]["storage"]
    assert (storage["count"], storage["first"]) == (701, 1)
    assert storage["size"] == sum(len(str(n)) for n in range(1, 701)) + 1


def test_of_several_entries_in_a_second_the_first_that_fits_stays(o, cik, new_dataport):
    """AMD-005"""
    rid = new_dataport(o, cik, "integer")
    entries = [[9, "x"], [9, 1], [9, 2], [8, 3], [9, 4]]
    assert o.recordbatch(cik, rid, entries) == (False, [[9, "invalid"]] * 3)
    assert values(o, cik, rid) == [[8, 3], [9, 1]]
    other = new_dataport(o, cik, "integer", preprocess=[["add", 10]])
    assert o.recordbatch(cik, other, entries) == (False, [[9, "invalid"]] * 3)
    assert values(o, cik, other) == [[8, 13], [9, 11]]


def test_a_written_point_is_not_replaced_by_a_recorded_one(timed_o, tcik, new_dataport):
    """AMD-005"""
    rid = new_dataport(timed_o, tcik, "integer")
    timed_o.write(tcik, rid, 1)
    for entries in ([[NOW, 2]], [[NOW + 1, 3], [NOW, 2]]):
        assert timed_o.recordbatch(tcik, rid, entries) == (False, [[NOW, "invalid"]])
    assert values(timed_o, tcik, rid) == [[NOW, 1]]
    timed_o.write(tcik, rid, 4)
    assert values(timed_o, tcik, rid) == [[NOW, 4]]


@pytest.mark.parametrize("preprocess", [[], [["add", 0]]], ids=repr)
def test_a_second_is_free_again_when_its_point_is_gone(
    timed_o, tcik, clock, new_dataport, preprocess
):
    """AMD-005: flushed, or too old"""
    retention = {"count": "infinity", "duration": 1}
    description = {"retention": retention, "preprocess": preprocess}
    rid = new_dataport(timed_o, tcik, "integer", **description)
    timed_o.recordbatch(tcik, rid, [[NOW, 1], [NOW + 1, 2]])
    assert timed_o.flush(tcik, rid, {"olderthan": NOW + 1}) == (True, "ok")
    assert timed_o.recordbatch(tcik, rid, [[NOW, 3]]) == (True, "ok")
    clock.now += 2 * 3600
    assert timed_o.recordbatch(tcik, rid, [[NOW + 1, 4]]) == (True, "ok")
    assert values(timed_o, tcik, rid) == []
    assert timed_o.info(tcik, rid, {"storage": True})[1]["storage"]["count"] == 0


@pytest.mark.parametrize("publish", [False, True])
def test_the_old_rule_can_be_had(new_dataport, publish):
    """AMD-005: the setting replace_recorded"""
    old = Settings(replace_recorded=True, publish_recorded=publish)
    with LocalPlatform(settings=old) as platform:
        cik, o = platform.device().cik, onep.OnepV1(**platform.connection)
        rid = new_dataport(o, cik, "integer")
        entries = [[n, n] for n in range(1, 10)]
        for _ in range(2):
            assert o.recordbatch(cik, rid, entries) == (True, "ok")
        assert o.recordbatch(cik, rid, [[5, 50], [5, 51], [700, 700]]) == (True, "ok")
        assert values(o, cik, rid, limit=5) == [[1, 1], [2, 2], [3, 3], [4, 4], [5, 51]]
        assert o.info(cik, rid, {"storage": True})[1]["storage"]["count"] == 10


@pytest.mark.parametrize(
    ("row", "options", "left"),
    [
        ("RPC-061", None, []),
        ("RPC-061", {}, []),
        ("RPC-061", {"newerthan": None}, []),
        ("RPC-062", {"newerthan": 3}, [1, 2, 3]),
        ("RPC-063", {"olderthan": 3}, [3, 4, 5]),
        ("RPC-064", {"newerthan": 1, "olderthan": 4}, [1, 4, 5]),
        ("RPC-064", {"newerthan": 2.5, "olderthan": 4.5}, [1, 2, 5]),
        ("RPC-064", {"newerthan": 4, "olderthan": 2}, [1, 2, 3, 4, 5]),
    ],
    ids=repr,
)
def test_flush(o, cik, new_dataport, row, options, left):
    """RPC-061 RPC-062 RPC-063 RPC-064"""
    rid = new_dataport(o, cik, "integer")
    o.recordbatch(cik, rid, [[n, n] for n in range(1, 6)])
    assert o.flush(cik, rid, options) == (True, "ok")
    assert [t for t, _ in values(o, cik, rid)] == left
    assert o.info(cik, rid, {"storage": True})[1]["storage"]["count"] == len(left)
    newest = o.read(cik, rid, {})[1]
    assert [t for t, _ in newest] == left[-1:]


@pytest.mark.parametrize("options", [{"newerthan": "x"}, {"olderthan": []}, {"olderthan": True}])
def test_bad_flush_times(o, cik, new_dataport, options):
    """RPC-065"""
    rid = new_dataport(o, cik, "integer")
    o.write(cik, rid, 1)
    assert o.flush(cik, rid, options) == (False, "invalid")
    assert len(o.read(cik, rid, {})[1]) == 1


def test_flush_restricted(o, platform, cik, new_dataport):
    """RPC-066"""
    public = new_dataport(o, platform.device().cik, public=True)
    assert o.flush(cik, public) == (False, "restricted")


def test_retention_count(o, cik, new_dataport):
    """RPC-067"""
    rid = new_dataport(o, cik, "integer", retention={"count": 3, "duration": "infinity"})
    o.recordbatch(cik, rid, [[n, n] for n in range(1, 11)])
    assert [t for t, _ in values(o, cik, rid)] == [8, 9, 10]
    o.write(cik, rid, 11)
    assert [v for _, v in values(o, cik, rid)] == [9, 10, 11]
    o.update(cik, rid, {"retention": {"count": 1, "duration": "infinity"}})
    o.write(cik, rid, 12)
    assert [v for _, v in values(o, cik, rid)] == [12]


def test_retention_duration(timed_o, tcik, clock, new_dataport):
    """RPC-068"""
    rid = new_dataport(timed_o, tcik, "integer", retention={"count": "infinity", "duration": 2})
    timed_o.write(tcik, rid, 1)
    clock.now += 3600
    timed_o.write(tcik, rid, 2)
    clock.now += 3600
    assert [v for _, v in values(timed_o, tcik, rid)] == [1, 2]
    clock.now += 1
    assert [v for _, v in values(timed_o, tcik, rid)] == [2]
    assert timed_o.info(tcik, rid, {"storage": True})[1]["storage"]["count"] == 1
    clock.now += 3600
    assert timed_o.read(tcik, rid, {}) == (True, [])


def test_times_in_the_future(timed_o, tcik, new_dataport):
    """RPC-069"""
    rid = new_dataport(timed_o, tcik, "integer")
    timed_o.write(tcik, rid, 1)
    assert timed_o.record(tcik, rid, [[NOW + 100, 2]]) == (True, "ok")
    assert timed_o.read(tcik, rid, {}) == (True, [[NOW, 1]])
    assert timed_o.read(tcik, rid, {"endtime": NOW + 100}) == (True, [[NOW + 100, 2]])


@pytest.mark.parametrize("procedure", ["write", "record", "recordbatch", "flush", "read", "wait"])
def test_a_client_has_no_points(raw, cik, procedure):
    argument = {"write": 1, "record": [], "recordbatch": []}.get(procedure, {})
    assert raw.call(cik, procedure, {"alias": ""}, argument)["status"] == "invalid"
