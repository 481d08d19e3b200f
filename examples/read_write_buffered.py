"""Buffered writing: values wait in the program, and go out together.

    python examples/read_write_buffered.py [CIK [HOST [PORT]]]

Without a CIK this starts a One Platform of its own and does its job there.
"""

import sys
import time
from contextlib import ExitStack

from pyonep.datastore import Datastore

# Your settings. A CIK is the secret key of a client (a device).
CIK = ""
HOST = "m2.exosite.com"
PORT = None  # 443
INTERVAL = 1  # seconds between flushes
AUTOCREATE = {"format": "float"}  # an alias that does not exist is created with this


def measure(store):
    """Create a dataport, write, record, and read back."""
    print("create:", store.createDataport("temperature", "float", "Temperature"))

    store.write("temperature", 21.4)  # replaced by the next line before it is sent
    store.write("temperature", 21.5)
    store.record("pressure", [[-20, 1012], [-10, 1013]])  # seconds before now
    store.record("pressure", [[int(time.time()) - 5, 1014]])  # Unix time

    print("waiting:", store.statistics().waiting)
    print("all sent:", store.flush(timeout=10))
    print("temperature:", store.read("temperature"))
    print("pressure:", store.read("pressure", count=3))
    print("counters:", store.statistics())


def main(cik=CIK, host=HOST, port=PORT):
    """Do the job, on an embedded platform when there is no CIK."""
    with ExitStack() as stack:
        transport = {"host": host, "port": port}
        if not cik:
            from pyonep.server import LocalPlatform

            platform = stack.enter_context(LocalPlatform())
            print("no CIK given: using an embedded platform at", platform.endpoint)
            cik, transport = platform.device().cik, platform.connection
        with Datastore(cik, INTERVAL, autocreate=AUTOCREATE, transport=transport) as store:
            measure(store)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
