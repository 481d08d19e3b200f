"""What tests make of a platform and on it, and how they speak to it without the client."""

from __future__ import annotations

import contextlib
import http.client
import json

from pyonep.server.platform import Platform
from pyonep.server.store import Store


class Clock:
    """A clock that tests set."""

    def __init__(self, now=1_700_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


@contextlib.contextmanager
def in_memory(clock=None, settings=None):
    """A platform without a server, on a store in memory."""
    platform = Platform(Store(None), settings, clock or Clock())
    try:
        yield platform
    finally:
        platform.store.close()


class Raw:
    """Speaks to a platform without the client library, over one kept connection."""

    def __init__(self, platform):
        self.http = http.client.HTTPConnection(platform.host, platform.port, timeout=30)

    def send(self, body, path="/onep:v1/rpc/process", method="POST", headers=None):
        """Send a body (bytes, or anything as JSON); return status, headers and body."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.http.request(method, path, data, headers or {})
        response = self.http.getresponse()
        return response.status, response.headers, response.read()

    def json(self, body, **kwargs):
        """Send a body; return the JSON of the answer."""
        status, _, content = self.send(body, **kwargs)
        assert status == 200, (status, content)
        return json.loads(content)

    def call(self, cik, procedure, *arguments):
        """Call one procedure; return its answer without the id."""
        auth = cik if isinstance(cik, dict) else {"cik": cik}
        call = {"id": 1, "procedure": procedure, "arguments": list(arguments)}
        answer = self.json({"auth": auth, "calls": [call]})
        if isinstance(answer, dict):
            return answer
        assert answer[0].pop("id") == 1
        return answer[0]


def dataport(o, auth, format="float", alias=None, **description):
    """Make a dataport; return its RID."""
    isok, rid = o.create(auth, "dataport", {"format": format, **description})
    assert isok, rid
    if alias is not None:
        assert o.map(auth, rid, alias) == (True, "ok")
    return rid


def client(o, auth, **description):
    """Make a client below; return its RID and key."""
    isok, rid = o.create(auth, "client", description)
    assert isok, rid
    isok, info = o.info(auth, rid, {"key": True})
    return rid, info["key"]
