"""Models shared between vendors, the registration of vendors, and their tokens."""

from __future__ import annotations

from vendors import MODEL, SN, manage, unused, vendor

from pyonep import Provision


def test_shares(w, platform):
    """PRV-169 PRV-170 PRV-171 PRV-172"""
    partner = vendor(platform, "partner").name
    assert w.p.model_share_list(w.key, MODEL).status == 204
    assert w.p.model_share_show(w.key, MODEL, partner).status == 404
    for _ in range(2):
        assert w.p.model_share(w.key, MODEL, partner).status == 205
    assert w.p.model_share_list(w.key, MODEL).rows() == [[partner]]
    assert w.p.model_share_show(w.key, MODEL, partner).status == 204
    assert w.p.model_unshare(w.key, MODEL, partner).status == 205
    assert w.p.model_share_show(w.key, MODEL, partner).status == 404
    assert w.p.model_unshare(w.key, MODEL, partner).status == 404
    path = manage("share", MODEL, "")
    w.p.model_share(w.key, MODEL, partner)
    assert w.status("POST", path, {"vendor": partner, "delete": "true"}) == 205
    assert w.p.model_share_show(w.key, MODEL, partner).status == 404
    assert w.p.model_share(w.key, MODEL, "nobody-at-all").status == 404
    assert w.p.model_share(w.key, MODEL, w.name).status == 409
    assert w.status("POST", path, {"delete": "true"}) == 400


def test_another_vendors_model(w, platform):
    """PRV-173"""
    stranger = vendor(platform, "stranger")
    theirs = Provision(**platform.connection, shared_by=w.name)
    assert theirs.serialnumber_list(stranger.cik, MODEL).status == 403
    assert theirs.serialnumber_info(stranger.cik, MODEL, SN).status == 403
    assert w.p.serialnumber_list(stranger.cik, MODEL).status == 404
    assert theirs.serialnumber_list(w.key, MODEL).status == 200


def test_a_vendor_a_model_is_shared_with(w, guest):
    """PRV-174 PRV-175 PRV-176 PRV-177"""
    w.p.serialnumber_add(w.key, MODEL, "extra", "mine")
    w.enable()
    theirs = Provision(**w.platform.connection, shared_by=w.name)
    rid = theirs.serialnumber_enable(guest.cik, MODEL, "extra", guest.portal_rid).body
    assert len(rid) == 40
    assert theirs.serialnumber_list(guest.cik, MODEL).rows() == [["extra", rid, ""]]
    path = manage("model", MODEL, f"?shared={guest.name}")
    assert w.send("GET", path)[2] == f"extra,{rid},mine\r\n".encode()
    assert theirs.serialnumber_info(guest.cik, MODEL, "extra").rows() == [["notactivated", rid, ""]]
    assert theirs.serialnumber_info(guest.cik, MODEL, SN).status == 404
    assert theirs.serialnumber_info(guest.cik, MODEL, "extra", True).status == 204
    assert theirs.serialnumber_reenable(guest.cik, MODEL, "extra").status == 205
    assert theirs.serialnumber_disable(guest.cik, MODEL, "extra").status == 205
    for answer in (
        theirs.serialnumber_remove(guest.cik, MODEL, "extra"),
        theirs.serialnumber_add(guest.cik, MODEL, "x"),
        theirs.model_update(guest.cik, MODEL, w.template),
        theirs.content_list(guest.cik, MODEL),
        theirs.group_list(guest.cik, MODEL),
        theirs.model_share_list(guest.cik, MODEL),
        theirs.serialnumber_groups(guest.cik, MODEL, "extra"),
        theirs.serialnumber_enable(guest.cik, MODEL, "extra", w.account.portal_rid),
    ):
        assert answer.status == 403
    assert theirs.serialnumber_disable(guest.cik, MODEL, SN).status == 404
    w.p.model_unshare(w.key, MODEL, guest.name)
    assert theirs.serialnumber_list(guest.cik, MODEL).status == 403
    assert w.o.info(guest.portal_cik, rid, {"basic": True})[0]


def test_vendor_registration(w, platform):
    """PRV-178 PRV-179 PRV-180 PRV-181 PRV-182 PRV-183"""
    device = platform.device()
    name, path = unused("new"), "/provision/register"
    assert w.status("GET", path, key=device.cik) == 204
    assert w.status("GET", path, key=None) == 401
    assert w.status("POST", path, {"vendor": name}, {"Content-Type": None}, device.cik) == 205
    assert w.send("GET", path, key=device.cik)[2] == name.encode()
    assert w.p.vendor_register(device.cik, name).status == 205
    assert w.p.vendor_register(device.cik, "another").status == 409
    assert w.p.vendor_register(platform.device().cik, name).status == 409
    for bad in ("", "a b", "a/b", "x" * 65):
        assert w.p.vendor_register(platform.device().cik, bad).status == 400
    assert w.p.vendor_show(w.account.token).body == w.name
    body = {"vendor": name, "delete": "true"}
    assert w.status("POST", path, body, key=platform.device().cik) == 404
    assert w.status("POST", path, body, key=device.cik) == 205
    assert w.status("GET", path, key=device.cik) == 204
    assert w.p.vendor_unregister(w.account.token, w.name).status == 409
    w.p.model_remove(w.key, MODEL)
    assert w.p.vendor_unregister(w.account.token, w.name).status == 205
    assert w.p.vendor_show(w.account.token).status == 401


def test_tokens(w):
    """PRV-184 PRV-185 PRV-186 PRV-187 PRV-188 PRV-189"""
    by_token = Provision(**w.platform.connection, manage_by_cik=False)
    token = w.p.token_create(w.key, "ci").body
    assert len(token) == 40 and by_token.model_list(token).rows() == [[MODEL]]
    assert w.p.token_create(w.key, "ci").status == 409
    assert w.p.token_list(w.key).rows() == [["ci"], ["first"]]
    assert w.p.token_show(w.key, "ci").body == token
    assert w.p.token_show(w.key, "unknown").status == 404
    path = "/provision/admin/auth"
    assert w.status("GET", path, key="token") == 401
    assert w.status("POST", path, {"id": "x"}, key="token") == 401
    assert w.p.token_remove(w.key, "ci").status == 205
    assert by_token.model_list(token).status == 401
    assert w.status("POST", path, {"id": "first", "delete": "true"}) == 205
    assert by_token.model_list(w.account.token).status == 401
    assert w.p.token_remove(w.key, "ci").status == 404
    assert w.p.token_list(w.key).status == 204
