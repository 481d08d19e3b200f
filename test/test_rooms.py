"""Which module imports which: no circles, arrows that point downwards, a client without server."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pyonep"
SERVER = "pyonep.server"
# The one module of the client that is about the server; pytest imports it.
PLUGIN = "pyonep.pytest_plugin"


def modules():
    """The name of each module of the package, and its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def parsed(name):
    """The nodes of a module."""
    return ast.walk(ast.parse(MODULES[name].read_text("utf-8")))


def imported_by(name, nodes=None):
    """The modules of ours that a module names in an import, wherever in the file it stands.

    That may be in a function or under ``if TYPE_CHECKING``: both are needed to read it.
    """
    is_package = MODULES[name].name == "__init__.py"
    package = name.split(".") if is_package else name.split(".")[:-1]
    for node in nodes or parsed(name):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            names = [f"{source}.{alias.name}" for alias in node.names]
            yield from (one if one in MODULES else source for one in names)


def circle(graph):
    """The modules of a circle, ``[a, b, …, a]``; None where there is none."""
    done, under_way = set(), []

    def visit(name):
        if name in under_way:
            return [*under_way[under_way.index(name) :], name]
        if name not in done:
            under_way.append(name)
            for other in sorted(graph.get(name, ())):
                if found := visit(other):
                    return found
            done.add(under_way.pop())
        return None

    return next(filter(None, map(visit, sorted(graph))), None)


def client():
    """The modules of the client, each with those that it imports."""
    names = [name for name in MODULES if not name.startswith("pyonep.server")]
    return {name: {one for one in imported_by(name) if one in MODULES} for name in names}


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": {"d"}}) is None


def test_imports_are_found_wherever_they_stand():
    found = client()
    assert "pyonep.answers" in found["pyonep.exceptions"]  # for types alone
    assert "pyonep.server" in found[PLUGIN]  # in a function
    assert {"pyonep.onep", "pyonep.version"} <= found["pyonep"]


def test_the_client_has_no_circle_of_imports():
    assert circle(client()) is None


def test_the_client_does_not_import_the_server():
    found = {
        name: {one for one in imports if one.startswith("pyonep.server")}
        for name, imports in client().items()
        if name != PLUGIN
    }
    assert not any(found.values()), found


# --- the platform ---

# Room -> what it may import besides itself. CONTRIBUTING.md shows the same table.
ARROWS = {
    "start and stop": {"fronts", "platform", "core"},
    "fronts": {"platform", "core"},
    "platform": {"background", "core", "store"},
    "background": {"core", "store"},
    "core": {"store"},
    "store": set(),
}


def room(name):
    """The room of a module of the platform."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[2] in ARROWS else "start and stop"


def server():
    """The modules of the platform, each with those of them that it imports."""
    names = [name for name in MODULES if name.startswith(SERVER)]
    return {name: {one for one in imported_by(name) if one in names} - {name} for name in names}


def upwards(name, imports):
    """What a module imports and its room may not."""
    mine = room(name)
    return {one for one in imports if room(one) != mine and room(one) not in ARROWS[mine]}


def test_arrows_point_downwards():
    wrong = {name: upwards(name, imports) for name, imports in server().items()}
    assert {name: imports for name, imports in wrong.items() if imports} == {}


@pytest.mark.parametrize("wrong", ["from ..platform import Platform", "from ..fronts import rpc"])
def test_an_arrow_that_points_upwards_is_found(wrong):
    source = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {wrong}\n"
    assert upwards(
        f"{SERVER}.core.flow", imported_by(f"{SERVER}.core.flow", ast.walk(ast.parse(source)))
    )


def test_the_platform_has_no_circle_of_imports():
    assert circle(server()) is None


def test_the_store_alone_knows_sql():
    users = set()
    for name in server():
        for node in parsed(name):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                words = [getattr(node, "module", None) or "", *(one.name for one in node.names)]
                if {word.partition(".")[0] for word in words} & {"sqlalchemy", "sqlite3"}:
                    users.add(room(name))
    assert users == {"store"}


def test_the_rooms_of_the_store_know_no_engine():
    for name in server():
        if "store.sqlite" in name:
            continue
        for node in parsed(name):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                words = [getattr(node, "module", None) or "", *(one.name for one in node.names)]
                assert "sqlite3" not in words, name
                assert not any("sqlalchemy.dialects" in word for word in words), name
                is_of_engine = any(word == "sqlite" or "store.sqlite" in word for word in words)
                assert not is_of_engine or name.endswith("store"), name


def test_what_is_below_the_fronts_knows_no_server():
    for name in server():
        if room(name) in ("core", "store", "background"):
            text = MODULES[name].read_text("utf-8")
            assert "starlette" not in text and "uvicorn" not in text, name


def test_fronts_ask_core_and_not_the_store(core):
    rooms = set(vars(core.store))
    asked = [
        f"{name}: unit.{node.attr}"
        for name in server()
        if room(name) == "fronts"
        for node in parsed(name)
        if isinstance(node, ast.Attribute)
        and node.attr in rooms
        and getattr(node.value, "id", getattr(node.value, "attr", "")) == "unit"
    ]
    assert "resources" in rooms
    assert asked == []


def test_no_module_of_a_front_is_called_like_one_below():
    names = {}
    for name in server():
        if MODULES[name].name != "__init__.py":
            names.setdefault(room(name), set()).add(MODULES[name].stem)
    assert names["fronts"] & (names["core"] | names["store"]) == set()


def test_the_table_of_rooms_is_shown():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    for name, may in ARROWS.items():
        assert f"| {name} | {', '.join(sorted(may)) or 'nothing of the platform'} |" in text


def test_nothing_above_reaches_into_the_platform():
    """Its parts are its own: fronts, start and stop ask the platform."""
    parts = ("unit", "waits", "ringing", "removal", "events", "database", "store")
    inside = re.compile(rf"\bplatform\.({'|'.join(parts)})\b")
    found = {
        name: inside.findall(MODULES[name].read_text("utf-8"))
        for name in server()
        if room(name) in ("fronts", "start and stop")
    }
    assert {name: parts for name, parts in found.items() if parts} == {}
