"""Every write of a deposit's way fails once: nothing half-done is left, the deposit waits, says why, and ends well."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.crash.promises import deposit, promises_hold, settle
from tests.simulator.archive import ACCOUNT, SimulatedArchive, make_archive
from tests.simulator.faulty_disk import failing
from zdda.catalog.deposits import find_by_idempotency_key
from zdda.catalog.tables import evidence_batches
from zdda.model.deposit import DepositState
from zdda.model.errors import Unavailable

OF_A_FAILING_DISK = {"spool-failed", "store-failed", "unavailable"}
MANY = {"write": 12, "pwrite": 6, "fsync": 15, "fdatasync": 6, "link": 3}
"""How many calls there are at least on a deposit's way: else nothing was tested."""


class FailingFile:
    """An unbuffered file whose writes are counted; one of them fails."""

    def __init__(self, file: Any, fails: Callable[[], bool], when: str, code: int) -> None:
        self._file, self._fails, self._when, self._code = file, fails, when, code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: memoryview) -> int:
        if not self._fails():
            return int(self._file.write(data))
        if self._when == "middle":
            self._file.write(bytes(data)[: len(data) // 2])
        elif self._when == "after":
            self._file.write(data)
        raise OSError(self._code, os.strerror(self._code))


@contextmanager
def failing_write(monkeypatch: pytest.MonkeyPatch, at: int, when: str, code: int) -> Iterator[Callable[[], int]]:
    """As ``failing``, for what is written through file objects: everything of spool and store."""
    count, original = [0], os.fdopen

    def fails() -> bool:
        count[0] += 1
        return count[0] == at

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", lambda *given, **named: FailingFile(original(*given, **named), fails, when, code))
        yield lambda: count[0]


def attempt(archive: SimulatedArchive, key: str) -> bool:
    """One deposit while the disk fails; whether it was acknowledged. Every failure must be told as what it is."""
    told: Unavailable | None = None
    try:
        deposit(archive, key)
        archive.settle()
    except Unavailable as error:
        told = error
    if told is not None:
        assert told.code in OF_A_FAILING_DISK
        assert archive.archive.vault.spool.names() == []
        with archive.archive.database.read() as tx:
            assert find_by_idempotency_key(tx, ACCOUNT, key) is None
        return False
    with archive.archive.database.read() as tx:
        found = find_by_idempotency_key(tx, ACCOUNT, key)
        assert found is not None
        batches = tx.execute(select(evidence_batches.c.deferred_reason)).scalars().all()
    waiting = {found.deferred_reason, *batches} - {None}
    assert waiting <= OF_A_FAILING_DISK
    assert found.state == DepositState.ARCHIVED or waiting
    return True


@pytest.mark.parametrize(
    ("call", "when"),
    [
        ("write", "middle"),
        ("write", "after"),
        ("pwrite", "middle"),
        ("pwrite", "after"),
        ("fsync", "before"),
        ("fdatasync", "before"),
        ("link", "before"),
        ("link", "after"),
    ],
)
def test_a_write_that_fails_makes_the_deposit_wait(
    call: str, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path)
    keys: list[str] = []
    reached = True
    while reached:
        at = len(keys) + 1
        keys.append(f"fails-at-{at}")
        if call == "write":
            disk = failing_write(monkeypatch, at, when, errno.EIO)
        else:
            disk = failing(monkeypatch, call, at, when, errno.EIO)
        with disk as calls:
            acknowledged = attempt(archive, keys[-1])
        reached = calls() >= at
        archive.close()
        archive = make_archive(tmp_path)  # after an error of its medium a store is opened anew
        if not acknowledged:
            deposit(archive, keys[-1])
        settle(archive)
    assert len(keys) > MANY[call]
    # a copy that was torn when its slot was written first has no other that tells what it was
    promises_hold(archive, keys, {"slot-damaged"} if (call, when) == ("pwrite", "middle") else ())
