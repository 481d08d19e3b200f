"""One call of a procedure, from whom it may come to what it comes to."""

from __future__ import annotations

from typing import Any

from . import access, procedures
from .access import Call, Caller, Watch
from .budget import Budget
from .results import Result
from .unit import Unit


def call(
    unit: Unit,
    caller: Caller,
    procedure: str,
    arguments: list[Any],
    budget: Budget,
    is_checked: bool = False,
) -> Result:
    """Call a procedure.

    Args:
        unit: The work that this is part of.
        caller: Who calls.
        procedure: Its name.
        arguments: Its arguments.
        budget: What is left to the request that the call is part of.
        is_checked: Whether the caller was authenticated a moment ago, and nobody else has
            run since.

    Raises:
        Refused: There is no such procedure, or it is not carried out.
    """
    run = procedures.find(procedure, arguments)
    client = unit.resources.by_id(caller.client)
    is_own = client is not None and caller.holder == caller.client
    if not (is_checked and is_own) or client is None or client.description["locked"]:
        access.check(unit, caller)
    assert client is not None
    made = Call(unit, client, procedure, caller, budget, {})
    result = run(made, *arguments)
    if result.steps is None:
        return result
    watch = Watch(unit, lambda: access.check(unit, caller), made.grounds)
    return result._replace(check=watch.check)
