#!/bin/sh
# Runs the whole test suite in an environment of its own. Arguments go to pytest.
# PYTHON names the interpreter, VENV the folder of the environment.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv-test}
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r test/requirements.txt
exec "$venv/bin/python" -m pytest "$@"
