#!/bin/sh
# Runs the whole test suite in an environment of its own, on the package as it is published:
# a wheel is built and installed, and nothing is imported from the checkout.
# Arguments go to pytest; without any, what the tests cover is measured and shown. PYTHON names the interpreter, VENV the folder of the environment.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv-test}
"${PYTHON:-python3}" -m venv "$venv"
pip="$venv/bin/python -m pip --quiet --disable-pip-version-check"
rm -rf build # what was removed would come back from there
$pip install '.[cli,server]' -r test/requirements.txt
venv=$(cd "$venv" && pwd)
export COVERAGE_RCFILE="$PWD/pyproject.toml" COVERAGE_FILE="$PWD/.coverage"
cd test
if [ $# -gt 0 ]; then
    exec "$venv/bin/python" -m pytest -n auto --dist worksteal "$@"
fi
rm -f ../.coverage ../.coverage.*
status=0
"$venv/bin/coverage" run -m pytest -n auto --dist worksteal || status=$?
cd ..
"$venv/bin/coverage" combine --quiet
"$venv/bin/coverage" report --skip-covered
exit $status
