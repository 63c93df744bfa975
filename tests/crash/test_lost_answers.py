"""The database commits and its answer is lost, or it says so and does not commit: the archive believes neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from tests.crash.promises import deposit, promises_hold, settle
from tests.simulator.archive import SimulatedArchive, make_archive
from zdda.database import session
from zdda.database.engine import DatabaseUnavailable, write


@contextmanager
def losing_answers(monkeypatch: pytest.MonkeyPatch, at: int, committed: bool) -> Iterator[Callable[[], int]]:
    """The ``at``-th write transaction (from 1) ends in an error though it is done, or without being done."""
    count = [0]

    @contextmanager
    def replaced(engine: Engine) -> Iterator[Connection]:
        count[0] += 1
        lost = count[0] == at
        with write(engine) as connection:
            yield connection
            if lost and not committed:
                raise DatabaseUnavailable("the database does not answer")
        if lost:
            raise DatabaseUnavailable("the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(session, "write", replaced)
        yield lambda: count[0]


def attempt(archive: SimulatedArchive, key: str) -> None:
    """What Producer and runner do: both try again."""
    for _ in range(2):
        with suppress(DatabaseUnavailable):
            deposit(archive, key)
        with suppress(DatabaseUnavailable):
            settle(archive)


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_whatever_the_answer_was_nothing_is_lost(
    committed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path)
    keys: list[str] = []
    reached = True
    while reached:
        at = len(keys) + 1
        keys.append(f"lost-at-{at}")
        with losing_answers(monkeypatch, at, committed) as transactions:
            attempt(archive, keys[-1])
        reached = transactions() >= at
        archive.close()
        archive = make_archive(tmp_path)
        settle(archive)
    assert len(keys) > 12
    promises_hold(archive, keys)
