#!/usr/bin/env bash
# setup.sh FOLDER: makes the virtual environment with the locked dependencies and the project itself.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    [ "$(id -u)" = 0 ] || { echo "Python 3.11 or later is needed: apt-get install python3 python3-venv" >&2; exit 1; }
    deploy/system-packages.sh python3 python3-venv
}
if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv" 2>/dev/null || {
        [ "$(id -u)" = 0 ] || { echo "the venv module is missing: apt-get install python3-venv" >&2; exit 1; }
        rm -rf "$venv"
        deploy/system-packages.sh python3-venv
        "$python" -m venv "$venv"
    }
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/python" -m pip install --quiet --require-hashes -r requirements-dev.lock
"$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
touch "$venv/.installed"
