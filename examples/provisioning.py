"""The whole life of a model: share, model, serial numbers, activation, firmware, removal.

    python examples/provisioning.py [VENDOR VENDOR_CIK PORTAL_CIK PORTAL_RID [HOST [PORT]]]

Without a vendor this starts a One Platform of its own and does its job there.
"""

import io
import os
import sys
from contextlib import ExitStack

from pyonep import onep
from pyonep.exceptions import ProvisionException
from pyonep.provision import Provision

# Your settings. The portal is a client below the vendor's, and owns the devices.
VENDOR = ""
VENDOR_CIK = ""
PORTAL_CIK = ""
PORTAL_RID = ""
HOST = "m2.exosite.com"
PORT = None  # 443
MODEL = "pyonep-example"


def make_template(o):
    """Make the client that every device becomes a copy of; return its RID and share code."""
    isok, rid = o.create(PORTAL_CIK, "client", {"name": MODEL, "limits": {"dataport": 1}})
    assert isok, rid
    inside = {"cik": PORTAL_CIK, "client_id": rid}
    isok, port = o.create(inside, "dataport", {"format": "float", "name": "Temperature"})
    assert isok, port
    assert o.map(inside, port, "temperature") == (True, "ok")
    isok, code = o.share(PORTAL_CIK, rid, {"meta": f'["{VENDOR}","{MODEL}"]'})
    assert isok, code
    return rid, code


def serial_numbers(provision):
    """Add serial numbers singly, in a batch and by CSV, and list them."""
    provision.serialnumber_add(VENDOR_CIK, MODEL, "001", extra="the first one")
    provision.serialnumber_add_batch(VENDOR_CIK, MODEL, ["002", "003"])
    provision.serialnumber_add_batch_csv(VENDOR_CIK, MODEL, '004,line 4\r\n005,"blue, round"\r\n')
    for sn, rid, extra in provision.serialnumbers(VENDOR_CIK, MODEL):
        print("serial number", sn, rid or "unused", extra)
    provision.serialnumber_remove_batch(VENDOR_CIK, MODEL, ["004", "005"])


def one_device(provision, o):
    """Enable, activate, disable, re-enable; return the key of the device."""
    rid = provision.serialnumber_enable(VENDOR_CIK, MODEL, "001", PORTAL_RID).body
    cik = provision.serialnumber_activate(MODEL, "001", VENDOR).body
    assert o.write(cik, {"alias": "temperature"}, 21.5) == (True, "ok")
    print("activated", rid, "and wrote a value")

    provision.serialnumber_disable(VENDOR_CIK, MODEL, "001")
    try:
        provision.serialnumber_activate(MODEL, "001", VENDOR)
    except ProvisionException as error:
        print("disabled, and so not open for activation:", error)

    provision.serialnumber_reenable(VENDOR_CIK, MODEL, "001")
    new = provision.serialnumber_activate(MODEL, "001", VENDOR).body
    print("re-enabled under another key:", new != cik)
    print("status:", provision.serialnumber_info(VENDOR_CIK, MODEL, "001").rows())
    return rid, new


def firmware(provision, cik):
    """Upload binary content and download it as the device, whole and in part."""
    blob = os.urandom(100_000)
    provision.content_create(VENDOR_CIK, MODEL, "fw-1.0.bin", "version 1.0")
    provision.content_upload(VENDOR_CIK, MODEL, "fw-1.0.bin", blob, "application/octet-stream")
    print("content:", provision.content_info(VENDOR_CIK, MODEL, "fw-1.0.bin").rows())

    file = io.BytesIO()
    provision.content_download(cik, VENDOR, MODEL, "fw-1.0.bin", file)
    head = provision.content_download(cik, VENDOR, MODEL, "fw-1.0.bin", byterange=(0, 9))
    print("downloaded intact:", file.getvalue() == blob and head.content == blob[:10])
    provision.content_remove(VENDOR_CIK, MODEL, "fw-1.0.bin")


def life_of_a_model(connection):
    """All of it, and the clean-up."""
    o = onep.OnepV1(**connection)
    provision = Provision(
        **connection, manage_by_cik=True, manage_by_sharecode=True, raise_api_exceptions=True
    )
    template, code = make_template(o)
    provision.model_create(VENDOR_CIK, MODEL, code, aliases=True)
    print("models:", provision.model_list(VENDOR_CIK).rows())
    try:
        serial_numbers(provision)
        rid, cik = one_device(provision, o)
        firmware(provision, cik)
        provision.serialnumber_remove(VENDOR_CIK, MODEL, "001")
        o.drop(PORTAL_CIK, rid)
    finally:
        provision.model_remove(VENDOR_CIK, MODEL)
        o.drop(PORTAL_CIK, template)
    print("removed:", provision.model_list(VENDOR_CIK).rows() == [])


def main(vendor=VENDOR, cik=VENDOR_CIK, portal=PORTAL_CIK, rid=PORTAL_RID, host=HOST, port=PORT):
    """Do the job, on an embedded platform when there is no vendor."""
    global VENDOR, VENDOR_CIK, PORTAL_CIK, PORTAL_RID
    with ExitStack() as stack:
        connection = {"host": host, "port": port}
        if not vendor:
            from pyonep.server import LocalPlatform

            platform = stack.enter_context(LocalPlatform())
            print("no CIK given: using an embedded platform at", platform.endpoint)
            account, connection = platform.vendor("acme"), platform.connection
            vendor, cik = account.name, account.cik
            portal, rid = account.portal_cik, account.portal_rid
        VENDOR, VENDOR_CIK, PORTAL_CIK, PORTAL_RID = vendor, cik, portal, rid
        life_of_a_model(connection)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
