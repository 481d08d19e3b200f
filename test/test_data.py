"""The HTTP Data Interface, on both sides: rows DAT-001 to DAT-082."""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import closing
from email.utils import formatdate
from urllib.parse import quote, unquote

import pytest
from platforms import Raw, dataport
from servers import Recorder, Socket, settles
from vendors import MODEL, SN, World

from pyonep import onep
from pyonep.data import DataInterface, NewPoint, RecordConflict
from pyonep.endpoint import endpoint
from pyonep.exceptions import OnePlatformException, ProvisionException, ProvisionTimeout
from pyonep.server import LocalPlatform, Settings

STACK = "/onep:v1/stack"
NOW = 1_700_000_000


class Device:
    """A device with dataports temp, count and mode."""

    def __init__(self, platform):
        self.platform = platform
        self.cik, self.rid = platform.device()
        self.o = onep.OnepV1(**platform.connection, reuseconnection=True)
        for alias, format in (("temp", "float"), ("count", "integer"), ("mode", "string")):
            dataport(self.o, self.cik, format, alias=alias)
        self.raw = Raw(platform)
        self.d = DataInterface(self.cik, **platform.connection, reuseconnection=True)

    def close(self):
        self.o.close()
        self.raw.http.close()
        self.d.close()

    def send(self, method, path, body=b"", cik=None, **headers):
        data = body if isinstance(body, bytes) else body.encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if cik != "":
            headers["X-Exosite-CIK"] = cik or self.cik
        if data:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        status, answer, content = self.raw.send(data, path, method, headers)
        self.headers = answer
        return status, content.decode()

    def write(self, body, query="", **kwargs):
        return self.send("POST", f"{STACK}/alias{query}", body, **kwargs)

    def read(self, query, **kwargs):
        return self.send("GET", f"{STACK}/alias?{query}", **kwargs)

    def record(self, body):
        return self.send("POST", f"{STACK}/record", body)

    def points(self, alias):
        options = {"limit": 100, "sort": "asc", "endtime": 2**40}
        return self.o.read(self.cik, {"alias": alias}, options)[1]


@pytest.fixture
def dev(platform):
    with closing(Device(platform)) as device:
        yield device


@pytest.fixture
def tdev(timed):
    with closing(Device(timed)) as device:
        yield device


# --- write ---


def test_write(dev):
    """DAT-001 DAT-002 DAT-078"""
    assert dev.write("temp=3.1415") == (204, "")
    assert dev.headers["Content-Length"] == "0"
    assert dev.write("temp=1&mode=eco") == (204, "")
    (first,), (second,) = (dev.o.read(dev.cik, {"alias": a}, {})[1] for a in ("temp", "mode"))
    assert first[0] == second[0] and (first[1], second[1]) == (1.0, "eco")


def test_unknown_aliases_are_no_error(dev):
    """DAT-003 DAT-004"""
    assert dev.write("ghost=1") == (204, "")
    assert dev.write("ghost=1&count=5") == (204, "")
    assert dev.read("count") == (200, "count=5")


def test_credentials(dev):
    """DAT-005 DAT-006 DAT-009 DAT-037"""
    assert dev.write("temp=1", cik="")[0] == 401
    for cik in (dev.cik + "a", dev.cik[:-1], "0" * 40, "x"):
        assert dev.write("temp=1", cik=cik)[0] == 401
    assert dev.read("temp", cik="0" * 40) == (401, "HTTP/1.1 401 Unauthorized\r\n")
    assert dev.send("POST", f"{STACK}/alias", "temp=1", cik="", X_EXOSITE_CIK=dev.cik)[0] == 204


def test_keys_that_are_not_usable(platform):
    """DAT-007 DAT-008 DAT-074"""
    w = World(platform)
    raw = Raw(platform)

    def write(cik):
        return raw.send(b"temp=1", f"{STACK}/alias", "POST", {"X-Exosite-CIK": cik})[0]

    rid = w.enable()
    waiting = w.o.info(w.account.portal_cik, rid, {"key": True})[1]["key"]
    assert write(waiting) == 401
    cik = w.activate().body
    assert write(cik) == 204
    w.p.serialnumber_disable(w.key, MODEL, SN)
    assert write(cik) == 401
    w.p.serialnumber_reenable(w.key, MODEL, SN)
    assert write(cik) == 401
    raw.http.close()
    w.close()


