#!/usr/bin/env bash
# check.sh: format, lint, layers, types.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
"$bin/ruff" format --check --quiet .
"$bin/ruff" check --quiet .
"$bin/lint-imports" --no-cache
"$bin/mypy"
