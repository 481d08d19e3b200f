"""Read a day of values and draw them.

    python examples/plot_series.py [CIK ALIAS [HOST [PORT]]]

Without a CIK this starts a One Platform of its own, fills a day, and draws that. The picture
is written to series.png in the current folder.
"""

import math
import random
import sys
import time
from contextlib import ExitStack
from datetime import datetime

from pyonep import onep

try:
    import matplotlib.dates
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("this example draws with matplotlib: pip install matplotlib")

# Your settings. A CIK is the secret key of a client (a device).
CIK = ""
ALIAS = "temperature"
UNIT = "°C"
HOST = "m2.exosite.com"
PORT = None  # 443
PICTURE = "series.png"
DAY = 24 * 3600  # seconds


def fill_a_day(o, cik):
    """Make a dataport and record a value a minute: a day at a window."""
    isok, rid = o.create(cik, "dataport", {"format": "float", "name": "Window"})
    assert isok, rid
    assert o.map(cik, rid, ALIAS) == (True, "ok")
    now, noise = int(time.time()), random.Random(1)
    points = []
    for when in range(now - DAY, now, 60):
        hour = datetime.fromtimestamp(when).hour + datetime.fromtimestamp(when).minute / 60
        warmth = 14 - 6 * math.cos((hour - 3) / 24 * 2 * math.pi)
        points.append([when, round(warmth + noise.gauss(0, 0.25), 2)])
    assert o.recordbatch(cik, rid, points) == (True, "ok")


def draw(points, alias):
    """Draw ``[[timestamp, value], ...]`` over the time of day."""
    times = [datetime.fromtimestamp(when) for when, _ in points]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.plot(times, [value for _, value in points], linewidth=1)
    locator = matplotlib.dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))
    axes.set(title=f"{alias}, the last 24 hours", ylabel=f"{alias} in {UNIT}")
    axes.margins(x=0)
    axes.grid(alpha=0.3)
    figure.savefig(PICTURE, dpi=100)


def main(cik=CIK, alias=ALIAS, host=HOST, port=PORT):
    """Do the job, on an embedded platform when there is no CIK."""
    with ExitStack() as stack:
        connection = {"host": host, "port": port}
        if not cik:
            from pyonep.server import LocalPlatform

            platform = stack.enter_context(LocalPlatform())
            print("no CIK given: using an embedded platform at", platform.endpoint)
            cik, connection = platform.device().cik, platform.connection
            fill_a_day(onep.OnepV1(**connection), cik)
        o = onep.OnepV1(**connection, reuseconnection=True)
        points = list(o.points(cik, {"alias": alias}, starttime=int(time.time()) - DAY))
        o.close()
    if not points:
        print("no values in the last 24 hours")
        return 1
    draw(points, alias)
    print(f"{len(points)} values drawn into {PICTURE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