def test_locked_client(dev, platform):
    owner = platform.device()
    _, info = dev.o.create(owner.cik, "client", {"limits": {"dataport": 1}})
    key = dev.o.info(owner.cik, info, {"key": True})[1]["key"]
    dev.o.update(owner.cik, info, {"locked": True})
    assert dev.write("temp=1", cik=key)[0] == 403


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("mode=a+b%20c%26d", "a b c&d"),
        ('mode={"a":1}', '{"a":1}'),
        ("mode=x=y", "x=y"),
        ("mode=", ""),
        ("mode=" + quote("你好"), "你好"),
        ("mode=你好", "你好"),
    ],
)
def test_values_as_sent(dev, sent, stored):
    """DAT-010 DAT-011 DAT-012 DAT-013 DAT-019"""
    assert dev.write(sent)[0] == 204
    status, body = dev.read("mode")
    assert status == 200 and body.startswith("mode=")
    assert unquote(body[5:]) == stored


def test_values_that_do_not_fit(dev):
    """DAT-014 DAT-015 DAT-016"""
    for body in ("temp=abc", "temp=", "count=1.5", "count=5&temp=abc", "count=5&temp"):
        assert dev.write(body)[0] == 400, body
    assert dev.read("temp&count") == (204, "")
    assert dev.write("mode=%ff")[0] == 400


def test_odd_requests(dev):
    """DAT-017 DAT-018 DAT-033"""
    assert dev.write("") == (204, "")
    assert dev.write("temp=1", Content_Type="text/plain")[0] == 204
    for accept in ("application/xhtml+xml", "*", ""):
        assert dev.read("temp", Accept=accept)[0] == 200


def test_long_values(dev):
    """DAT-020"""
    assert dev.write("mode=" + "x" * 65536)[0] == 204
    assert dev.write("mode=" + "y" * 65537)[0] == 413
    assert dev.points("mode")[-1][1] == "x" * 65536


def test_same_second_and_same_alias(tdev):
    """DAT-021 DAT-022"""
    tdev.write("temp=1")
    tdev.write("temp=2")
    assert tdev.points("temp") == [[NOW, 2.0]]
    tdev.write("temp=3&temp=4")
    assert tdev.points("temp") == [[NOW, 4.0]]


# --- read ---


def test_read(dev):
    """DAT-023 DAT-024 DAT-025 DAT-026 DAT-027 DAT-030 DAT-031 DAT-032 DAT-034"""
    for query in ("temp", "ghost", ""):
        assert dev.read(query) == (204, "")
    assert dev.send("GET", f"{STACK}/alias") == (204, "")
    dev.write("temp=3.1415")
    assert dev.read("temp&count") == (200, "temp=3.1415")
    dev.write("count=616&mode=foo")
    assert dev.read("mode&count&temp") == (200, "temp=3.1415&count=616&mode=foo")
    assert dev.read("count&temp&mode") == (200, "mode=foo&temp=3.1415&count=616")
    assert dev.read("temp&temp") == dev.read("temp=") == (200, "temp=3.1415")
    assert dev.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"


def test_escapes(dev):
    """DAT-028 DAT-029"""
    dataport(dev.o, dev.cik, "string", alias="my port")
    dev.d.write({"my port": "a +&%ü"})
    for query in ("my+port", "my%20port"):
        assert dev.read(query) == (200, "my%20port=a%20%2B%26%25%C3%BC")


def test_older_url(dev):
    """DAT-035 DAT-036 DAT-077"""
    assert dev.send("POST", "/api:v1/stack/alias", "temp=1") == (204, "")
    assert dev.send("GET", "/api:v1/stack/alias?temp") == (200, "temp=1.0")
    assert dev.send("GET", "/onep%3Av1/stack/alias?temp") == (200, "temp=1.0")


@pytest.mark.parametrize("value", ["17.0", "17.5", "1e21", "-0.5"])
def test_floats(dev, value):
    """DAT-038"""
    dev.write(f"temp={quote(value)}")
    assert float(unquote(dev.read("temp")[1][5:])) == float(value)


# --- both ---


