"""Work done in a child process that ends at a crash point as a killed process does: no cleanup, no farewell."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

DIED = 42
FAILED = 99


def in_child(work: Callable[[], None]) -> int:
    """Runs ``work`` in a forked child; its exit status: 0 done, ``DIED`` at a crash point, ``FAILED`` by an error."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must not go on as a second test runner
            traceback.print_exc()
            os._exit(FAILED)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def dying_at(point: str, hit: int) -> Callable[[str], None]:
    """A crash point that ends the process at the ``hit``-th time ``point`` is reached."""
    seen = [0]

    def crash(here: str) -> None:
        if here == point:
            seen[0] += 1
            if seen[0] == hit:
                os._exit(DIED)

    return crash
