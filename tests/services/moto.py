"""moto: an S3 of other people's tests, in memory, which takes locks and gives way: a store to be found out."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from tests.services.shared_service import Daemons, ServiceAbsent, free_port, guard, listens, shared, wait_for

_STARTING = 60.0


def moto() -> dict[str, str]:
    """``endpoint``, ``access_key``, ``secret_key``, ``version``; raises ``ServiceAbsent``."""
    return shared("tests.services.moto", _STARTING)


def run(daemons: Daemons) -> dict[str, str]:
    try:
        said = version("moto")
    except PackageNotFoundError as error:
        raise ServiceAbsent("moto is not installed") from error
    port = free_port()
    daemons.start(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    wait_for(lambda: listens(port), daemons, _STARTING, "moto")
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key": "archive",
        "secret_key": "archive-secret",
        "version": f"moto {said}",
    }


if __name__ == "__main__":
    guard(run, sys.argv[1:])