def test_write_and_read(dev):
    """DAT-039 DAT-040 DAT-041 DAT-042 DAT-043"""
    dev.write("count=616")
    assert dev.write("temp=5", "?count") == (200, "count=616")
    assert dev.write("temp=9", "?temp") == (200, "temp=9.0")
    assert dev.write("mode=bar&temp=17.5", "?count&mode") == (200, "mode=bar&count=616")
    assert dev.write("temp=1", "?ghost") == (204, "")
    assert dev.read("temp") == (200, "temp=1.0")
    assert dev.write("temp=2&count=x", "?count")[0] == 400
    assert dev.read("temp&count") == (200, "count=616&temp=1.0")
    assert dev.write("", "?count") == (200, "count=616")


# --- long poll ---


class Poll:
    """A long poll in a thread of its own."""

    def __init__(self, dev, query="temp", timeout=20_000, **headers):
        platform = dev.platform
        opened = platform.run(lambda p: len(p.waits))
        self.answer = None
        self.took = 0.0
        raw = Raw(platform)
        headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        headers.update({"X-Exosite-CIK": dev.cik, "Request-Timeout": str(timeout)})

        def poll():
            start = time.monotonic()
            self.answer = raw.send(b"", f"{STACK}/alias?{query}", "GET", headers)
            self.took = time.monotonic() - start
            raw.http.close()

        self.thread = threading.Thread(target=poll)
        self.thread.start()
        settles(lambda: not self.thread.is_alive() or platform.run(lambda p: len(p.waits)) > opened)

    def result(self):
        self.thread.join(30)
        status, headers, body = self.answer
        return status, body.decode(), headers["Last-Modified"]


def test_poll_without_news(dev):
    """DAT-044 DAT-054 DAT-057"""
    dev.write("temp=1")
    poll = Poll(dev, timeout=300)
    assert poll.result() == (304, "", None)
    assert 0.25 < poll.took < 15 and poll.answer[1]["Content-Length"] == "0"
    assert Poll(dev, timeout=0).result()[0] == 304


def test_poll_with_news(dev):
    """DAT-045 DAT-046"""
    poll = Poll(dev)
    dev.write("temp=2&count=1")
    status, body, modified = poll.result()
    assert (status, body) == (200, "temp=2.0") and poll.took < 10
    assert modified == formatdate(dev.points("temp")[-1][0], usegmt=True)


@pytest.mark.parametrize("header", ["If_Modified_Since", "If_Not_Modified_Since"])
def test_poll_since(dev, header):
    """DAT-047 DAT-048 DAT-049 DAT-050 AMD-006"""
    dev.record("alias=temp&100=1&200=2&300=3")
    seen, since = [], 50
    for _ in range(3):
        status, body, since = Poll(dev, **{header: since}).result()
        assert status == 200
        seen.append(body)
    assert seen == ["temp=1.0", "temp=2.0", "temp=3.0"]
    waiting = Poll(dev, **{header: since})
    assert dev.record("alias=temp&350=3.5")[0] == 204  # AMD-006: it wakes nobody
    dev.write("temp=4")
    assert waiting.result()[:2] == (200, "temp=4.0")
    last = formatdate(dev.points("temp")[-1][0], usegmt=True)
    assert Poll(dev, timeout=50, **{header: last}).result()[0] == 304


def test_recorded_points_end_a_poll_when_they_are_published():
    """DAT-070"""
    settings = Settings(publish_recorded=True)
    with LocalPlatform(settings=settings) as platform, closing(Device(platform)) as dev:
        waiting = Poll(dev, If_Modified_Since=300)
        assert dev.record("alias=temp&350=3.5")[0] == 204
        assert waiting.result()[:2] == (200, "temp=3.5")


def test_bad_polls(dev):
    """DAT-051 DAT-053 DAT-055 DAT-056"""
    assert dev.read("temp&count", Request_Timeout="100")[0] == 400
    assert dev.read("", Request_Timeout="100")[0] == 400
    for timeout in ("abc", "-1", "1.5", ""):
        assert dev.read("temp", Request_Timeout=timeout)[0] == 400
    assert dev.read("temp", Request_Timeout="100", If_Modified_Since="soon")[0] == 400
    assert dev.read("ghost", Request_Timeout="10000") == (204, "")
    assert dev.read("temp", cik="", Request_Timeout="10000")[0] == 401


