"""A vendor with a model, for the tests of provisioning."""

from __future__ import annotations

from itertools import count
from urllib.parse import urlencode

from platforms import Raw, client, dataport

from pyonep import Provision, onep

FORM = "application/x-www-form-urlencoded; charset=utf-8"
MODEL, SN = "thermo-x2", "TX2-000417"
_NUMBERS = count()


def unused(name):
    """A name that no vendor of these tests has."""
    return f"{name}{next(_NUMBERS)}"


def vendor(platform, name):
    """Make a vendor, of a name that begins so."""
    return platform.vendor(unused(name))


class World:
    """A vendor with a token, a model with a template, and one serial number."""

    def __init__(self, platform):
        self.platform = platform
        self.account = vendor(platform, "acme")
        self.name, self.key = self.account.name, self.account.cik
        self.o = onep.OnepV1(**platform.connection, reuseconnection=True)
        limits = dict.fromkeys(("dataport", "client"), "inherit")
        self.template, template_key = client(self.o, self.key, name="template", limits=limits)
        port = dataport(self.o, template_key, "integer", alias="temp")
        self.o.recordbatch(template_key, port, [[1, 10], [2, 20]])
        self.p = Provision(**platform.connection, reuseconnection=True)
        self.raw = Raw(platform)
        assert self.p.model_create(self.key, MODEL, self.template).status == 205
        assert self.p.serialnumber_add(self.key, MODEL, SN).status == 205

    def close(self):
        self.o.close()
        self.p.close()
        self.raw.http.close()

    def enable(self, sn=SN, owner=None, model=MODEL):
        response = self.p.serialnumber_enable(self.key, model, sn, owner or self.account.portal_rid)
        assert response.status == 200, response
        return response.body

    def activate(self, sn=SN, model=MODEL):
        return self.p.serialnumber_activate(model, sn, self.name)

    def device(self, sn=SN):
        """Enable and activate; return RID and CIK."""
        rid = self.enable(sn)
        return rid, self.activate(sn).body

    def state(self, sn=SN):
        response = self.p.serialnumber_info(self.key, MODEL, sn)
        return response.rows()[0][0] if response.status == 200 else int(response.status)

    def send(self, method, path, body=b"", headers=None, key="cik"):
        """A request of our own; returns status, headers, body."""
        credentials = {
            "cik": {"X-Exosite-CIK": self.key},
            "token": {"X-Exosite-Token": self.account.token},
            None: {},
        }.get(key, {"X-Exosite-CIK": key})
        data = urlencode(body).encode() if isinstance(body, (list, dict)) else body
        all_headers = {**credentials, **({"Content-Type": FORM} if data else {}), **(headers or {})}
        all_headers = {name: value for name, value in all_headers.items() if value is not None}
        return self.raw.send(data, path, method, all_headers)

    def status(self, *args, **kwargs):
        return self.send(*args, **kwargs)[0]


def manage(*segments):
    """The path of what a vendor manages."""
    return "/provision/manage/" + "/".join(segments)


def fetched(w):
    """The content "fw" of the model, and its media type."""
    status, headers, body = w.send("GET", manage("content", MODEL, "fw?download=true"))
    assert status == 200
    return body, headers["Content-Type"]
