"""Procedures on resources: create, update, drop, move, tag, usage."""

from __future__ import annotations

import math
from typing import Any

from ...store import Node
from .. import access, descriptions, lifecycle
from ..access import Call
from ..errors import Forbidden, Invalid
from ..limits import ENTITIES
from ..results import DONE, Result, long
from ..turns import Steps
from .table import a_text, a_word, an_object, procedure, seconds

VISIBILITIES = ("public", "private")
_LONGEST_COMMENT = 4096  # characters
_MOST_COMMENTS = 1000
CONSUMABLES = ("share", "email", "http", "sms", "xmpp")


@procedure
def create(call: Call, first: Any, second: Any, third: Any = None) -> Result:
    """Make a resource; the form with a leading client makes it there."""
    if third is not None:
        return _create(call.acting_as(first), second, third)
    return _create(call, first, second)


def _create(call: Call, kind: Any, given: Any) -> Result:
    call.require(call.client)
    description = an_object(given, "description")
    kind = a_text(kind, "type")
    if kind == "clone":
        return long(_clone(call, description))
    _check_named(call, descriptions.references(description))
    if kind not in descriptions.KINDS:
        raise Invalid(f"type must be one of {', '.join(descriptions.KINDS)} or clone")
    return Result(lifecycle.create(call.unit, call.client, kind, description).rid)


def _clone(call: Call, given: dict[str, Any]) -> Steps[str]:
    source = clone_source(call, given)
    copy = yield from lifecycle.clone(
        call.unit,
        call.client,
        source,
        aliases=not given.get("noaliases"),
        historical=not given.get("nohistorical"),
        comments=not given.get("nocomments"),
    )
    return copy.rid


def clone_source(call: Call, given: dict[str, Any]) -> Node:
    """The client that a clone's description names, by RID or by share code."""
    if ("rid" in given) == ("code" in given):
        raise Invalid("a clone needs either rid or code")
    if "rid" in given:
        node = call.own(given["rid"])
    else:
        share = call.unit.rights.share(a_text(given["code"], "code"))
        if share is None or share.activator is not None:
            raise Invalid("no such share code, or it was activated")
        found = call.unit.resources.by_id(share.resource)
        if found is None or not access.in_tree(call.unit, found):
            raise Invalid("the shared resource is gone")
        node = found
    if node.type != "client" or node.owner is None:
        raise Invalid("only a client can be cloned")
    call.require_reading(node)
    return node


def _check_named(call: Call, rids: set[str]) -> None:
    """See whether the caller's token, if it has one, may read all that a description names."""
    if call.permissions is not None:
        for rid in rids:
            call.require_reading(call.unit.resources.by_rid(rid))


_WHERE_TO = ("method", "recipient", "subject", "message")  # of a dispatch


@procedure
def update(call: Call, resource: Any, description: Any) -> Result:
    """Change the keys given of a description."""
    node, given = call.below(resource), an_object(description, "description")
    named = descriptions.references(given)
    if node.type == "dispatch" and any(key in given for key in _WHERE_TO):
        named |= descriptions.references(node.description)
    _check_named(call, named)
    if given.get("public") is True and not node.description["public"]:
        call.require_reading(node)
    lifecycle.update(call.unit, node, given)
    return DONE


@procedure
def drop(call: Call, resource: Any) -> Result:
    """Remove a resource and all below it."""
    lifecycle.drop(call.unit, call.below(resource))
    return DONE


@procedure
def move(call: Call, resource: Any, destination: Any, options: Any = None) -> Result:
    """Put a resource below another client."""
    node, target = call.below(resource), call.own(destination)
    if target.type != "client":
        raise Invalid("the destination must be a client")
    if node.owner != target.id:
        _check_move(call, node, target)
    with_aliases = bool(an_object(options, "options").get("aliases"))
    steps = lifecycle.move(call.unit, node, target, with_aliases)
    return DONE if steps is None else long(steps)


def _check_move(call: Call, node: Node, target: Node) -> None:
    """See that a token moves only what it may read, and not to where it may do more with it."""
    call.require_reading(node)
    call.require_reading(target)
    if call.permissions is not None and not call.permitted(target) <= call.permitted(node):
        raise Forbidden("the token would permit more there than here")


@procedure
def tag(call: Call, resource: Any, action: Any, word: Any) -> Result:
    """Add or remove a tag."""
    node = call.own(resource)
    word = a_text(word, "tag")
    if not word:
        raise Invalid("a tag must be text with at least one character")
    if a_word(action, ("add", "remove")) == "add":
        _check_tag(call, node, word)
        call.unit.resources.add_tag(node.id, word)
    else:
        call.unit.resources.remove_tag(node.id, word)
    return DONE


def _check_tag(call: Call, node: Node, word: str) -> None:
    settings, resources = call.unit.settings, call.unit.resources
    if len(word) > settings.max_tag:
        raise Invalid(f"a tag has at most {settings.max_tag} characters")
    is_full = resources.tag_count(node.id) >= settings.max_tags
    if is_full and word not in resources.tags(node.id):
        raise Invalid(f"a resource has at most {settings.max_tags} tags")


@procedure
def comment(call: Call, resource: Any, visibility: Any, text: Any) -> Result:
    """Add a comment to a resource."""
    node = call.own(resource)
    text = a_text(text, "a comment")
    if visibility not in VISIBILITIES:
        raise Invalid(f"visibility must be {' or '.join(VISIBILITIES)}")
    if len(text) > _LONGEST_COMMENT:
        raise Invalid(f"a comment must have at most {_LONGEST_COMMENT} characters")
    if len(call.unit.resources.comments(node.id)) >= _MOST_COMMENTS:
        raise Invalid(f"a resource has at most {_MOST_COMMENTS} comments")
    call.unit.resources.add_comment(node.id, visibility, text)
    return DONE


@procedure
def usage(call: Call, resource: Any, metric: Any, start: Any, end: Any = None) -> Result:
    """What a client and those below it used in a window; without an end up to now."""
    node = call.own(resource)
    if node.type != "client":
        raise Invalid("only a client uses resources")
    now = call.unit.now()
    low, high = math.ceil(seconds(start, "start", 0)), math.floor(seconds(end, "end", now))
    high = min(high, now)
    if metric in ENTITIES:
        return Result(call.unit.usage.seconds_owned(node.id, metric, low, high))
    if metric in CONSUMABLES:
        return Result(call.unit.usage.consumed(node.id, metric, low, high))
    raise Invalid(f"metric must be one of {', '.join((*ENTITIES, *CONSUMABLES))}")