def test_longest_poll(dev):
    """DAT-052"""
    poll = Poll(dev, timeout=999_999)
    waiters = dev.platform.run(
        lambda p: [w.wait.timeout for some in p.waits._waiters.values() for w in some]
    )
    assert 300 in waiters
    dev.write("temp=1")
    assert poll.result()[0] == 200


def test_many_polls(dev):
    """DAT-058"""
    polls = [Poll(dev) for _ in range(50)]
    assert dev.write("count=1")[0] == 204
    dev.write("temp=7")
    assert {poll.result()[:2] for poll in polls} == {(200, "temp=7.0")}


def test_a_key_that_ends_while_waiting(dev, platform):
    """DAT-056"""
    owner = platform.device()
    box = dev.o.create(owner.cik, "client", {"limits": {"dataport": 1}})[1]
    dev.cik = dev.o.info(owner.cik, box, {"key": True})[1]["key"]
    port = dataport(dev.o, dev.cik, alias="temp")
    poll = Poll(dev)
    dev.o.deactivate(owner.cik, "client", dev.cik)
    dev.o.write(owner.cik, port, 1)
    assert poll.result()[0] == 401


def test_earlier_form_of_the_poll(dev):
    path = f"{STACK}/waitalias?temp"
    status, body = dev.send("POST", path, "timeout=30")
    assert status == 200 and body.startswith("temp=expire:")
    assert dev.send("POST", path, "timeout=x")[0] == 400


# --- record ---


def test_record(dev):
    """DAT-059 DAT-063 DAT-064 DAT-067"""
    body = "alias=temp&1700000000=20.5&1700000001=20.7&alias=mode&1700000000=eco&1700000060=off"
    assert dev.record(body) == (204, "")
    assert dev.points("temp") == [[NOW, 20.5], [NOW + 1, 20.7]]
    assert dev.points("mode") == [[NOW, "eco"], [NOW + 60, "off"]]
    assert dev.record("alias=ghost&5=1&alias=temp&5=1.5&alias=count") == (204, "")
    assert dev.points("temp")[0] == [5, 1.5]
    assert dev.read("temp") == (200, "temp=20.7")


@pytest.mark.parametrize(
    ("body", "answer", "left"),
    [
        ("alias=temp&100=1&100=2", "temp=100", [[100, 1.0]]),
        ("alias=temp&100=1&100=1", "temp=100", [[100, 1.0]]),
        ("alias=temp&100=1&100=2&alias=mode&7=a&7=b", "temp=100&mode=7", [[100, 1.0]]),
        ("alias=temp&100=1&100=2&100=3", "temp=100%2C100", [[100, 1.0]]),
        ("alias=temp&100.2=1&100.9=2&102=3", "temp=100.9", [[100, 1.0], [102, 3.0]]),
        ("alias=temp&100.9=1&101.2=2&102=3", "temp=101.2", [[100, 1.0], [102, 3.0]]),
        ("alias=temp&100.9=1&100.2=2", "temp=100.2", [[100, 1.0]]),
        ("alias=temp&5.123456=1&5.123457=2", "temp=5.123457", [[5, 1.0]]),
        ("alias=temp&7=1&7.0=2&8=3", "temp=7", [[7, 1.0], [8, 3.0]]),
        ("alias=temp&99=0&50=9", "temp=50", [[50, 5.0], [99, 0.0]]),
        ("alias=temp&99=0&50=5&50=9&98=1", "temp=50%2C50", [[50, 5.0], [98, 1.0], [99, 0.0]]),
    ],
)
def test_record_conflicts(dev, body, answer, left):
    """DAT-060 DAT-061 DAT-062 AMD-005: the first stays"""
    if "50=9" in body:
        dev.record("alias=temp&50=5")
    assert dev.record(body) == (409, answer)
    assert dev.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert dev.points("temp") == left


@pytest.mark.parametrize(
    "body",
    [
        "100=1&alias=temp",
        "alias=temp&x=1",
        "alias=temp&0=1",
        "alias=temp&-5=1",
        "alias=temp&5=warm",
        "alias=temp&5=1&alias=count&6=x",
        "alias=temp&5",
    ],
)
def test_bad_records(dev, body):
    """DAT-065 DAT-066"""
    assert dev.record(body)[0] == 400
    assert dev.points("temp") == []


