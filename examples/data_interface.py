"""A small device: it activates itself, writes values and reads its setpoint.

    python examples/data_interface.py [VENDOR MODEL SERIALNUMBER [HOST [PORT]]]

Without a vendor this starts a One Platform of its own and does its job there.
"""

import os
import sys
import tempfile
from contextlib import ExitStack

from pyonep.data import DataInterface

# Your settings: how the device was enrolled, and where it keeps its key.
VENDOR = ""
MODEL = ""
SERIALNUMBER = ""
KEY_FILE = "device.cik"
HOST = "m2.exosite.com"
PORT = None  # 443


def be_a_device(vendor, model, serialnumber, key_file, **connection):
    """Activate if need be, write two values, read one back with the setpoint."""
    device = DataInterface.activated(vendor, model, serialnumber, key_file, **connection)
    print("activated; the key is kept in a file of mode", oct(os.stat(key_file).st_mode & 0o777))

    device.write({"temperature": 21.5, "state": "heating up"})
    print("read:", device.read("temperature", "state"))
    print("write and read:", device.write_read({"temperature": 21.6}, ["setpoint"]))

    # After a restart the serial number is no longer open for activation: the key is kept.
    again = DataInterface.activated(vendor, model, serialnumber, key_file, **connection)
    print("after a restart:", again.read("temperature"))


def enrolled(platform):
    """Enrol a device on an embedded platform: vendor, model, serial number."""
    from pyonep import OnepV1, Provision

    vendor = platform.vendor("acme")
    o, provision = OnepV1(**platform.connection), Provision(**platform.connection)
    _, template = o.create(vendor.portal_cik, "client", {"limits": {"dataport": 3}})
    inside = {"cik": vendor.portal_cik, "client_id": template}
    for alias, form in (("temperature", "float"), ("state", "string"), ("setpoint", "float")):
        _, rid = o.create(inside, "dataport", {"format": form})
        o.map(inside, rid, alias)
        if alias == "setpoint":
            o.write(inside, rid, 22)
    provision.model_create(vendor.cik, "thermo", template)
    provision.serialnumber_add(vendor.cik, "thermo", "T-1")
    provision.serialnumber_enable(vendor.cik, "thermo", "T-1", vendor.portal_rid)
    return vendor.name, "thermo", "T-1"


def main(vendor=VENDOR, model=MODEL, serialnumber=SERIALNUMBER, host=HOST, port=PORT):
    """Do the job, on an embedded platform when there is no vendor."""
    with ExitStack() as stack:
        if vendor:
            be_a_device(vendor, model, serialnumber, KEY_FILE, host=host, port=port)
            return
        from pyonep.server import LocalPlatform

        platform = stack.enter_context(LocalPlatform())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        print("no CIK given: using an embedded platform at", platform.endpoint)
        key_file = os.path.join(folder, KEY_FILE)
        be_a_device(*enrolled(platform), key_file, **platform.connection)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
