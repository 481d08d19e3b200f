"""Accepts the call forms of earlier releases next to today's.

Arguments were renamed and reordered over the years. A method says under
which names and in which order its arguments used to be given, and
`accepts_old_forms` turns such a call into today's. It stays silent: a script
that runs in production gets no warning on its standard error.
"""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable, Optional, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])
Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
Reorder = Callable[[Arguments, Keywords], Arguments]

# Old name of a keyword -> its name today.
RENAMED = {
    "cik": "auth",
    "rid": "resource",
    "destinationrid": "destinationresource",
}


def accepts_old_forms(
    reorder: Optional[Reorder] = None, renamed: Optional[dict[str, str]] = None
) -> Callable[[Method], Method]:
    """Decorate a method so that it accepts the calls of every release.

    Args:
        reorder: Gets the positional arguments and the (renamed) keywords, and
            returns the positional arguments in today's order. It may change the
            keywords.
        renamed: Old keywords and their names today; by default those of the RPC.

    Returns:
        The decorator.
    """
    names = RENAMED if renamed is None else renamed

    def decorate(method: Method) -> Method:
        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            # The test costs a modern call next to nothing.
            if kwargs and not names.keys().isdisjoint(kwargs):
                for old in names.keys() & kwargs.keys():
                    if names[old] in kwargs:
                        raise TypeError(
                            f"{method.__name__}() got both {old!r} and {names[old]!r}, "
                            "which mean the same"
                        )
                    kwargs[names[old]] = kwargs.pop(old)
            if reorder is not None:
                args = reorder(args, kwargs)
            return method(self, *args, **kwargs)

        return cast(Method, call)

    return decorate


def flag_was_third(args: Arguments, kwargs: Keywords) -> Arguments:
    """``method(auth, x, True)``: `defer` stood where the options stand now."""
    if len(args) == 3 and isinstance(args[2], bool):
        kwargs["defer"] = args[2]
        return args[:2]
    return args


def listing_forms(args: Arguments, kwargs: Keywords) -> Arguments:
    """``listing(auth, rid, types, options, defer)`` of 0.10.0; `defer` third or fourth.

    In 0.10.0 the second argument is a resource, not a list of types. Before, the
    options were followed by `defer`, as there was no resource to name.
    """
    if len(args) > 1 and not isinstance(args[1], (list, tuple)):
        kwargs["resource"] = args[1]
        if len(args) > 4:
            kwargs["defer"] = args[4]
        args = args[:1] + args[2:4]
        if len(args) < 3 and kwargs.get("options") is None:
            kwargs["options"] = {}  # without them the resource would not count
        elif len(args) == 3 and args[2] is None:
            args = (*args[:2], {})
        return args
    if len(args) == 4 and isinstance(args[3], bool):
        kwargs["defer"] = args[3]
        return args[:3]
    return flag_was_third(args, kwargs)


def without_options(args: Arguments, kwargs: Keywords) -> Arguments:
    """``writegroup(cik, entries, options, defer)`` of 0.7.4: options meant nothing."""
    kwargs.pop("options", None)
    if len(args) == 4 or (len(args) == 3 and not isinstance(args[2], (bool, int))):
        return args[:2] + args[3:]
    return args


def without_port(args: Arguments, kwargs: Keywords) -> Arguments:
    """``Provision(host, manage_by_cik, verbose)`` of 0.7, which had no port."""
    if len(args) > 1 and isinstance(args[1], bool):
        kwargs.update(zip(("manage_by_cik", "verbose"), args[1:]))
        return args[:1]
    return args
