#!/usr/bin/env bash
# test.sh: everything that shows that the archive holds. Installs the system packages that the tests use.
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/system-packages.sh postgresql openssl e2fsprogs mount unzip softhsm2 ceph-mon ceph-osd ceph-common radosgw uuid-runtime openssh-server sshfs
deploy/versitygw.sh
deploy/check.sh
bin=.venv/bin
"$bin/coverage" erase
"$bin/coverage" run -m pytest -q -n "$(nproc)" --dist worksteal "$@"
"$bin/coverage" combine --quiet
"$bin/coverage" report --skip-covered --show-missing --fail-under=90
