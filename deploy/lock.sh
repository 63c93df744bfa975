#!/usr/bin/env bash
# lock.sh FOLDER: resolves pyproject.toml anew into requirements.lock (runtime) and requirements-dev.lock (and tests).
# Hashes only: no address of a package index is written.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
"$venv/bin/python" -m pip install --quiet uv
export_lock() { "$venv/bin/uv" export --quiet --no-emit-project --no-header --no-annotate "$@"; }
"$venv/bin/uv" lock --quiet --upgrade
export_lock --no-dev -o requirements.lock
export_lock -o requirements-dev.lock
export_lock --only-group fuzz -o requirements-fuzz.lock
