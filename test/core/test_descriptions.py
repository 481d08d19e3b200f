"""Descriptions: defaults, what fits, and what is laid over what."""

from __future__ import annotations

import pytest

from pyonep.server.core.descriptions import COMPARISONS, KINDS, RULES, complete, merge, references
from pyonep.server.core.errors import Refused

RID = "a" * 40
PORT = {"format": "float"}
RULE = {"format": "float", "rule": {"simple": {"comparison": "gt", "constant": 1}}}
MAIL = {"method": "email", "recipient": "a@b.example"}
LEAST = {"client": {}, "dataport": PORT, "datarule": RULE, "dispatch": MAIL}


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_that_each_kind_needs(kind):
    full = complete(kind, LEAST[kind])
    assert full["meta"] == full["name"] == ""
    assert full["public"] is False
    assert full.items() >= LEAST[kind].items()
    assert complete(kind, full) == full


@pytest.mark.parametrize(
    ("kind", "key"),
    [(kind, key) for kind, least in LEAST.items() for key in least],
)
def test_what_each_kind_cannot_do_without(kind, key):
    given = {name: value for name, value in LEAST[kind].items() if name != key}
    with pytest.raises(Refused, match=f"a {kind} needs {key}"):
        complete(kind, given)


WRONG = [
    ("dataport", "format", "double", "must be one of float, integer, string"),
    ("dataport", "format", 1, "must be one of"),
    ("dataport", "name", 1, "must be text"),
    ("dataport", "meta", "\ud800", "surrogate"),
    ("dataport", "public", "true", "true or false"),
    ("dataport", "retention", [], "count and duration"),
    ("dataport", "retention", {"count": -1}, "not negative"),
    ("dataport", "retention", {"duration": True}, "not negative"),
    ("dataport", "subscribe", "x", "a RID or null"),
    ("dataport", "preprocess", {}, "a list"),
    ("dataport", "preprocess", [["add"]], "each step"),
    ("dataport", "preprocess", [["pow", 1]], "must be one of"),
    ("dataport", "preprocess", [["add", None]], "operand"),
    ("client", "limits", [], "must be an object"),
    ("client", "limits", {"dataport": "many"}, "not negative"),
    ("client", "locked", 1, "true or false"),
    ("datarule", "rule", {}, "one rule"),
    ("datarule", "rule", {"simple": {}, "count": {}}, "one rule"),
    ("datarule", "rule", {"never": {}}, "must be one of"),
    ("datarule", "rule", {"simple": []}, "must be an object"),
    ("datarule", "rule", {"script": "x"}, "the format of a script must be string"),
    ("dispatch", "method", "pigeon", "must be one of"),
    ("dispatch", "recipient", "nobody", "a mail address"),
]


@pytest.mark.parametrize(("kind", "key", "value", "reason"), WRONG)
def test_what_does_not_fit(kind, key, value, reason):
    with pytest.raises(Refused, match=reason):
        complete(kind, {**LEAST[kind], key: value})
    with pytest.raises(Refused):
        merge(kind, complete(kind, LEAST[kind]), {key: value})


@pytest.mark.parametrize("kind", RULES)
def test_each_rule_needs_its_parameters(kind):
    given = {"comparison": "gt", "constant": 1, "timeout": 5, "count": 2, "repeat": True}
    whole = {name: given[name] for name in RULES[kind]}
    complete("datarule", {**RULE, "rule": {kind: whole}})
    for name in RULES[kind]:
        less = {other: value for other, value in whole.items() if other != name}
        if name == "repeat":
            complete("datarule", {**RULE, "rule": {kind: less}})
            continue
        with pytest.raises(Refused, match=f"rule.{kind} needs {name}"):
            complete("datarule", {**RULE, "rule": {kind: less}})


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_each_comparison_is_taken(comparison):
    rule = {"simple": {"comparison": comparison, "constant": "x"}}
    assert complete("datarule", {**RULE, "rule": rule})["rule"] == rule


@pytest.mark.parametrize(
    ("method", "good", "bad"),
    [
        ("email", "a@b.example", "a b@c"),
        ("xmpp", "a@b.example", "@"),
        ("sms", "+491234567", "0123"),
        ("http_get", "https://a.example/x", "ftp://a.example"),
        ("http_post", "http://a.example", "http://"),
        ("http_put", "HTTP://a.example", "a.example"),
    ],
)
def test_a_recipient_fits_its_method(method, good, bad):
    assert complete("dispatch", {"method": method, "recipient": good})["recipient"] == good
    with pytest.raises(Refused, match=f"the recipient of {method}"):
        complete("dispatch", {"method": method, "recipient": bad})


def test_only_what_is_given_is_changed():
    before = complete("dataport", {**PORT, "name": "a", "retention": {"count": 5}})
    after = merge("dataport", before, {"retention": {"duration": 2}, "unknown": 1})
    assert after == {**before, "retention": {"count": 5, "duration": 2}}


def test_a_format_stays():
    before = complete("dataport", PORT)
    assert merge("dataport", before, PORT) == before
    with pytest.raises(Refused, match="format of a dataport cannot be changed"):
        merge("dataport", before, {"format": "string"})


def test_limits_that_are_not_given_are_zero_and_then_stay():
    before = complete("client", {"limits": {"dataport": 3, "unknown": 1}})
    assert before["limits"]["dataport"] == 3
    assert before["limits"]["client"] == 0
    assert "unknown" not in before["limits"]
    after = merge("client", before, {"limits": {"client": "inherit"}})
    assert after["limits"]["dataport"] == 3
    assert after["limits"]["client"] == "inherit"


def test_what_a_description_follows():
    given = {"subscribe": RID, "preprocess": [["add", "b" * 40], ["add", 1], ["add", "x"]]}
    assert references(given) == {RID, "b" * 40}
    assert references({"subscribe": 1, "preprocess": "x"}) == set()


def test_an_empty_subscription_is_none():
    assert complete("dataport", {**PORT, "subscribe": ""})["subscribe"] is None


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
@pytest.mark.parametrize("key", ["name", "meta"])
def test_text_that_no_database_keeps(key, text):
    with pytest.raises(Refused, match=f"{key} holds NUL"):
        complete("client", {key: text})
