"""Which module imports which: no circles, and the client never needs the server."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "pyonep"
# The one module of the client that is about the server; pytest imports it.
PLUGIN = "pyonep.pytest_plugin"


def modules():
    """The name of each module of the package, and its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imported_by(name):
    """The modules of ours that a module names in an import, wherever in the file it stands.

    That may be in a function or under ``if TYPE_CHECKING``: both are needed to read it.
    """
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
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
