"""Descriptions of resources: which keys there are, their defaults, what fits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from .errors import Invalid

Check = Callable[[str, Any], None]

KINDS = ("client", "dataport", "datarule", "dispatch")
FORMATS = ("float", "integer", "string")
LIMITS = (
    *("client", "dataport", "datarule", "disk", "dispatch"),
    *("email", "email_bucket", "http", "http_bucket", "io", "share"),
    *("sms", "sms_bucket", "xmpp", "xmpp_bucket"),
)
ARITHMETIC = ("add", "sub", "mul", "div", "mod")
COMPARISONS = ("gt", "geq", "lt", "leq", "eq", "neq")
METHODS = ("email", "http_get", "http_post", "http_put", "sms", "xmpp")
# Parameters of each rule.
RULES: dict[str, tuple[str, ...]] = {
    "simple": ("comparison", "constant", "repeat"),
    "timeout": ("timeout", "repeat"),
    "interval": ("comparison", "constant", "timeout", "repeat"),
    "duration": ("comparison", "constant", "timeout", "repeat"),
    "count": ("comparison", "constant", "count", "timeout", "repeat"),
}
_RID = re.compile(r"[0-9a-f]{40}\Z")


def is_key(text: object) -> bool:
    """Whether something has the form of a RID, CIK, token or share code."""
    return isinstance(text, str) and _RID.match(text) is not None


def is_number(value: object) -> bool:
    """Whether something is a JSON number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# --- checks of one value ---------------------------------------------------


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise Invalid(f"{name} must be text")
    if not is_storable(value):
        raise Invalid(f"{name} {UNSTORABLE}")


UNSTORABLE = "holds NUL, or half of a surrogate pair, which is no character"


def is_storable(text: str) -> bool:
    """Whether a text can be kept: it can be written as UTF-8 and holds no NUL.

    Databases that are servers refuse NUL, so that no engine may take it.
    """
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise Invalid(f"{name} must be true or false")


def _amount(name: str, value: Any) -> None:
    if not is_number(value) or not 0 <= value <= 2**62:
        raise Invalid(f"{name} must be a number that is not negative")


def _one_of(*words: str) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in words:
            raise Invalid(f"{name} must be one of {', '.join(words)}")

    return check


