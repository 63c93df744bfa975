"""Deposits that share transactions: the process dies at each point of a group's way, and every promise holds to all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.children import DIED, dying_at, in_child
from tests.crash.promises import deposit, promises_hold
from tests.simulator.archive import make_archive
from tests.simulator.pki import pki
from zdda.ingest import archiving, batches, group_steps, steps
from zdda.storage.blob_store import CrashPoint

KEYS = ("the-one-key", "another-key", "a-third-key")
POINTS = (*group_steps.CRASH_POINTS, *steps.CRASH_POINTS, *batches.CRASH_POINTS, *archiving.CRASH_POINTS)
pki()  # made before any child is: they all know the same authority


def work(folder: Path, crash: CrashPoint) -> None:
    archive = make_archive(folder, crash=crash)
    for key in KEYS:
        deposit(archive, key)
    archive.settle()


@pytest.mark.parametrize("hit", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_there_breaks_no_promise_to_any_of_the_group(point: str, hit: int, tmp_path: Path) -> None:
    """The second and third time: where each deposit of the group passes by alone."""
    status = in_child(lambda: work(tmp_path, dying_at(point, hit)))
    if hit > 1 and status == 0:
        return
    assert status == DIED
    archive = make_archive(tmp_path)
    archive.settle()
    promises_hold(archive, KEYS)
