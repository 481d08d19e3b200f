"""Models of a vendor: made from a template or a share code, changed and removed."""

from __future__ import annotations

from vendors import FORM, MODEL, manage

from pyonep import Provision


def test_list_models(w, platform):
    """PRV-037 PRV-038 PRV-039 PRV-040"""
    w.p.model_create(w.key, "second", w.template)
    assert w.p.model_list(w.key).body == f"{MODEL}\r\nsecond\r\n"
    path = manage("model", "")
    assert w.send("GET", path, key="token")[2] == w.send("GET", path)[2]
    assert w.status("GET", path, key=None) == 401
    for key in ("", "0" * 40, "x"):
        assert w.status("GET", path, headers={"X-Exosite-CIK": key}, key=None) == 401
    assert w.status("GET", path, key=platform.device().cik) == 403
    assert w.status("GET", path + "?show=cats") == 400


def test_models_shared_with_a_vendor(w, guest):
    """PRV-041"""
    assert w.p.model_list_shared(guest.cik).rows() == [[w.name, MODEL]]


def test_create_model(w):
    """PRV-042 PRV-044 PRV-051 PRV-052"""
    assert w.p.model_info(w.key, MODEL).body == f"rid={w.template}"
    response = w.p.model_create(w.key, "all", w.template, False, False, False)
    assert (response.status, response.response.headers["Content-Length"]) == (205, "0")
    words = "options[]=noaliases&options[]=nocomments&options[]=nohistorical"
    info = w.p.model_info(w.key, "all")
    assert info.body == f"rid={w.template}&{words}"
    assert info.response.headers["Content-Type"] == FORM
    body = f"model=raw&rid={w.template}&options[]=nohistorical&options[]=noaliases".encode()
    assert w.status("POST", manage("model", ""), body) == 205
    shown = f"rid={w.template}&options[]=noaliases&options[]=nohistorical"
    assert w.p.model_info(w.key, "raw").body == shown


def by_code(w):
    return Provision(**w.platform.connection, manage_by_sharecode=True)


def test_create_model_by_share_code(w):
    """PRV-043"""
    code = w.o.share(w.key, w.template)[1]
    assert by_code(w).model_create(w.key, "shared", code).status == 205
    assert w.p.model_info(w.key, "shared").body == f"code={code}"
    w.p.serialnumber_add(w.key, "shared", "1")
    w.enable("1", model="shared")
    assert w.activate("1", "shared").status == 200
    w.o.activate(w.account.portal_cik, "share", code)  # a code used up no longer clones
    w.p.serialnumber_add(w.key, "shared", "2")
    assert w.p.serialnumber_enable(w.key, "shared", "2", w.account.portal_rid).status == 412
    assert by_code(w).model_create(w.key, "again", code).status == 412


def test_create_model_errors(w, platform):
    """PRV-045 PRV-046 PRV-047 PRV-048 PRV-049"""
    path = manage("model", "")
    assert w.p.model_create(w.key, MODEL, w.template).status == 409
    both = {"model": "m", "rid": w.template, "code": "0" * 40}
    assert w.status("POST", path, both) == 400
    assert w.status("POST", path, {"model": "m"}) == 400
    assert w.status("POST", path, {"rid": w.template}) == 400
    for rid in ("0" * 40, "x", platform.device().rid, w.o.listing(w.key, ["dataport"])[1]):
        response = w.p.model_create(w.key, "m", str(rid))
        assert (response.status, response.body) == (412, "HTTP/1.1 412 Precondition Failed\r\n")
    odd = {"model": "m", "rid": w.template, "options[]": "nothing"}
    assert w.status("POST", path, odd) == 400
    for name in ("", "a/b", "a b", "x" * 129, "größe", "-a"):
        assert w.status("POST", path, {"model": name, "rid": w.template}) == 400


def test_remove_model(w):
    """PRV-050 PRV-058 PRV-059"""
    rid, cik = w.device()
    w.p.model_create(w.key, "second", w.template)
    assert w.status("POST", manage("model", ""), {"model": "second", "delete": "true"}) == 205
    assert w.p.model_list(w.key).rows() == [[MODEL]]
    assert w.p.model_remove(w.key, "second").status == 404
    assert w.p.model_remove(w.key, MODEL).status == 205
    assert w.activate().status == 404
    assert w.p.content_list(w.key, MODEL).status == 400
    assert w.o.lookup(cik, "alias", "") == (True, rid)


def test_update_model(w):
    """PRV-053 PRV-054 PRV-055 PRV-056 PRV-057"""
    assert w.p.model_info(w.key, "unknown").status == 404
    assert w.p.model_update(w.key, "unknown", w.template).status == 404
    w.p.model_update(w.key, MODEL, w.template, aliases=False)
    assert w.p.model_info(w.key, MODEL).body.endswith("noaliases")
    path = manage("model", MODEL)
    body = {"rid": w.template}
    assert w.status("PUT", path, body, {"Content-Type": None}) == 205
    assert w.p.model_info(w.key, MODEL).body == f"rid={w.template}"
    assert w.status("PUT", path, {**body, "options": "nohistorical"}) == 205
    assert w.p.model_info(w.key, MODEL).body == f"rid={w.template}&options[]=nohistorical"
    code = w.o.share(w.key, w.template)[1]
    assert by_code(w).model_update(w.key, MODEL, code).status == 205
    assert w.p.model_info(w.key, MODEL).body == f"code={code}"
    assert w.status("PUT", path, {}, {"Content-Type": FORM}) == 400
    assert w.status("PUT", path, {"rid": "0" * 40}) == 412
