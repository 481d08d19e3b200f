"""A sensor that goes on measuring while the platform is away; at the end nothing is missing.

    python examples/outage.py

It runs on a One Platform of its own, because it stops that in the middle.
"""

import math
import os
import sys
import tempfile
import time

from pyonep import OnepV1
from pyonep.datastore import Datastore
from pyonep.server import LocalPlatform

SECONDS = 6  # how long to measure
AWAY = (2, 4)  # from when to when the platform is away
RATE = 20  # measurements per second
START = 1_700_000_000  # Unix time of the first measurement

CONFIG = {"write_buffer_size": 10_000, "retry_base": 0.2, "retry_cap": 1}


def progress(second, store, is_away):
    """Print what waits and what is sent, on one line per second."""
    waiting, sent = store.statistics()[:2]
    print(f"{second} s  platform {'away' if is_away else 'here'}  waiting {waiting}  sent {sent}")


def measure(store, platform):
    """Record measurements while the platform comes and goes."""
    number = 0
    for second in range(SECONDS):
        if second == AWAY[0]:
            platform.stop()
        if second == AWAY[1]:
            platform.start()
        for _ in range(RATE):
            value = round(20 + 5 * math.sin(number / 10), 3)
            assert store.record("temperature", [[START + number, value]])
            number += 1
            time.sleep(1 / RATE)
        progress(second + 1, store, AWAY[0] <= second < AWAY[1])
    return number


def main():
    """Measure through an outage, then compare what was measured with what arrived."""
    with tempfile.TemporaryDirectory() as folder:
        platform = LocalPlatform(os.path.join(folder, "platform.sqlite")).start()
        print("no CIK given: using an embedded platform at", platform.endpoint)
        cik = platform.device().cik
        with Datastore(
            cik, 1, autocreate={"format": "float"}, config=CONFIG, transport=platform.connection
        ) as store:
            measured = measure(store, platform)
            print("all sent:", store.flush(timeout=20))
            print("counters:", store.statistics())
        o = OnepV1(**platform.connection)
        isok, points = o.read(cik, {"alias": "temperature"}, {"limit": 10 * measured})
        platform.stop()
    print(f"measured {measured}, on the platform {len(points)}")
    return 0 if isok and len(points) == measured else 1


if __name__ == "__main__":
    sys.exit(main())
