"""Every named commit point: the process dies there, another one goes on, and every promise holds."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from pathlib import Path

import pytest
from sqlalchemy import func, select

import zdda
from tests.crash.children import DIED, dying_at, in_child
from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.pki import NOW, pki
from zdda.app import open_to_doubt
from zdda.audit.chain import verify_chain
from zdda.audit.log import entries, sequence
from zdda.catalog.tables import deposits, objects, packages
from zdda.fsck.store_check import StoreCheck
from zdda.model.clock import FixedClock
from zdda.model.deposit import DepositState
from zdda.settings import load
from zdda.storage.blob_store import CrashPoint

CONTENTS = [b"%PDF main document" * 1000, b"an attachment" * 500]
KEY = "the-one-key"
pki()  # made before any child is: they all know the same authority


def declared() -> list[str]:
    """Every ``CRASH_POINTS`` of the package."""
    points: list[str] = []
    for module in pkgutil.walk_packages(zdda.__path__, "zdda."):
        if not module.name.startswith(("zdda.database.migrations", "zdda.cli")):
            points += getattr(importlib.import_module(module.name), "CRASH_POINTS", ())
    return points


def work(folder: Path, crash: CrashPoint) -> None:
    """One deposit from the first byte to the receipt; an acknowledgement is noted as its Producer would."""
    archive = make_archive(folder, crash=crash)
    status = archive.deposit(CONTENTS, {"externalId": {"producer": "kis", "id": "1"}}, KEY)
    (folder / "acknowledged").write_text(str(status.deposit_id))
    archive.settle()


def goes_on(folder: Path) -> SimulatedArchive:
    """What the next process and the Producer do: open the folder, send again what was not acknowledged, wait."""
    archive = make_archive(folder)
    if not (folder / "acknowledged").exists():
        archive.deposit(CONTENTS, {"externalId": {"producer": "kis", "id": "1"}}, KEY)
    archive.settle()
    return archive


def promises_hold(archive: SimulatedArchive) -> None:
    """Archived exactly once, with its receipt; nothing in the spool; the audit whole; the stores without a fault."""
    database = archive.archive.database
    with database.read() as tx:
        rows = tx.execute(select(deposits)).all()
        assert [row.state for row in rows] == [DepositState.ARCHIVED]
        assert tx.execute(select(func.count()).select_from(packages)).scalar_one() == 1
        listed = set(tx.execute(select(objects.c.address)).scalars())
    acknowledged = archive.folder / "acknowledged"
    if acknowledged.exists():
        assert str(rows[0].deposit_id) == acknowledged.read_text()
    assert json.loads(rows[0].receipt)["state"] == "archived"
    again = archive.deposit(CONTENTS, {"externalId": {"producer": "kis", "id": "1"}}, KEY)
    assert again.deposit_id == rows[0].deposit_id
    assert not again.created
    assert archive.archive.vault.spool.names() == []
    assert {str(address) for address in archive.archive.vault.blobs.addresses()} == listed
    while sequence(database):
        pass
    with database.read() as tx:
        assert verify_chain(entries(tx))[0] > 5
    archive.close()
    settings = load(archive.folder / "zdda.toml")
    with open_to_doubt(settings, archive.folder, FixedClock(NOW)) as stores:
        check = StoreCheck(stores, pki().anchors, NOW)
        findings = [line for line in check.lines() if line["type"] == "finding"]
    assert not findings


@pytest.mark.parametrize("hit", [1, 2])
@pytest.mark.parametrize("point", declared())
def test_whoever_dies_there_leaves_nothing_broken(point: str, hit: int, tmp_path: Path) -> None:
    status = in_child(lambda: work(tmp_path, dying_at(point, hit)))
    if hit == 1:
        assert status == DIED, "the point is declared and never reached"
    elif status == 0:
        return  # reached once only
    else:
        assert status == DIED
    promises_hold(goes_on(tmp_path))


def test_dying_again_and_again_still_ends_well(tmp_path: Path) -> None:
    """Each process gets one point further than the one before it."""
    for point in declared():
        if in_child(lambda point=point: work_on(tmp_path, dying_at(point, 1))) == 0:  # type: ignore[misc]
            continue
    promises_hold(goes_on(tmp_path))


def work_on(folder: Path, crash: CrashPoint) -> None:
    if (folder / "acknowledged").exists():
        make_archive(folder, crash=crash).settle()
    else:
        work(folder, crash)


def test_points_have_one_name_each() -> None:
    assert len(set(declared())) == len(declared()) > 25
    assert os.name == "posix"