def test_record_by_alias(dev):
    """DAT-068 DAT-069"""
    assert dev.send("POST", f"{STACK}/alias/temp", "5=1&6=2") == (204, "")
    assert dev.points("temp") == [[5, 1.0], [6, 2.0]]
    assert dev.send("POST", f"{STACK}/alias/ghost", "5=1") == (204, "")
    assert dev.send("GET", f"{STACK}/alias/temp")[0] == 405


# --- utilities ---


def test_timestamp(dev):
    """DAT-071"""
    status, body = dev.send("GET", "/timestamp", cik="nonsense")
    assert status == 200 and abs(int(body) - time.time()) <= 2
    assert dev.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_other_methods_and_paths(dev):
    """DAT-075 DAT-076"""
    for method in ("PUT", "DELETE"):
        assert dev.send(method, f"{STACK}/alias", "x=1")[0] == 405
    for path in ("/", "/onep:v1", f"{STACK}", f"{STACK}/nothing", "/ip/", "/onep:v2/stack/alias"):
        assert dev.send("GET", path)[0] == 404


# --- the client ---


def test_client_reads_and_writes(dev):
    """DAT-079"""
    dev.d.write({"temp": 21.5, "mode": "a +&=%ü", "ghost": 1})
    assert dev.d.read("mode", "temp", "count", "ghost") == {"temp": "21.5", "mode": "a +&=%ü"}
    assert dev.d.write_read({"count": 5}, ["count", "temp"]) == {"count": "5", "temp": "21.5"}
    assert dev.d.read() == {}


def test_client_refusals(dev):
    with pytest.raises(OnePlatformException, match="400 Bad Request: the value must be") as caught:
        dev.d.write({"temp": "warm"})
    assert caught.value.code == 400
    stranger = DataInterface("0" * 40, **dev.platform.connection)
    with pytest.raises(OnePlatformException, match="401") as caught:
        stranger.read("temp")
    assert "0" * 40 not in str(caught.value) and "0" * 40 not in repr(stranger)


def test_client_waits(dev):
    """DAT-080 DAT-082"""
    assert dev.d.wait("temp", 20) is None
    assert dev.d.wait("ghost", 20) is None
    dev.d.record({"temp": [[100, 1], [200, 2]]})
    first = dev.d.wait("temp", 1000, since=50)
    assert first == NewPoint("1.0", formatdate(100, usegmt=True))
    assert dev.d.wait("temp", 1000, since=first.modified).value == "2.0"
    patient = DataInterface(dev.cik, **dev.platform.connection, httptimeout=0.3)
    assert patient.wait("temp", 900) is None
    with Socket(lambda conn: None) as dead:
        with pytest.raises(ProvisionTimeout):
            DataInterface(dev.cik, **dead.connection, httptimeout=0.1).wait("temp", 100)


def test_client_records(dev):
    """DAT-081"""
    dev.d.record({"temp": [[100, 1], [200, 2]], "mode": [[100, "x"]]})
    with pytest.raises(RecordConflict) as caught:
        dev.d.record({"temp": [[200, 3], [300, 4]], "mode": [[100, "y"]]})
    assert caught.value.conflicts == {"temp": [200.0], "mode": [100.0]}
    assert dev.points("temp") == [[100, 1.0], [200, 2.0], [300, 4.0]]


def test_client_utilities(dev):
    assert abs(dev.d.timestamp() - time.time()) <= 2
    assert dev.d.ip() == ("127.0.0.1", dev.platform.port)


def test_a_device_that_activates_itself(w, tmp_path):
    path = str(tmp_path / "device.cik")
    device = (w.name, MODEL, SN, path)
    connection = w.platform.connection
    with pytest.raises(ProvisionException, match="409"):
        DataInterface.activated(*device, **connection)
    assert not os.path.exists(path)
    w.enable()
    first = DataInterface.activated(*device, **connection)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    first.write({"temp": 5})
    assert DataInterface.activated(*device, **connection).read("temp") == {"temp": "5"}
    w.p.serialnumber_reenable(w.key, MODEL, SN)
    with pytest.raises(OnePlatformException, match="401"):
        first.write({"temp": 6})
    DataInterface.activated(*device, **connection).write({"temp": 7})
    assert os.listdir(tmp_path) == ["device.cik"]
    with pytest.raises(ProvisionException, match="404"):
        DataInterface.activated(w.name, MODEL, "unknown", path, **connection)


