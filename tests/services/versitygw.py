"""versitygw: an S3 gateway with versioning and object lock in front of a folder; loopback only."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.services.shared_service import Daemons, ServiceAbsent, free_port, guard, listens, shared, wait_for

TOOLS = Path(__file__).resolve().parents[2] / ".run" / "tools"
_STARTING = 30.0
_KEYS = {"ROOT_ACCESS_KEY": "archive", "ROOT_SECRET_KEY": "archive-secret"}


def versitygw() -> dict[str, str]:
    """``endpoint``, ``access_key``, ``secret_key``, ``version``; raises ``ServiceAbsent``."""
    return shared("tests.services.versitygw", _STARTING)


def run(daemons: Daemons) -> dict[str, str]:
    program = next(iter(sorted(TOOLS.glob("versitygw-*"))), None)
    if program is None:
        raise ServiceAbsent("versitygw is not built: deploy/versitygw.sh builds it")
    port, data, versions = free_port(), daemons.folder / "data", daemons.folder / "versions"
    data.mkdir()
    versions.mkdir()
    listen = ("--port", f"127.0.0.1:{port}", "--region", "us-east-1", "--quiet")
    daemons.start(program, *listen, "posix", "--versioning-dir", versions, data, environment=_KEYS)
    wait_for(lambda: listens(port), daemons, _STARTING, "versitygw")
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key": _KEYS["ROOT_ACCESS_KEY"],
        "secret_key": _KEYS["ROOT_SECRET_KEY"],
        "version": program.name.replace("-", " "),
    }


if __name__ == "__main__":
    guard(run, sys.argv[1:])
