"""A write and a read in one request.

    python examples/mult_cmd.py [CIK [HOST [PORT]]]

Without a CIK this starts a One Platform of its own and does its job there.
"""

import sys
from contextlib import ExitStack

from pyonep import onep

# Your settings. A CIK is the secret key of a client (a device).
CIK = ""
HOST = "m2.exosite.com"
PORT = None  # 443
ALIAS = "X1"


def write_and_read(o, cik):
    """Defer two calls, send both together, and go through the answers."""
    o.write(cik, {"alias": ALIAS}, 1, defer=True)
    o.read(cik, {"alias": ALIAS}, {"limit": 1}, defer=True)
    if not o.has_deferred(cik):
        return False

    all_ok = True
    for call, isok, response in o.send_deferred(cik):
        print(call["procedure"], "ok:" if isok else "failed:", response)
        all_ok = all_ok and isok
    return all_ok


def main(cik=CIK, host=HOST, port=PORT):
    """Do the job, on an embedded platform when there is no CIK."""
    with ExitStack() as stack:
        connection = {"host": host, "port": port}
        if not cik:
            from pyonep.server import LocalPlatform

            platform = stack.enter_context(LocalPlatform())
            print("no CIK given: using an embedded platform at", platform.endpoint)
            cik, connection = platform.device().cik, platform.connection
        o = onep.OnepV1(**connection)
        if not o.lookup(cik, "alias", ALIAS)[0]:
            _, rid = o.create(cik, "dataport", {"format": "integer"})
            o.map(cik, rid, ALIAS)
        return 0 if write_and_read(o, cik) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
