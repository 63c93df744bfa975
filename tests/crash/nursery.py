"""Where servers are born: a process that has imported everything and forks one whenever it reads a line.

    python -m tests.crash.nursery FOLDER

Each server is ``zdda serve`` in a process and session of its own; its id is written when it is born, an empty line
when it has ended. Being born so costs a tenth of a start from nothing, which a campaign of kills pays each time.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, cast

import uvicorn  # noqa: F401 - imported once, before any server is

import zdda.api.server
import zdda.app  # noqa: F401
from zdda.cli.serve import serve

_PR_SET_PDEATHSIG = 1


class Nursery:
    """The campaign's side: one server at a time."""

    def __init__(self, folder: Path, log: Path) -> None:
        surroundings = os.environ | {"ZDDA_WORKERS__PROCESSES": "1"}  # killed within seconds: more would but start
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=surroundings,
            )

    def start(self) -> int:
        """The new server's process, which leads a group of its own."""
        stdin = cast(BinaryIO, self._process.stdin)
        stdin.write(b"\n")
        stdin.flush()
        return int(self._read())

    def ended(self) -> None:
        """Returns when the server has."""
        self._read()

    def close(self) -> None:
        self._process.communicate()

    def _read(self) -> bytes:
        return cast(BinaryIO, self._process.stdout).readline()


def main() -> None:
    """Serves the campaign until standard input ends."""
    folder = Path(sys.argv[1])
    _die_with_parent()
    while sys.stdin.buffer.readline():
        child = os.fork()
        if not child:
            os.setsid()
            _die_with_parent()
            os.close(0)
            os.dup2(2, 1)
            serve(folder)
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print(flush=True)


def _die_with_parent() -> None:
    """A campaign that is itself killed leaves nobody behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
