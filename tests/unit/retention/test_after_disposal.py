"""After disposal: fsck, reconciling and a rebuild of the catalog know that what is gone was destroyed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.simulator.amendments import renewed
from tests.simulator.archive import TENANT, SimulatedArchive, make_archive
from tests.simulator.disposing import LATER, desk_of, packages_of, stores_say
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_catalog_to_compare, open_to_doubt
from zdda.catalog.tables import destroyed_packages
from zdda.fsck.store_check import StoreCheck
from zdda.ingest.amending import add_validation
from zdda.ingest.rebuild import CatalogRebuild
from zdda.ingest.reconcile import reconcile
from zdda.model.clock import FixedClock
from zdda.model.errors import PackageDestroyed
from zdda.model.objects import ObjectKind, ObjectName
from zdda.settings import load
from zdda.storage.object_record import ObjectRecord

CONTENTS = [b"%PDF to be forgotten" * 1000]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages were in one batch; the first, with an amendment of its own, was destroyed."""
    archive = make_archive(tmp_path / "archive")
    for key in ("one", "two"):
        archive.deposit(CONTENTS, {}, key)
    archive.settle()
    one = packages_of(archive)[0]
    add_validation(archive.archive.workshop, one, renewed(name="again"))
    stores_say(monkeypatch, LATER)
    (tmp_path / "one").write_text(str(one))
    record = archive.archive.vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP))
    (tmp_path / "record").write_bytes(record.encode())
    desk_of(archive).dispose([one], "archivist")
    archive.close()
    return tmp_path / "archive"


def lines_of(folder: Path) -> list[dict[str, object]]:
    settings = load(folder / "zdda.toml")
    with open_to_doubt(settings, folder, FixedClock(NOW)) as stores:
        return list(StoreCheck(stores, pki().anchors, NOW).lines())


def findings_of(folder: Path) -> list[object]:
    """Without that the receipt's seal is untrusted: the simulated certificate has ended by ``LATER``."""
    codes = [line["code"] for line in lines_of(folder) if line["type"] == "finding"]
    return [code for code in codes if code != "amendment-untrusted"]


def test_fsck_misses_nothing_that_was_destroyed(folder: Path) -> None:
    assert findings_of(folder) == []


def test_fsck_notices_what_comes_back(folder: Path, tmp_path: Path) -> None:
    """Somebody writes an old copy of the record into the key area."""
    with closing(make_archive(folder)) as archive:
        archive.archive.vault.key_areas[0].write(ObjectRecord.decode((tmp_path / "record").read_bytes()))
    assert "destroyed-object-back" in findings_of(folder)


def test_stores_and_catalog_tell_the_same(folder: Path) -> None:
    settings = load(folder / "zdda.toml")
    lines = lines_of(folder)
    with open_catalog_to_compare(settings, folder) as (database, generations):
        assert list(reconcile(database, generations, settings.archive.id, lines)) == []


def test_a_rebuilt_catalog_knows_what_was_destroyed(folder: Path, tmp_path: Path) -> None:
    one = UUID((tmp_path / "one").read_text())
    before = known(make_archive(folder))
    for file in folder.glob("catalog.db*"):
        file.unlink()
    archive = make_archive(folder, resuming=False)
    vault = archive.archive.vault
    report = CatalogRebuild(archive.archive.database, vault.store, vault.generations, FixedClock(NOW)).run()
    assert report.problems == []
    with pytest.raises(PackageDestroyed):
        archive.archive.packages.describe(one, "kis")
    with pytest.raises(PackageDestroyed):
        archive.deposit(CONTENTS, {}, "one")
    assert known(archive) == before


def known(archive: SimulatedArchive) -> list[tuple[object, ...]]:
    with closing(archive), archive.archive.database.read() as tx:
        return [tuple(row) for row in tx.execute(select(destroyed_packages))]