def test_endpoint_of_the_environment(monkeypatch, w, tmp_path):
    monkeypatch.setenv("PYONEP_ENDPOINT", w.platform.endpoint)
    w.enable()
    DataInterface.activated(w.name, MODEL, SN, str(tmp_path / "cik")).write({"temp": 1})


def test_answers_in_any_order_and_form():
    """DAT-079"""
    with Recorder(lambda _: (200, {}, b"b=%20x&a=1%3D2")) as server:
        assert DataInterface("k", **server.connection).read("a", "b") == {"a": "1=2", "b": " x"}


# --- what is a key, and where it is asked for ---

KEY = "0123456789abcdefABCDEF0123456789abcdef01"
NO_KEYS = [
    (200, b"<html><title>Hotel Adler: please log in</title></html>"),
    (200, b""),
    (200, KEY[:-1].encode()),
    (200, KEY.encode() + b"0"),
    (200, KEY.encode()[:-1] + b"g"),
    (200, KEY.encode() + b"\n" + KEY.encode()),
    (200, b"\xff\xfe" * 20),
    (202, KEY.encode()),
    (204, b""),
    (302, KEY.encode()),
]


@pytest.mark.parametrize(("status", "body"), NO_KEYS)
@pytest.mark.parametrize("kept", [None, "a" * 40])
def test_only_a_key_is_kept_as_a_key(tmp_path, status, body, kept):
    path = tmp_path / "device.cik"
    if kept is not None:
        path.write_text(kept)
    with Recorder(lambda _: (status, {"Content-Type": "text/html"}, body)) as server:
        with pytest.raises(OnePlatformException, match=f"no key: HTTP {status}") as caught:
            DataInterface.activated("acme", MODEL, SN, str(path), **server.connection)
    assert KEY[:20] not in str(caught.value)
    assert [one.read_text() for one in tmp_path.iterdir()] == ([kept] if kept else [])


def test_a_key_with_white_space_around_it_is_one(tmp_path):
    path = tmp_path / "device.cik"
    with Recorder(lambda _: (200, {}, f" {KEY}\r\n".encode())) as server:
        DataInterface.activated("acme", MODEL, SN, str(path), **server.connection).close()
    assert path.read_text() == KEY


@pytest.mark.parametrize("kept", [b"<html>", b"\xff" * 40, b"", b"\n", KEY.encode() * 2])
def test_what_is_kept_and_no_key_is_no_key(tmp_path, kept):
    path = tmp_path / "device.cik"
    path.write_bytes(kept)
    with Recorder(lambda _: (409, {}, b"")) as server:
        with pytest.raises(ProvisionException, match="409"):
            DataInterface.activated("acme", MODEL, SN, str(path), **server.connection)
    assert path.read_bytes() == kept


def test_a_key_that_could_not_be_kept_is_not_asked_for(tmp_path):
    with Recorder(lambda _: (200, {}, KEY.encode())) as server:
        with pytest.raises(OSError):
            DataInterface.activated(
                "acme", MODEL, SN, str(tmp_path / "no folder" / "cik"), **server.connection
            )
    assert server.requests == []


@pytest.mark.parametrize("port", [None, "number", "text"])
def test_the_scheme_of_the_host_decides_for_the_activation_too(w, tmp_path, port):
    w.enable()
    number = w.platform.port
    given = {"number": number, "text": str(number)}.get(port)
    host = f"http://{w.platform.host}" + ("" if port else f":{number}")
    device = DataInterface.activated(
        w.name, MODEL, SN, str(tmp_path / "cik"), host=host, port=given, httptimeout=5
    )
    device.write({"temp": 1})
    device.close()


@pytest.mark.parametrize("host", ["m2.example", "http://m2.example", "https://m2.example:99"])
@pytest.mark.parametrize("port", [None, 80, 443, "8080"])
@pytest.mark.parametrize("https", [None, True, False])
def test_an_endpoint_means_the_same_as_a_url(host, port, https):
    target = endpoint(host, port, https, port_means_http=False)
    for means in (False, True):
        assert endpoint(target.url, None, None, port_means_http=means) == target
