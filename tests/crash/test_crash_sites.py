"""Two sites, one of which was away for a while: the process dies at every point of putting and replicating, and the
next one brings both level."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from tests.crash.children import DIED, dying_at, in_child
from tests.crash.promises import KEY, deposit, promises_hold
from tests.simulator.archive import SimulatedArchive, make_archive, prepare
from zdda.app import initialise
from zdda.catalog.object_copies import CopyState, site_report, states_at
from zdda.catalog.tables import object_copies
from zdda.model.errors import Unavailable
from zdda.retention.replication import REPLICATION_POINTS
from zdda.settings import load
from zdda.storage import filesystem_blobs, filesystem_key_area
from zdda.storage.blob_store import CrashPoint, no_crash

SITE = '\n[[sites]]\nname = "{0}"\ndirectory = "store-{0}"\nimmutable = false\n'
RECORDS = '[sites.records]\nkind = "folder"\ndirectory = "records-{0}"\n'
EARLIER = "while-it-was-away"
WRITING = ("stored.put", *filesystem_blobs.CRASH_POINTS, *filesystem_key_area.CRASH_POINTS)
"""Reached at one site and at the other, by one deposit's put and by the replication of another's."""


def two_sites(folder: Path) -> None:
    prepare(folder)
    file = folder / "zdda.toml"
    text = file.read_text("utf-8").replace("[store]\nimmutable = false\n", "")
    text = text.replace('name = "medical-record"', 'name = "medical-record"\ncopies = "one"')
    text += SITE.format("praha") + SITE.format("brno") + RECORDS.format("brno")
    file.write_text(text, "utf-8")
    initialise(load(file), folder)


def one_is_away(folder: Path) -> None:
    """A deposit that one site never hears of."""
    archive = make_archive(folder)
    away = archive.archive.vault.sites[1].blobs

    def silent(*_arguments: object) -> None:
        raise Unavailable("the site does not answer")

    for name in ("put", "stat", "mend"):
        setattr(away, name, silent)
    deposit(archive, EARLIER)
    archive.settle()
    with archive.archive.database.read() as tx:
        assert states_at(tx, "brno") == {CopyState.MISSING}
    archive.close()


def opened(folder: Path, crash: CrashPoint = no_crash) -> SimulatedArchive:
    """Some time later: whatever waited is due."""
    archive = make_archive(folder, crash=crash)
    with archive.archive.database.write() as tx:
        tx.execute(update(object_copies).values(not_before=None))
    return archive


def work(folder: Path, crash: CrashPoint) -> None:
    archive = opened(folder, crash)
    status = deposit(archive)
    (folder / "acknowledged").write_text(str(status.deposit_id))
    archive.settle()


def both_are_level(folder: Path) -> None:
    archive = opened(folder)
    if not (folder / "acknowledged").exists():
        deposit(archive)
    archive.settle()
    praha, brno = archive.archive.vault.sites
    assert set(praha.blobs.addresses()) == set(brno.blobs.addresses())
    assert brno.records is not None
    assert list(brno.records.records()) == list(archive.archive.vault.key_areas[0].records())
    with archive.archive.database.read() as tx:
        assert states_at(tx, "praha") == states_at(tx, "brno") == {CopyState.PRESENT}
        assert site_report(tx, "praha").objects == site_report(tx, "brno").objects == len(list(brno.blobs.addresses()))
    promises_hold(archive, (KEY, EARLIER))


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", [*REPLICATION_POINTS, *WRITING])
def test_whoever_dies_between_two_sites_leaves_nothing_broken(point: str, hit: int, tmp_path: Path) -> None:
    two_sites(tmp_path)
    one_is_away(tmp_path)
    status = in_child(lambda: work(tmp_path, dying_at(point, hit)))
    assert status == DIED or (status == 0 and hit > 1)
    both_are_level(tmp_path)
