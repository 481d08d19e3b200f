"""What programs that are built on this library use of it, beyond its methods.

One of them, a command line client for the whole platform, knew many of its private names;
the second half of this file makes the calls that its commands made.
"""

from __future__ import annotations

import pytest
from servers import Recorder

import pyonep
from pyonep import provision
from pyonep.exceptions import ProvisionException

KEY = "c" * 40
PATH = "/provision/manage/model/m/"


@pytest.fixture
def recorder():
    with Recorder(lambda _: (200, {"Content-Type": "text/plain"}, b"BODY")) as server:
        yield server


def sent(recorder, *args, **options):
    """Call `_request`; return what arrived."""
    pyonep.Provision(**recorder.connection, **options)._request(*args)
    ((method, path, headers, body),) = recorder.requests
    return method, path, headers, body


# --- names ---


def test_a_get_puts_its_data_behind_the_path(recorder):
    """AMD-041"""
    method, path, headers, body = sent(recorder, PATH, KEY, "offset=1&limit=5", "GET", True)
    assert (method, path, body) == ("GET", PATH + "?offset=1&limit=5", b"")
    assert headers["X-Exosite-CIK"] == KEY and "Content-Type" not in headers


def test_a_get_without_data(recorder):
    """AMD-041"""
    method, path, headers, _ = sent(recorder, PATH + "?show=ranges", KEY, "", "GET", False)
    assert (method, path, headers["X-Exosite-Token"]) == ("GET", PATH + "?show=ranges", KEY)
    assert "X-Exosite-CIK" not in headers


@pytest.mark.parametrize(
    ("method", "content_type"),
    [
        ("POST", "application/x-www-form-urlencoded; charset=utf-8"),
        ("PUT", None),
        ("DELETE", None),
    ],
)
def test_other_methods_send_their_data_as_the_body(recorder, method, content_type):
    """AMD-041, AMD-044"""
    got, path, headers, body = sent(recorder, PATH, KEY, "a=1&b=2", method, True)
    assert (got, path, body) == (method, PATH, b"a=1&b=2")
    assert headers["Content-Type"] == content_type


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_headers_of_the_caller_win(recorder, name):
    """AMD-041"""
    extra = {name: "text/csv; charset=utf-8", "Accept": "*", "X-Exosite-CIK": "other"}
    _, _, headers, _ = sent(recorder, PATH, KEY, "sn1,blue", "POST", True, extra)
    assert headers.get_all("Content-Type") == ["text/csv; charset=utf-8"]
    assert headers.get_all("Accept") == ["*"]
    assert headers.get_all("X-Exosite-CIK") == ["other"]


def test_the_arguments_have_the_names_they_had(recorder):
    """AMD-041"""
    o = pyonep.Provision(**recorder.connection)
    response = o._request(
        path=PATH, key=KEY, data="x", method="GET", key_is_cik=False, extra_headers={"Accept": "*"}
    )
    assert isinstance(response, provision.ProvisionResponse)
    assert (response.body, response.status(), response.isok) == ("BODY", 200, True)


@pytest.mark.parametrize("raises", [False, True])
def test_a_refusal(platform, raises):
    """AMD-041"""
    o = pyonep.Provision(**platform.connection, raise_api_exceptions=raises)
    if not raises:
        assert o._request(PATH, KEY, "", "GET", True).status == 401
        return
    with pytest.raises(ProvisionException, match="401") as caught:
        o._request(PATH, KEY, "", "GET", True)
    assert caught.value.response.status() == 401


def test_names_that_other_programs_import():
    """AMD-042"""
    paths = {name: getattr(provision, name) for name in dir(provision) if name.startswith("PROV")}
    assert paths == {
        "PROVISION_BASE": "/provision",
        "PROVISION_ACTIVATE": "/provision/activate",
        "PROVISION_DOWNLOAD": "/provision/download",
        "PROVISION_MANAGE": "/provision/manage",
        "PROVISION_MANAGE_CONTENT": "/provision/manage/content/",
        "PROVISION_MANAGE_MODEL": "/provision/manage/model/",
        "PROVISION_REGISTER": "/provision/register",
    }
    o = pyonep.Provision()
    assert o._onephttp is o.onephttp
    assert o._filter_options() == []
    assert o._filter_options(False, True, False) == ["noaliases", "nohistorical"]
    assert o._filter_options(aliases=True, comments=False, historical=True) == ["nocomments"]
