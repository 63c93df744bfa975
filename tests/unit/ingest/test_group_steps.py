"""Deposits that share transactions: one that is overtaken, or whose rows are refused, is not the others' trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.crash.promises import deposit as send
from tests.crash.promises import promises_hold, settle
from tests.simulator.archive import SimulatedArchive, make_archive
from zdda.catalog.tables import deposits
from zdda.model.views import DepositStatus

KEYS = ("a", "b", "c")


@pytest.fixture
def disturb() -> list[Callable[[], None]]:
    """What happens once, right before the next commit of a group."""
    return []


@pytest.fixture
def archive(tmp_path: Path, disturb: list[Callable[[], None]]) -> SimulatedArchive:
    def crash(point: str) -> None:
        if point == "validated.before-commit" and disturb:
            disturb.pop()()

    return make_archive(tmp_path, crash=crash)


def state(archive: SimulatedArchive, status: DepositStatus) -> tuple[str, str | None]:
    with archive.archive.database.read() as tx:
        row = tx.execute(select(deposits).where(deposits.c.deposit_id == status.deposit_id)).one()
    return row.state, row.deferred_reason


def test_an_overtaken_deposit_is_left_to_who_overtook_it(
    archive: SimulatedArchive, disturb: list[Callable[[], None]]
) -> None:
    sent = [send(archive, key) for key in KEYS]

    def overtake() -> None:
        with archive.archive.database.write() as tx:
            tx.execute(update(deposits).where(deposits.c.deposit_id == sent[1].deposit_id).values(lease_epoch=99))

    disturb.append(overtake)
    archive.settle()
    assert [state(archive, each) for each in sent] == [("archived", None), ("received", None), ("archived", None)]
    with archive.archive.database.write() as tx:
        tx.execute(update(deposits).where(deposits.c.state == "received").values(lease_until=None))
    archive.settle()
    promises_hold(archive, KEYS)


def test_a_deposit_whose_rows_are_refused_waits_alone(archive: SimulatedArchive) -> None:
    """Here an object of that package is listed already, as no deposit's can be."""
    sent = [send(archive, key) for key in KEYS]
    source = archive.archive.runner._crews[0].source._sources[1]  # type: ignore[attr-defined]
    steps = source._steps
    store = steps._steps["sealed"]

    def doubled(lease, deposit, documents, key):  # type: ignore[no-untyped-def]
        prepared = store(lease, deposit, documents, key)
        if deposit.idempotency_key == "b":
            return replace(prepared, stored=prepared.stored * 2)
        return prepared

    steps._steps["sealed"] = doubled
    archive.settle()
    assert [state(archive, each) for each in sent] == [("archived", None), ("sealed", "internal"), ("archived", None)]
    steps._steps["sealed"] = store
    settle(archive)
    promises_hold(archive, KEYS)
