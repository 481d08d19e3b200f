"""Show what the platform knows about a client, with every kind of error handled.

    python examples/get_info.py [CIK [HOST [PORT]]]

Without a CIK this starts a One Platform of its own and does its job there.
"""

import pprint
import sys
from contextlib import ExitStack

from pyonep import onep
from pyonep.exceptions import (
    JsonRPCRequestException,
    JsonRPCResponseException,
    JsonStringException,
    OnePlatformException,
)

# Your settings. A CIK is the secret key of a client (a device).
CIK = ""
HOST = "m2.exosite.com"
PORT = None  # 443
OPTIONS = {"basic": True, "counts": True, "aliases": True, "description": True}


def show_info(o, cik):
    """Print the info of the client itself; say what went wrong if anything did."""
    try:
        isok, response = o.info(cik, {"alias": ""}, OPTIONS)
    except JsonRPCRequestException as error:
        print("The request was not sent, so it is safe to try again:", error)
    except JsonRPCResponseException as error:
        print("The request was sent, but the answer is missing:", error)
    except OnePlatformException as error:
        print("The platform refused the request (is the CIK right?):", error)
    except JsonStringException as error:
        print("An argument cannot be written as JSON:", error)
    else:
        if isok:
            pprint.pprint(response)
            return True
        print("The call failed with the status:", response)
    return False


def main(cik=CIK, host=HOST, port=PORT):
    """Do the job, on an embedded platform when there is no CIK."""
    with ExitStack() as stack:
        connection = {"host": host, "port": port}
        if not cik:
            from pyonep.server import LocalPlatform

            platform = stack.enter_context(LocalPlatform())
            print("no CIK given: using an embedded platform at", platform.endpoint)
            cik, connection = platform.device().cik, platform.connection
        return 0 if show_info(onep.OnepV1(**connection), cik) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
