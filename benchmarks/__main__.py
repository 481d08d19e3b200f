"""``python -m benchmarks [platform ...] [--quick]``: measure and print."""

from __future__ import annotations

import argparse

from . import client, datastore, fairness, latency, platform, provisioning

PARTS = {
    "client": client.run,
    "latency": latency.run,
    "platform": platform.run,
    "fairness": fairness.run,
    "provisioning": provisioning.run,
    "datastore": datastore.run,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, less time")
    options = parser.parse_args()
    for name in options.parts or PARTS:
        PARTS[name](quick=options.quick)


if __name__ == "__main__":
    main()
