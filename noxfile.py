"""Runs the tests on every Python and with the oldest dependencies, and builds the documentation."""

from itertools import chain

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


def _test(session, *constraints, options=None, env=None):
    session.install(".[cli,server]", "-r", "test/requirements.txt", *constraints)
    session.run("python", "-m", "pip", "list", "--disable-pip-version-check")
    session.chdir("test")  # where only the installed package can be imported
    options = session.posargs if options is None else options
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *options, env=env)


@nox.session(python=PYTHONS)
def tests(session):
    """The whole suite, drop-in folder included."""
    _test(session)


@nox.session(python=PYTHONS[0])
def oldest(session):
    """The suite on the oldest dependencies that the package admits."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    admitted = chain(project["dependencies"], *project["optional-dependencies"].values())
    constraints = session.create_tmp() + "/oldest.txt"
    with open(constraints, "w", encoding="utf-8") as file:
        file.writelines(line.replace(">=", "==") + "\n" for line in admitted)
    _test(session, "--constraint", constraints)


@nox.session
def soak(session):
    """What draws its cases goes on with new ones, for some minutes: ``nox -s soak -- 60``."""
    minutes, *more = session.posargs or ["10"]
    options = ["-m", "soak", "-o", "timeout=0", *more]
    _test(session, options=options, env={"PYONEP_TEST_SOAK": minutes})


@nox.session
def docs(session):
    """Build the documentation into docs/build; warnings are errors."""
    session.install(".[cli,server]", "-r", "docs/requirements.txt", "pytest")
    session.run("sphinx-build", "-W", "--keep-going", "-E", "docs", "docs/build", *session.posargs)
