"""Which part of the package may import which: arrows point downwards, and there are no circles."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

SERVER = Path(find_spec("pyonep").origin).parent / "server"

# Room -> what it may import besides itself. CONTRIBUTING.md shows the same table.
ARROWS = {
    "start and stop": {"fronts", "platform", "core"},
    "fronts": {"platform", "core"},
    "platform": {"background", "core", "store"},
    "background": {"core", "store"},
    "core": {"store"},
    "store": set(),
}
CLIENT = "client"  # what all of them may use: how errors are worded, how secrets are hidden


def modules():
    """All modules of the platform: dotted name below ``pyonep.server`` -> path."""
    for path in sorted(SERVER.rglob("*.py")):
        parts = path.relative_to(SERVER).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__").removesuffix("__init__"), path


def room(name):
    first = name.partition(".")[0]
    return first if first in ARROWS else "start and stop"


def imported(name, path):
    """What a module imports, also for type checkers: dotted names below ``pyonep.server``."""
    package = ["pyonep", "server", *name.split(".")] if name else ["pyonep", "server"]
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1] + (node.module or "").split(".")
        for alias in node.names:
            target = [part for part in base if part]
            if (SERVER.parent.parent / Path(*target, alias.name)).with_suffix(".py").exists() or (
                SERVER.parent.parent / Path(*target, alias.name)
            ).is_dir():
                target = [*target, alias.name]
            yield ".".join(target)


def arrows():
    """All imports between modules of the platform: ``(who, what)``."""
    for name, path in modules():
        for target in imported(name, path):
            head, _, rest = target.partition("pyonep.server")
            if not head and target.startswith("pyonep.server") and rest != "":
                yield name, rest[1:]


def test_arrows_point_downwards():
    wrong = [
        f"{who} -> {what}"
        for who, what in arrows()
        if room(who) != room(what) and room(what) not in ARROWS[room(who)]
    ]
    assert wrong == []


def test_there_are_no_circles():
    below = {}
    for who, what in arrows():
        if who != what and not what.startswith(f"{who}.") and not who.startswith(f"{what}."):
            below.setdefault(who, set()).add(what)
    done, path = set(), []

    def look(name):
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            path.append(name)
            for one in sorted(below.get(name, ())):
                look(one)
            done.add(path.pop())

    for name in sorted(below):
        look(name)


def test_who_knows_sql():
    users = {
        room(name)
        for name, path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for word in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        if word.partition(".")[0] in ("sqlalchemy", "sqlite3")
    }
    assert users == {"store"}


def test_core_knows_neither_http_nor_the_server():
    for name, path in modules():
        if room(name) in ("core", "store", "background"):
            assert "starlette" not in path.read_text("utf-8"), name
            assert "uvicorn" not in path.read_text("utf-8"), name


def test_fronts_ask_core_and_not_the_store(core):
    rooms = set(vars(core.store))
    asked = [
        f"{name}: unit.{node.attr}"
        for name, path in modules()
        if room(name) == "fronts"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in rooms
        and getattr(node.value, "id", getattr(node.value, "attr", "")) == "unit"
    ]
    assert "resources" in rooms
    assert asked == []


def test_no_module_of_a_front_is_called_like_one_below():
    names = {}
    for name, path in modules():
        if path.name != "__init__.py":
            names.setdefault(room(name), set()).add(path.stem)
    assert names["fronts"] & (names["core"] | names["store"]) == set()


def test_the_table_is_shown():
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    for name, may in ARROWS.items():
        shown = ", ".join(sorted(may)) or "nothing of the platform"
        assert f"| {name} | {shown} |" in text


@pytest.mark.parametrize("wrong", ["from ..platform import Platform", "from ..fronts import rpc"])
def test_an_arrow_that_points_upwards_is_found(tmp_path, wrong):
    file = tmp_path / "flow.py"
    file.write_text(f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {wrong}\n")
    (what,) = (one for one in imported("core.flow", file) if "server" in one)
    assert room(what.removeprefix("pyonep.server.")) not in ARROWS["core"]