def _limits(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise Invalid(f"{name} must be an object")
    for kind, limit in value.items():
        if kind in LIMITS and limit != "inherit":
            _amount(f'{name}.{kind} (or "inherit")', limit)


def _retention(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise Invalid(f"{name} must be an object with count and duration")
    for key in ("count", "duration"):
        if value.get(key, "infinity") != "infinity":
            _amount(f'{name}.{key} (or "infinity")', value[key])


def _subscribe(name: str, value: Any) -> None:
    if value is not None and value != "" and not is_key(value):
        raise Invalid(f"{name} must be a RID or null")


def _preprocess(name: str, value: Any) -> None:
    if not isinstance(value, list):
        raise Invalid(f"{name} must be a list of [operation, constant or RID]")
    for step in value:
        if not isinstance(step, list) or len(step) != 2:
            raise Invalid(f"each step of {name} must be [operation, constant or RID]")
        _one_of(*ARITHMETIC, *COMPARISONS, "value")(f"operation of {name}", step[0])
        if not is_number(step[1]) and not isinstance(step[1], str):
            raise Invalid(f"operand of {name} must be a number, text or a RID")


def _constant(name: str, value: Any) -> None:
    if not is_number(value) and not isinstance(value, str):
        raise Invalid(f"{name} must be a number or text")


_RULE_PARAMETERS: dict[str, Check] = {
    "comparison": _one_of(*COMPARISONS),
    "constant": _constant,
    "timeout": _amount,
    "count": _amount,
    "repeat": _flag,
}


def _rule(name: str, value: Any) -> None:
    if not isinstance(value, dict) or len(value) != 1:
        raise Invalid(f"{name} must be an object with one rule")
    ((kind, given),) = value.items()
    if kind == "script":
        _text("rule.script", given)
        return
    if kind not in RULES:
        raise Invalid(f"{name} must be one of {', '.join(RULES)} or script")
    if not isinstance(given, dict):
        raise Invalid(f"{name}.{kind} must be an object")
    for parameter in RULES[kind]:
        if parameter == "repeat" and parameter not in given:
            continue
        if parameter not in given:
            raise Invalid(f"{name}.{kind} needs {parameter}")
        _RULE_PARAMETERS[parameter](f"{name}.{kind}.{parameter}", given[parameter])


# --- descriptions ----------------------------------------------------------

_FOREVER = {"count": "infinity", "duration": "infinity"}
_COMMON: dict[str, tuple[Any, Check]] = {
    "meta": ("", _text),
    "name": ("", _text),
    "public": (False, _flag),
}
_SERIES = {
    **_COMMON,
    "preprocess": ([], _preprocess),
    "retention": (_FOREVER, _retention),
    "subscribe": (None, _subscribe),
}
_MAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\Z")
_PHONE_NUMBER = re.compile(r"\+?[1-9][0-9]{4,14}\Z")
_URL = re.compile(r"https?://[^\s/?#]+[^\s]*\Z", re.IGNORECASE)
# Method of a dispatch -> what its recipient is.
_RECIPIENTS = {
    **dict.fromkeys(("email", "xmpp"), (_MAIL_ADDRESS, "a mail address")),
    "sms": (_PHONE_NUMBER, "a phone number of 5 to 15 digits with country code"),
    **dict.fromkeys(
        ("http_get", "http_post", "http_put"), (_URL, "a URL with http:// or https://")
    ),
}


def _check_recipient(method: str, recipient: str) -> None:
    pattern, meaning = _RECIPIENTS[method]
    if not pattern.match(recipient):
        raise Invalid(f"the recipient of {method} must be {meaning}")


_REQUIRED = object()
# Key -> (default, check).
_KEYS: dict[str, dict[str, tuple[Any, Check]]] = {
    "client": {**_COMMON, "limits": ({}, _limits), "locked": (False, _flag)},
    "dataport": {**_SERIES, "format": (_REQUIRED, _one_of(*FORMATS))},
    "datarule": {
        **_SERIES,
        "format": (_REQUIRED, _one_of(*FORMATS)),
        "rule": (_REQUIRED, _rule),
    },
    "dispatch": {
        **_SERIES,
        "locked": (False, _flag),
        "message": ("", _text),
        "method": (_REQUIRED, _one_of(*METHODS)),
        "recipient": (_REQUIRED, _text),
        "subject": ("", _text),
    },
}
# Accepted and given back, without meaning here.
_KEPT = {"client": ("visibility", "writeinterval"), "dataport": ("limits", "visibility")}
_FIXED = ("format",)


def complete(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check a description for a new resource and fill in the defaults.

    Raises:
        Invalid: With what is wrong.
    """
    full: dict[str, Any] = {}
    for name, (default, _) in _KEYS[kind].items():
        if default is not _REQUIRED:
            full[name] = default
        elif name not in given:
            raise Invalid(f"a {kind} needs {name}")
    return merge(kind, full, given, new=True)


def references(given: Mapping[str, Any]) -> set[str]:
    """RIDs of the resources whose values a description follows, well-formed or not."""
    steps = given.get("preprocess")
    named = [given.get("subscribe"), *(steps if isinstance(steps, list) else ())]
    found = (one[1] if isinstance(one, list) and len(one) == 2 else one for one in named)
    return {rid for rid in found if isinstance(rid, str) and is_key(rid)}


def merge(
    kind: str, base: Mapping[str, Any], given: Mapping[str, Any], new: bool = False
) -> dict[str, Any]:
    """Check the keys given and lay them over a description.

    Raises:
        Invalid: With what is wrong.
    """
    full = dict(base)
    for name, (_, check) in _KEYS[kind].items():
        if name in given:
            check(name, given[name])
            if name in _FIXED and not new and given[name] != base[name]:
                raise Invalid(f"{name} of a {kind} cannot be changed")
            full[name] = _normal(name, given[name], base)
    full.update({name: given[name] for name in _KEPT.get(kind, ()) if name in given})
    if kind == "client":
        full["limits"] = {name: full["limits"].get(name, 0) for name in LIMITS}
    if kind == "dispatch" and ("method" in given or "recipient" in given):
        _check_recipient(full["method"], full["recipient"])
    if kind == "datarule" and "script" in full["rule"] and full["format"] != "string":
        raise Invalid("the format of a script must be string")
    return full


def _normal(name: str, value: Any, base: Mapping[str, Any]) -> Any:
    if name == "limits":
        known = {kind: limit for kind, limit in value.items() if kind in LIMITS}
        return {**base.get("limits", {}), **known}
    if name == "retention":
        parts = {key: value[key] for key in ("count", "duration") if key in value}
        return {**_FOREVER, **base.get("retention", {}), **parts}
    if name == "subscribe":
        return value or None
    return value
