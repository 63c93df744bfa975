"""A second cluster that knows nothing of the first: another place, other hands, other credentials."""

from __future__ import annotations

import sys

from tests.services.ceph import STARTING, run
from tests.services.shared_service import guard, shared


def second_ceph() -> dict[str, str]:
    """See ``tests.services.ceph.ceph``."""
    return shared("tests.services.ceph_second", STARTING)


if __name__ == "__main__":
    guard(run, sys.argv[1:])
