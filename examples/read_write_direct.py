"""Write a value and read it back.

    python examples/read_write_direct.py [CIK [HOST [PORT]]]

Without a CIK this starts a One Platform of its own and does its job there.
"""

import sys
from contextlib import ExitStack

from pyonep import onep

# Your settings. A CIK is the secret key of a client (a device).
CIK = ""
HOST = "m2.exosite.com"
PORT = None  # 443
ALIAS = "temperature"


def read_write(o, cik):
    """Write one value to the dataport and read the newest three."""
    isok, _ = o.lookup(cik, "alias", ALIAS)
    if not isok:
        isok, rid = o.create(cik, "dataport", {"format": "float", "name": "Temperature"})
        assert isok, rid
        isok, status = o.map(cik, rid, ALIAS)
        assert isok, status

    isok, status = o.write(cik, {"alias": ALIAS}, 21.5)
    print("write:", status)
    isok, points = o.read(cik, {"alias": ALIAS}, {"limit": 3})
    print("read:", points)  # [[timestamp, value], ...]
    return isok


def main(cik=CIK, host=HOST, port=PORT):
    """Do the job, on an embedded platform when there is no CIK."""
    with ExitStack() as stack:
        connection = {"host": host, "port": port}
        if not cik:
            from pyonep.server import LocalPlatform

            platform = stack.enter_context(LocalPlatform())
            print("no CIK given: using an embedded platform at", platform.endpoint)
            cik, connection = platform.device().cik, platform.connection
        return 0 if read_write(onep.OnepV1(**connection), cik) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
