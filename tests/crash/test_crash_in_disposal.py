"""Whoever dies while a package is being destroyed leaves work that the next process ends: nothing of it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from tests.crash.children import DIED, dying_at, in_child
from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.disposing import LATER, Alarms, desk_of, packages_of, stores_say
from tests.simulator.pki import pki
from zdda.catalog.disposals import unended_disposals
from zdda.catalog.tables import amendments, destroyed_packages
from zdda.model.errors import NotFound, PackageDestroyed
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.deletion_receipt import DISPOSAL
from zdda.retention.disposal import DISPOSAL_POINTS
from zdda.retention.eraser import ERASE_POINTS as STEPS
from zdda.storage.blob_store import CrashPoint
from zdda.storage.filesystem_eraser import ERASE_POINTS as OF_FILES

CONTENTS = [b"%PDF to be forgotten" * 1000]
POINTS = (*DISPOSAL_POINTS, *STEPS, *OF_FILES)
pki()  # made before any child is


def prepared(folder: Path) -> None:
    archive = make_archive(folder)
    for key in ("one", "two"):
        archive.deposit(CONTENTS, {}, key)
    archive.settle()
    archive.close()


def work(folder: Path, crash: CrashPoint) -> None:
    archive = make_archive(folder, crash=crash)
    desk_of(archive, crash=crash).dispose(packages_of(archive)[:1], "archivist")


@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_there_has_it_ended_by_the_next(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(tmp_path)
    stores_say(monkeypatch, LATER)
    assert in_child(lambda: work(tmp_path, dying_at(point, 1))) == DIED, "the point is declared and never reached"
    archive = make_archive(tmp_path)
    decided = point != "disposal.before-decision"
    if decided:
        before_end(archive)
    alarms = Alarms()
    desk = desk_of(archive, alarms=alarms)
    assert desk.go_on()
    if not decided:
        assert len(packages_of(archive)) == 2
        desk.dispose(packages_of(archive)[:1], "archivist")
    assert alarms.heard == []
    ended(archive)
    archive.close()


def before_end(archive: SimulatedArchive) -> None:
    """Nobody reads what is decided to go, however far it has come."""
    with archive.archive.database.read() as tx:
        (gone,) = tx.execute(select(destroyed_packages.c.package_id)).scalars()
    with pytest.raises(PackageDestroyed):
        archive.archive.packages.document(gone, 1, "kis")


def ended(archive: SimulatedArchive) -> None:
    """One package is gone from everywhere with one receipt in the store; its neighbour is whole."""
    vault = archive.archive.vault
    with archive.archive.database.read() as tx:
        assert not unended_disposals(tx)
        (gone,) = tx.execute(select(destroyed_packages.c.package_id)).scalars()
        receipts = tx.execute(select(amendments).where(amendments.c.kind == DISPOSAL)).all()
    assert [each.spool_file for each in receipts] == [None]
    with pytest.raises(NotFound):
        vault.store.record(ObjectName(vault.tenant, gone, ObjectKind.AIP))
    for place in vault.key_areas:
        assert gone not in [record.name.package for place in vault.key_areas for record in place.records()]
        assert {str(record.address) for record in place.records()} == {str(each) for each in vault.blobs.addresses()}
    assert vault.spool.names() == []
    assert list(vault.blobs.strays()) == []  # type: ignore[attr-defined]
    (stays,) = packages_of(archive)
    with vault.store.open(ObjectName(vault.tenant, stays, ObjectKind.AIP)) as stream:
        assert stream.read()
    with vault.store.open(ObjectName(vault.tenant, receipts[0].amendment_id, ObjectKind.AMENDMENT)) as stream:
        assert stream.read()
