"""The class Provision: what it raises, and what it does not send."""

from __future__ import annotations

import pytest
from vendors import MODEL, SN

from pyonep import Provision
from pyonep.exceptions import OneException, ProvisionException


def test_raised_exceptions(w):
    """PRV-198"""
    strict = Provision(**w.platform.connection, raise_api_exceptions=True)
    with pytest.raises(ProvisionException, match="^409 Conflict$") as caught:
        strict.serialnumber_add(w.key, MODEL, SN)
    response = caught.value.response
    assert (response.status, response.reason) == (409, "Conflict")
    assert (response.status(), response.reason()) == (409, "Conflict")
    assert response.body == "HTTP/1.1 409 Conflict\r\n" and not response.isok
    assert w.key not in str(caught.value) + repr(response) + str(response)


GOOD_NAMES = ("..", ".", "a;b")
BAD_NAMES = ("a/b", "x?y", "a b", "größe", "%2e%2e", "a#b", "x" * 10_000, "a\nb")


@pytest.mark.parametrize("name", GOOD_NAMES + BAD_NAMES, ids=lambda name: repr(name[:8]))
def test_names_reach_no_other_endpoint(w, name):
    """PRV-201"""
    before = w.p.serialnumber_list(w.key, MODEL).body
    for answer in (
        w.p.model_info(w.key, name),
        w.p.model_remove(w.key, name),
        w.p.serialnumber_list(w.key, name),
        w.p.serialnumber_info(w.key, name, SN),
        w.p.content_info(w.key, MODEL, name or "-"),
        w.p.serialnumber_remove(w.key, MODEL, name) if name else w.p.model_info(w.key, "-"),
    ):
        assert answer.status in (400, 404, 405), (answer.response.url[:200], answer)
    assert w.p.serialnumber_add(w.key, MODEL, name).status == (
        205 if name in ("..", ".", "a;b") else 400
    )
    if name in ("..", ".", "a;b"):
        assert w.p.serialnumber_info(w.key, MODEL, name).status == 204
        assert w.p.serialnumber_remove(w.key, MODEL, name).status == 205
    assert w.p.serialnumber_list(w.key, MODEL).body == before


def test_an_empty_name_is_not_sent(w):
    """PRV-201"""
    for call in (
        lambda: w.p.model_remove(w.key, ""),
        lambda: w.p.model_info(w.key, ""),
        lambda: w.p.serialnumber_remove(w.key, MODEL, ""),
        lambda: w.p.content_remove(w.key, "", "x"),
    ):
        with pytest.raises(OneException, match="empty"):
            call()
    assert w.p.model_list(w.key).rows() == [[MODEL]]
    assert w.p.serialnumber_add(w.key, MODEL, "").status == 400


def test_a_device_key_where_a_vendors_is_needed(w):
    _, cik = w.device()
    assert w.p.model_list(cik).status == 403
    assert w.p.serialnumber_add(cik, MODEL, "x").status == 403
    assert w.p.token_list(cik).status == 403
    assert w.p.content_upload(cik, MODEL, "x", b"", "x/y").status == 403
