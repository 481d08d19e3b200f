"""Each front has one table of how it says what core refuses."""

from __future__ import annotations

import pytest

from pyonep.server.core import errors
from pyonep.server.fronts import http, rpc

SAID = {
    errors.Refused: ("invalid", 400),
    errors.Invalid: ("invalid", 400),
    errors.NoSuchAlias: ("invalid", 400),
    errors.BadValue: ("invalid", 400),
    errors.NoSuchModel: ("invalid", 404),
    errors.NotFound: ("invalid", 404),
    errors.Conflict: ("invalid", 409),
    errors.Unusable: ("invalid", 412),
    errors.TooLarge: ("invalid", 413),
    errors.Unsupported: ("invalid", 415),
    errors.Unauthorized: ("invalid", 401),  # the RPC says it of a whole request
    errors.Forbidden: ("restricted", 403),
    errors.Locked: ("locked", 403),
    errors.OutOfReach: ("restricted", 403),
    errors.NotOwner: ("noauth", 403),
    errors.Mistaken: ("error", 400),
    errors.NoSuchType: ("error", 400),
    errors.Gone: ("error", 400),
    errors.Expired: ("expire", 400),
    errors.BadArguments: ("fail", 400),
    errors.BadWord: ("fail", 400),
    errors.NoProcedure: ("fail", 400),
}


def kinds(kind=errors.Refused):
    return [kind] + [one for below in kind.__subclasses__() for one in kinds(below)]


@pytest.mark.parametrize("kind", kinds())
def test_how_each_refusal_is_said(kind):
    refused = kind("why")
    assert (rpc.status_of(refused), http.status_of(refused)) == SAID[kind]
    assert str(refused) == "why"
    assert kind.__name__ in errors.__doc__
